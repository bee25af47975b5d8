// The simulator as clients meet it: over HTTP, with good and bad requests, and with faults.
#include "http/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace parley::simulator {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ApiTest : public ::testing::Test {
 protected:
  ApiTest()
      : simulator_(io_, WorldOptions{.key = 7}),
        control_(simulator_, false),
        api_(simulator_, control_),
        server_(io_, "127.0.0.1", 0, api_) {
    account_ = &simulator_.world().AddAccount(sid_, token_, simulator_.Now());
    simulator_.world().AddNumber(*account_, "+15005550006", "local", simulator_.Now());
    server_.Start();
  }

  // Sends `raw` and reads until the other side ends; "RESET" if it resets the connection.
  std::string Raw(std::string raw) {
    tcp::socket socket(io_);
    std::string answer;
    bool done = false;
    socket.async_connect({asio::ip::make_address("127.0.0.1"), server_.port()}, [&](auto error) {
      ASSERT_FALSE(error);
      asio::async_write(socket, asio::buffer(raw), [](auto, std::size_t) {});
      asio::async_read(socket, asio::dynamic_buffer(answer), [&](auto read_error, std::size_t) {
        if (read_error == asio::error::connection_reset) answer = "RESET";
        done = true;
      });
    });
    while (!done) io_.run_one();
    return answer;
  }

  std::string Call(const std::string& method, const std::string& target,
                   const std::string& body = {}, std::string credentials = "default",
                   const std::string& type = "application/x-www-form-urlencoded") {
    if (credentials == "default") credentials = sid_ + ":" + token_;
    return Raw(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
               "Authorization: Basic " + EncodeBase64(credentials) + "\r\nContent-Type: " + type +
               "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }

  static int StatusOf(const std::string& answer) {
    return answer.size() > 12 && answer.substr(0, 9) == "HTTP/1.1 " ? std::stoi(answer.substr(9, 3))
                                                                    : 0;
  }
  static Json BodyOf(const std::string& answer) {
    const std::size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? Json() : Json::parse(answer.substr(end + 4), nullptr, false);
  }

  std::string Create() {
    return Call("POST", messages_, "To=%2B15005550123&From=%2B15005550006&Body=Hello");
  }

  void Faults(const std::string& json) {
    ASSERT_EQ(StatusOf(Call("PUT", "/simulator/v1/faults", json)), 200) << json;
  }

  const std::string sid_ = "AC" + std::string(32, '1');
  const std::string token_ = std::string(32, '1');
  const std::string messages_ = "/2010-04-01/Accounts/" + sid_ + "/Messages.json";
  asio::io_context io_;
  Simulator simulator_;
  Control control_;
  Api api_;
  HttpServer server_;
  Account* account_;
};

TEST_F(ApiTest, AnswersWithTwiliosHeaders) {
  const std::string answer = Create();
  EXPECT_EQ(StatusOf(answer), 201);
  for (const char* header : {"Twilio-Request-Id: RQ", "Twilio-Concurrent-Requests: 1",
                             "Twilio-Request-Duration: 0.", "X-Powered-By: AT-5000"}) {
    EXPECT_THAT(answer, HasSubstr(header));
  }
}

TEST_F(ApiTest, ChecksCredentialsAndAccounts) {
  World& world = simulator_.world();
  Account& other = world.AddAccount("AC" + std::string(32, '3'), "secret", simulator_.Now());
  Account& child = world.AddAccount("AC" + std::string(32, '4'), "secret", simulator_.Now());
  child.owner_sid = sid_;
  account_->keys["SK" + std::string(32, '5')] = "key secret";
  const struct {
    const char* label;
    std::string path;
    std::string credentials;
    int status;
    int code;
  } cases[] = {
      {"wrong token", sid_, sid_ + ":wrong", 401, 20003},
      {"unknown account", sid_, "AC" + std::string(32, '9') + ":x", 401, 20003},
      {"no colon", sid_, sid_, 401, 20003},
      {"empty", sid_, ":", 401, 20003},
      {"another's account", other.sid, sid_ + ":" + token_, 403, 20403},
      {"an account that does not exist", "AC" + std::string(32, '9'), sid_ + ":" + token_, 404,
       20404},
      {"a subaccount of its own", child.sid, sid_ + ":" + token_, 200, 0},
      {"its parent", sid_, child.sid + ":secret", 403, 20403},
      {"an API key", sid_, "SK" + std::string(32, '5') + ":key secret", 200, 0},
      {"an API key, wrong secret", sid_, "SK" + std::string(32, '5') + ":x", 401, 20003},
  };
  for (const auto& c : cases) {
    const std::string answer =
        Call("GET", "/2010-04-01/Accounts/" + c.path + "/Messages.json", "", c.credentials);
    EXPECT_EQ(StatusOf(answer), c.status) << c.label;
    EXPECT_EQ(BodyOf(answer).value("code", 0), c.code) << c.label;
  }
}

TEST_F(ApiTest, RefusesBadRequestsAndLivesOn) {
  const std::string account = "/2010-04-01/Accounts/" + sid_;
  const std::string services = "/v1/Services";
  const struct {
    const char* method;
    std::string target;
    std::string body;
    int status;
  } cases[] = {
      {"PATCH", messages_, "", 405},
      {"DELETE", messages_, "", 405},
      {"GET", account + "/Nothing.json", "", 404},
      {"GET", account + "/Messages/SM1.json", "", 404},
      {"GET", account + "/Messages/%00.json", "", 404},
      {"GET", account + "/Messages/%ff.json", "", 404},
      {"GET", "/", "", 200},
      {"POST", "/", "", 405},
      {"GET", "/nothing", "", 404},
      {"GET", "/2010-04-01", "", 404},
      {"GET", "/2010-04-01/Accountsx", "", 404},
      {"GET", messages_ + "?PageSize=x", "", 400},
      {"GET", messages_ + "?PageSize=0", "", 400},
      {"GET", messages_ + "?Page=-1", "", 400},
      {"GET", messages_ + "?PageToken=x", "", 400},
      {"GET", messages_ + "?PageToken=PASM00000000000000000000000000000000", "", 200},
      {"GET", messages_ + "?DateSent=never", "", 400},
      {"GET", messages_ + "?DateSent%3E=never", "", 400},
      {"POST", messages_, "To=%FF", 400},
      {"POST", messages_, "To=%2B15005550123&From=%2B15005550006&Body=%ED%A0%80", 400},
      {"POST", messages_, "%%%&&&===", 400},
      {"POST", messages_, std::string(3, '\0'), 400},
      {"POST", account + "/IncomingPhoneNumbers.json", "PhoneNumber=nonsense", 400},
      {"POST", account + "/IncomingPhoneNumbers.json", "PhoneNumber=%2B15005552000&SmsUrl=x", 400},
      {"POST", account + "/IncomingPhoneNumbers.json", "AreaCode=1", 400},
      {"GET", account + "/AvailablePhoneNumbers/XX/Local.json", "", 404},
      {"GET", account + "/AvailablePhoneNumbers/US/Nothing.json", "", 404},
      {"GET", account + "/AvailablePhoneNumbers/US/Local.json?Contains=1", "", 400},
      {"GET", account + "/AvailablePhoneNumbers/US/Local.json?Contains=%25%25%25%25%25%25", "",
       200},
      {"POST", account + "/Calls.json", "To=1", 400},
      {"POST", account + ".json", "Status=gone", 400},
      {"POST", services, "", 400},
      {"POST", services, "FriendlyName=x&ValidityPeriod=0", 400},
      {"GET", services + "/MG1", "", 404},
      {"GET", "/v2/PhoneNumbers/nonsense", "", 200},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(StatusOf(Call(c.method, c.target, c.body)), c.status) << c.method << " " << c.target;
  }
  for (const char* body :
       {"", "[]", "{", "{\"types\": 1}", "{\"types\": {}, \"language\": \"en\"}",
        "{\"types\": {\"twilio/text\": 1}, \"language\": \"en\"}",
        "{\"types\": {\"nonsense\": {}}, \"language\": \"en\"}",
        "{\"types\": {\"twilio/text\": {}}, \"language\": 1}", "\xff",
        "{\"types\": {\"twilio/text\": {}}, \"language\": \"en\", \"variables\": 1}",
        "{\"types\": {\"twilio/text\": {}}, \"language\": \"en\", "
        "\"friendly_name\": {}}"}) {
    EXPECT_EQ(StatusOf(Call("POST", "/v1/Content", body, "default", "application/json")), 400)
        << body;
  }
  EXPECT_EQ(StatusOf(Create()), 201);
}

TEST_F(ApiTest, RefusesWhatIsNotHttpOrTooLong) {
  EXPECT_THAT(Raw("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Raw("GET / HTTP/9.9\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Raw("GET /" + std::string(kHeaderBytesMax, 'x') + " HTTP/1.1\r\n\r\n"),
              AnyOf(StartsWith("HTTP/1.1 431"), "RESET"));
  EXPECT_THAT(Raw("POST " + messages_ + " HTTP/1.1\r\nContent-Length: " +
                  std::to_string(kApiBodyBytesMax + 1) + "\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Raw("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(StatusOf(Create()), 201);
}

TEST_F(ApiTest, AnswersManyRequestsOnOneConnection) {
  const std::string one = "GET /simulator/v1/health HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string answer =
      Raw(one + one + "GET /simulator/v1/health HTTP/1.1\r\nConnection: close\r\n\r\n");
  int count = 0;
  for (std::size_t at = answer.find("HTTP/1.1 200"); at != std::string::npos;
       at = answer.find("HTTP/1.1 200", at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 3);
}

TEST_F(ApiTest, FaultsStrikeCreations) {
  const auto& ledger = simulator_.world().ledger();
  Faults(R"({"drop_before_rate": 1})");
  EXPECT_EQ(Create(), "RESET");
  Faults(R"({"status_429_rate": 1})");
  EXPECT_EQ(BodyOf(Create())["code"], 20429);
  Faults(R"({"queue_full_rate": 1})");
  EXPECT_EQ(BodyOf(Create())["code"], 21611);
  Faults(R"({"status_5xx_rate": 1})");
  EXPECT_EQ(BodyOf(Create())["code"], 20500);
  EXPECT_EQ(BodyOf(Create())["code"], 20503);
  EXPECT_EQ(StatusOf(Call("GET", messages_)), 200);
  EXPECT_EQ(ledger.size(), 0U);
  Faults(R"({"status_5xx_rate": 1, "status_5xx_processed_rate": 1})");
  EXPECT_GE(StatusOf(Create()), 500);
  EXPECT_EQ(ledger.size(), 1U);
  Faults(R"({"accept_then_drop_rate": 1})");
  EXPECT_EQ(Create(), "RESET");
  EXPECT_EQ(ledger.size(), 2U);
  Faults(R"({"status_429_rate": 1, "all_requests": true})");
  EXPECT_EQ(StatusOf(Call("GET", messages_)), 429);
  Faults("{}");
  EXPECT_EQ(StatusOf(Create()), 201);
  EXPECT_EQ(ledger.size(), 3U);
}

TEST_F(ApiTest, LatencyDelaysTheAnswerNotTheArrival) {
  Faults(R"({"latency_ms": 60})");
  const Micros before = simulator_.Now();
  EXPECT_EQ(StatusOf(Create()), 201);
  EXPECT_GE(simulator_.Now() - before, 60 * kMillisecond);
  EXPECT_LT(simulator_.world().ledger()[0].arrived_us - before, 60 * kMillisecond);
}

TEST_F(ApiTest, ConcurrencyIsLimited) {
  simulator_.world().settings.concurrency_limit = 1;
  EXPECT_EQ(StatusOf(Create()), 201);
  ++account_->requests_in_flight;
  EXPECT_EQ(BodyOf(Create())["code"], 20429);
  --account_->requests_in_flight;
  EXPECT_EQ(StatusOf(Create()), 201);
}

TEST_F(ApiTest, ControlRefusesBadInputWithAReason) {
  const struct {
    const char* method;
    const char* path;
    const char* body;
    int status;
  } cases[] = {
      {"POST", "inbound", "", 400},
      {"POST", "inbound", "[]", 400},
      {"POST", "inbound", "{}", 400},
      {"POST", "inbound", R"({"from": 1, "to": "+15005550006"})", 400},
      {"POST", "inbound", R"({"from": "+15005550123", "to": "+15005559999"})", 404},
      {"POST", "inbound", R"({"from": "x", "to": "+15005550006"})", 400},
      {"POST", "inbound", R"({"from": "+15005550123", "to": "+15005550006", "channel": "fax"})",
       400},
      {"POST", "inbound", R"({"from": "+15005550123", "to": "+15005550006", "media_urls": [1]})",
       400},
      {"POST", "inbound", R"({"from": "+15005550123", "to": "+15005550006", "wait": 1})", 400},
      {"POST", "inbound", "{\"from\": \"\xff\"}", 400},
      {"GET", "inbound", "", 405},
      {"GET", "ledger?after=x", "", 400},
      {"GET", "ledger?limit=0", "", 400},
      {"PUT", "faults", "{\"latency_ms\": \"x\"}", 400},
      {"PUT", "faults", "nonsense", 400},
      {"POST", "faults", "{}", 405},
      {"PUT", "settings", "{\"callbacks\": 1}", 400},
      {"GET", "reset", "", 405},
      {"POST", "accounts", R"({"sid": "AC1"})", 400},
      {"POST", "accounts", R"({"numbers": ["nonsense"]})", 400},
      {"POST", "accounts", R"({"numbers": ["+15005550006"]})", 400},
      {"POST", "accounts", R"({"type": "Gold"})", 400},
      {"GET", "handset?number=", "", 400},
      {"GET", "nothing", "", 404},
      {"POST", "media", "", 400},
      {"GET", "media/nothing", "", 404},
      {"POST", "read", "{}", 400},
      {"POST", "read", "{\"sid\": \"SM1\"}", 409},
  };
  for (const auto& c : cases) {
    const std::string answer = Call(c.method, std::string("/simulator/v1/") + c.path, c.body);
    EXPECT_EQ(StatusOf(answer), c.status) << c.method << " " << c.path << " " << c.body;
    EXPECT_TRUE(BodyOf(answer).contains("error")) << c.path;
  }
}

TEST_F(ApiTest, TheLedgerIsReadInParts) {
  for (int i = 0; i < 5; ++i) Create();
  const Json all = BodyOf(Call("GET", "/simulator/v1/ledger"));
  EXPECT_EQ(all["entries"].size(), 5U);
  EXPECT_EQ(all["next"], 5);
  const Json some = BodyOf(Call("GET", "/simulator/v1/ledger?after=1&limit=2"));
  EXPECT_EQ(some["entries"][0]["index"], 2);
  EXPECT_EQ(some["next"], 3);
  const Json none = BodyOf(Call("GET", "/simulator/v1/ledger?after=5"));
  EXPECT_EQ(none["entries"].size(), 0U);
  EXPECT_EQ(none["next"], 5);
  EXPECT_EQ(BodyOf(Call("GET", "/simulator/v1/ledger?after=99"))["entries"].size(), 0U);
}

TEST_F(ApiTest, ControlCanAskForCredentials) {
  Control guarded(simulator_, true);
  Api api(simulator_, guarded);
  HttpServer server(io_, "127.0.0.1", 0, api);
  HttpRequest request;
  request.method = "GET";
  request.path = "/simulator/v1/ledger";
  int status = 0;
  const auto keep = [&status](const HttpResponse& response) { status = response.status; };
  api.Handle(request, keep);
  EXPECT_EQ(status, 401);
  request.authorization = "Basic " + EncodeBase64(sid_ + ":" + token_);
  api.Handle(request, keep);
  EXPECT_EQ(status, 200);
}

TEST(Frame2010, KeepsFiltersAndTellsWhereToGoOn) {
  const Params query = {{"To", "+15005550123"}, {"DateSent<", "2026-01-01"}, {"PageSize", "2"}};
  const PageRequest page{2, 1, "PASM1"};
  const PageFrame frame{"/x.json", query, page, 2, true, true, "SM3", "SM4"};
  const Json json = Json::parse("{" + Frame2010(frame) + "\"messages\":[]}");
  const std::string filters = "/x.json?To=%2B15005550123&DateSent%3C=2026-01-01&PageSize=2";
  EXPECT_EQ(json["first_page_uri"], filters + "&Page=0");
  EXPECT_EQ(json["next_page_uri"], filters + "&Page=2&PageToken=PASM4");
  EXPECT_EQ(json["previous_page_uri"], filters + "&Page=0&PageToken=PBSM3");
  EXPECT_EQ(json["start"], 2);
  EXPECT_EQ(json["end"], 3);
}

}  // namespace
}  // namespace parley::simulator
