// Webhooks over real connections: retries, fallbacks, redirects, credentials.
#include "callbacks/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "http/server.h"

namespace parley::simulator {
namespace {

using ::testing::ElementsAre;

// Answers as it was told, in turn; keeps what it was asked.
class Receiver final : public HttpHandler {
 public:
  void Handle(HttpRequest request, std::function<void(HttpResponse)> respond) override {
    paths.push_back(request.method + " " + request.path);
    requests.push_back(request);
    HttpResponse response;
    response.status = 204;
    if (!answers.empty()) {
      response = std::move(answers.front());
      answers.pop_front();
    }
    respond(std::move(response));
  }
  std::size_t BodyBytesMax(std::string_view) const override { return 1 << 20; }

  static HttpResponse Status(int status, std::string headers = {}) {
    HttpResponse response;
    response.status = status;
    response.headers = std::move(headers);
    return response;
  }
  static HttpResponse Reset() {
    HttpResponse response;
    response.reset = true;
    return response;
  }

  std::deque<HttpResponse> answers;
  std::vector<std::string> paths;
  std::vector<HttpRequest> requests;
};

class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest()
      : server_(io_, "127.0.0.1", 0, receiver_),
        dispatcher_(io_, settings_,
                    [this](const Webhook&, const WebhookResult& result) { result_ = result; }) {
    server_.Start();
    settings_.inbound_retry_delay_ms = 1;
  }

  std::string Url(const std::string& rest, const std::string& user = {}) {
    return "http://" + user + "127.0.0.1:" + std::to_string(server_.port()) + rest;
  }

  WebhookResult Run(Webhook webhook) {
    webhook.auth_token = "12345";
    webhook.idempotency_token = "same";
    result_.reset();
    dispatcher_.Send(std::move(webhook));
    while (!result_) io_.run_one();
    return *result_;
  }

  boost::asio::io_context io_;
  Receiver receiver_;
  Settings settings_;
  HttpServer server_;
  std::optional<WebhookResult> result_;
  Dispatcher dispatcher_;
};

TEST_F(DispatcherTest, SendsASignedFormWithoutTheFragment) {
  Webhook webhook;
  webhook.url = Url("/in?a=%20b#rc=5&rp=all");
  webhook.params = {{"Body", "a b&c"}};
  const WebhookResult result = Run(webhook);
  EXPECT_TRUE(result.delivered);
  EXPECT_EQ(result.attempts, 1);
  EXPECT_EQ(receiver_.requests[0].query, "a=%20b");
  EXPECT_EQ(receiver_.requests[0].body, "Body=a%20b%26c");
  EXPECT_EQ(receiver_.requests[0].content_type, "application/x-www-form-urlencoded");
}

TEST_F(DispatcherTest, SignsAGetsWholeUrl) {
  Webhook webhook;
  webhook.url = Url("/in?a=1");
  webhook.method = "GET";
  webhook.params = {{"Body", "x y"}};
  WebhookUrl url;
  ASSERT_TRUE(ParseWebhookUrl(webhook.url, false, url));
  webhook.auth_token = "12345";
  const OutgoingRequest request = BuildRequest(webhook, url, "GET", webhook.params, false);
  EXPECT_EQ(request.target, "/in?a=1&Body=x%20y");
  EXPECT_EQ(request.headers[2].second, Sign("12345", Url("/in?a=1&Body=x%20y"), {}));
  Run(webhook);
  EXPECT_THAT(receiver_.paths, ElementsAre("GET /in"));
}

TEST_F(DispatcherTest, RetriesAsTheOverridesSay) {
  const struct {
    const char* fragment;
    int status;  // 0: the connection is reset.
    int attempts;
  } cases[] = {
      {"", 500, 1},
      {"#rc=2&rp=5xx", 500, 3},
      {"#rc=2&rp=4xx", 500, 1},
      {"#rc=2&rp=4xx", 404, 3},
      {"#rc=0&rp=all", 500, 1},
      {"#rc=3&rp=all", 0, 4},
      {"#rc=3&rp=ct", 0, 1},
  };
  for (const auto& c : cases) {
    receiver_.answers.clear();
    for (int i = 0; i < 9; ++i) {
      receiver_.answers.push_back(c.status == 0 ? Receiver::Reset() : Receiver::Status(c.status));
    }
    Webhook webhook;
    webhook.url = Url(std::string("/in") + c.fragment);
    const WebhookResult result = Run(webhook);
    EXPECT_FALSE(result.delivered) << c.fragment;
    EXPECT_EQ(result.attempts, c.attempts) << c.fragment << " " << c.status;
    EXPECT_EQ(result.error_code, c.status == 0 ? 11205 : 11217) << c.fragment;
  }
}

TEST_F(DispatcherTest, StopsRetryingOnceItWasHeard) {
  receiver_.answers = {Receiver::Status(503), Receiver::Status(503), Receiver::Status(200)};
  Webhook webhook;
  webhook.url = Url("/in#rc=5&rp=all");
  const WebhookResult result = Run(webhook);
  EXPECT_TRUE(result.delivered);
  EXPECT_EQ(result.attempts, 3);
}

TEST_F(DispatcherTest, FallsBackWithTheReason) {
  receiver_.answers = {Receiver::Status(500)};
  Webhook webhook;
  webhook.url = Url("/in#rc=0");
  webhook.fallback_url = Url("/fallback");
  webhook.params = {{"Body", "x"}};
  const WebhookResult result = Run(webhook);
  EXPECT_TRUE(result.delivered);
  EXPECT_TRUE(result.via_fallback);
  EXPECT_EQ(result.error_code, 11217);
  EXPECT_THAT(receiver_.paths, ElementsAre("POST /in", "POST /fallback"));
  const Params params = ParseForm(receiver_.requests[1].body);
  EXPECT_EQ(Get(params, "Body"), "x");
  EXPECT_EQ(Get(params, "ErrorCode"), "11217");
  EXPECT_EQ(Get(params, "ErrorUrl"), Url("/in"));
}

TEST_F(DispatcherTest, ReportsWhatCannotBeReached) {
  boost::asio::ip::tcp::acceptor unused(io_, {boost::asio::ip::make_address("127.0.0.1"), 0});
  const std::string port = std::to_string(unused.local_endpoint().port());
  unused.close();
  Webhook webhook;
  webhook.url = "http://127.0.0.1:" + port + "/#rc=1";
  const WebhookResult refused = Run(webhook);
  EXPECT_EQ(refused.error_code, 11202);
  EXPECT_EQ(refused.attempts, 2);
  EXPECT_EQ(refused.status, 0);
}

TEST_F(DispatcherTest, GivesUpOnASilentServer) {
  boost::asio::ip::tcp::acceptor silent(io_, {boost::asio::ip::make_address("127.0.0.1"), 0});
  Webhook webhook;
  webhook.url = "http://127.0.0.1:" + std::to_string(silent.local_endpoint().port()) + "/";
  const std::string url = webhook.url;
  webhook.url = url + "#rt=100";
  EXPECT_EQ(Run(webhook).error_code, 11200);
  webhook.url = url + "#tt=100&rc=5&rp=all";
  const WebhookResult total = Run(webhook);
  EXPECT_EQ(total.error_code, 11203);
  EXPECT_EQ(total.attempts, 1);
}

TEST_F(DispatcherTest, FollowsRedirects) {
  receiver_.answers = {Receiver::Status(302, "Location: /second\r\n"),
                       Receiver::Status(307, "Location: /third?x=1\r\n")};
  Webhook webhook;
  webhook.url = Url("/first");
  EXPECT_TRUE(Run(webhook).delivered);
  EXPECT_THAT(receiver_.paths, ElementsAre("POST /first", "GET /second", "GET /third"));
}

TEST_F(DispatcherTest, DoesNotFollowForEver) {
  for (int i = 0; i < 20; ++i) {
    receiver_.answers.push_back(Receiver::Status(307, "Location: /again\r\n"));
  }
  Webhook webhook;
  webhook.url = Url("/first");
  EXPECT_FALSE(Run(webhook).delivered);
  EXPECT_EQ(receiver_.paths.size(), 1U + kHttpRedirectsMax);
}

TEST_F(DispatcherTest, GivesCredentialsOnlyWhenAsked) {
  receiver_.answers = {Receiver::Status(401, "WWW-Authenticate: Basic realm=\"x\"\r\n")};
  Webhook webhook;
  webhook.url = Url("/in", "user:secret@");
  EXPECT_TRUE(Run(webhook).delivered);
  EXPECT_EQ(receiver_.requests[0].authorization, "");
  EXPECT_EQ(receiver_.requests[1].authorization, "Basic " + EncodeBase64("user:secret"));
}

}  // namespace
}  // namespace parley::simulator
