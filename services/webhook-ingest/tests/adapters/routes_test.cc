#include "adapters/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/fakes.h"
#include "libs/twilio/twiml.h"
#include "parley/events/v1/quarantine.pb.h"

namespace parley::ingest {
namespace {

using webhooks::OutgoingRecord;
using webhooks::Topic;

using testing::HasSubstr;

const std::string kCallSid = "CA" + std::string(32, 'c');

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
    directory_.current = TwoAccounts();
    RegisterRoutes(server_.routes(), pipeline_,
                   {.directory = [this] { return directory_state_; },
                    .durable = [this] { return durable_state_; }},
                   proxies_, SystemClock());
    EXPECT_TRUE(server_.Start().ok());
    client_ = std::make_unique<httplib::Client>("127.0.0.1", server_.port());
    client_->set_keep_alive(true);
    client_->set_tcp_nodelay(true);
  }
  ~RoutesTest() override {
    client_.reset();
    server_.Stop();
  }

  httplib::Result Post(const SignedWebhook& webhook) {
    return client_->Post(webhook.target, {{"X-Twilio-Signature", webhook.signature}}, webhook.body,
                         webhook.content_type);
  }

  const http::TrustedProxies proxies_ = *http::TrustedProxies::Parse("127.0.0.1");
  absl::Status directory_state_;
  absl::Status durable_state_;
  FakeDirectory directory_;
  FakePublisher publisher_;
  WebhookPipeline pipeline_{
      {.verify = {.server_url = kServerUrl}}, directory_, publisher_, publisher_, SystemClock()};
  http::Server server_{{.name = "test", .connections_max = 8, .limits = WebhookLimits()}};
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(RoutesTest, EveryMessageRouteAnswersEmptyTwiml) {
  for (const char* path : {"/webhooks/twilio/message", "/api/webhooks/sms",
                           "/api/webhooks/whatsapp", "/api/webhooks/twilio/incoming"}) {
    publisher_.records.clear();
    const auto answer = Post(SignedPost(path, MessageParams(), kTokenA));
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->status, 200) << path;
    EXPECT_EQ(answer->body, twilio::kEmptyTwiml) << path;
    EXPECT_EQ(answer->get_header_value("Content-Type"), "text/xml") << path;
    EXPECT_EQ(publisher_.Of(Topic::kInbound).size(), 1u) << path;
  }
}

TEST_F(RoutesTest, EveryStatusRouteAnswersNothing) {
  const twilio::FormParams params = {{"AccountSid", kAccountA},
                                     {"MessageSid", kMessageSid},
                                     {"MessageStatus", "sent"},
                                     {"From", kNumberA}};
  for (const char* path : {"/webhooks/twilio/status", "/api/webhooks/twilio"}) {
    publisher_.records.clear();
    const auto answer = Post(SignedPost(path, params, kTokenA));
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->status, 200) << path;
    EXPECT_EQ(answer->body, "") << path;
    EXPECT_EQ(publisher_.Of(Topic::kDeliveryStatus).size(), 1u) << path;
  }
}

TEST_F(RoutesTest, TakesMessagesByGet) {
  const std::string target =
      std::string(kMessageTarget) + "?" + twilio::EncodeForm(MessageParams("a b+c"));
  const auto answer = client_->Get(
      target, {{"X-Twilio-Signature", twilio::Sign(kServerUrl + target, {}, kTokenA)}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(publisher_.records.size(), 1u);
}

TEST_F(RoutesTest, EveryVoiceRouteAnswersTwiml) {
  const twilio::FormParams params = {{"AccountSid", kAccountA}, {"CallSid", kCallSid},
                                     {"From", kCustomer},       {"To", kNumberA},
                                     {"CallStatus", "ringing"}, {"Direction", "inbound"}};
  for (const char* path : {"/webhooks/twilio/voice", "/api/webhooks/voice"}) {
    publisher_.records.clear();
    const auto answer = Post(SignedPost(path, params, kTokenA));
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->status, 200) << path;
    EXPECT_THAT(answer->body, HasSubstr("<Say>")) << path;
    EXPECT_EQ(answer->get_header_value("Content-Type"), "text/xml") << path;
    EXPECT_EQ(publisher_.Of(Topic::kInbound).size(), 1u) << path;
  }
}

TEST_F(RoutesTest, RecordingsAreTaken) {
  const twilio::FormParams params = {
      {"AccountSid", kAccountA}, {"CallSid", kCallSid}, {"RecordingStatus", "completed"}};
  const auto answer = Post(SignedPost("/webhooks/twilio/recording", params, kTokenA));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(publisher_.Of(Topic::kInbound).size(), 1u);
}

TEST_F(RoutesTest, EveryRouteTakesGet) {
  const twilio::FormParams call = {{"AccountSid", kAccountA}, {"CallSid", kCallSid},
                                   {"From", kCustomer},       {"To", kNumberA},
                                   {"CallStatus", "ringing"}, {"RecordingStatus", "absent"}};
  twilio::FormParams everything = call;
  for (const twilio::FormParam param : MessageParams()) {
    if (!everything.Has(param.name)) everything.Add(param.name, param.value);
  }
  everything.Add("MessageStatus", "received");
  const std::string query = "?" + twilio::EncodeForm(everything);
  for (const char* path :
       {"/webhooks/twilio/message", "/webhooks/twilio/status", "/webhooks/twilio/voice",
        "/webhooks/twilio/recording", "/api/webhooks/sms", "/api/webhooks/whatsapp",
        "/api/webhooks/voice", "/api/webhooks/twilio", "/api/webhooks/twilio/incoming"}) {
    publisher_.records.clear();
    const std::string target = path + query;
    const auto answer = client_->Get(
        target, {{"X-Twilio-Signature", twilio::Sign(kServerUrl + target, {}, kTokenA)}});
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->status, 200) << path << " " << answer->body;
    EXPECT_EQ(publisher_.records.size(), 1u) << path;
  }
}

TEST_F(RoutesTest, ATrustedProxySaysWhichAddressWasAskedFor) {
  const SignedWebhook webhook =
      SignedPost(kMessageTarget, MessageParams(), kTokenA, "https://tunnel.example.com");
  const httplib::Headers proxied = {{"X-Twilio-Signature", webhook.signature},
                                    {"X-Forwarded-Proto", "https"},
                                    {"X-Forwarded-Host", "tunnel.example.com"},
                                    {"X-Forwarded-For", "203.0.113.7"}};
  const auto post = [&](httplib::Client& client) {
    return client.Post(webhook.target, proxied, webhook.body, webhook.content_type);
  };
  EXPECT_EQ(post(*client_)->status, 200);
  // From anybody else the same headers say nothing.
  const http::TrustedProxies nobody;
  http::Server server({.name = "strict", .connections_max = 2});
  RegisterRoutes(server.routes(), pipeline_, {}, nobody, SystemClock());
  ASSERT_TRUE(server.Start().ok());
  httplib::Client stranger("127.0.0.1", server.port());
  EXPECT_EQ(post(stranger)->status, 403);
  ASSERT_EQ(publisher_.tried.size(), 1u);
  events::v1::QuarantineRecord record;
  ASSERT_TRUE(record.ParseFromString(publisher_.tried[0].value));
  EXPECT_EQ(record.remote_address(), "127.0.0.1");
  EXPECT_GE(record.headers_size(), 4);
}

TEST_F(RoutesTest, ProxiesMayAddLinesInsteadOfLists) {
  SignedWebhook webhook =
      SignedPost(kMessageTarget, MessageParams(), kTokenB, "https://tunnel.example.com");
  const httplib::Headers proxied = {{"X-Twilio-Signature", webhook.signature},
                                    {"X-Forwarded-Proto", "https"},
                                    {"X-Forwarded-Proto", "http"},
                                    {"X-Forwarded-Host", "tunnel.example.com"},
                                    {"X-Forwarded-Host", "inner"},
                                    {"X-Forwarded-For", "198.51.100.1"},  // Whatever it says.
                                    {"X-Forwarded-For", "203.0.113.7"},
                                    {"X-Forwarded-For", "127.0.0.1"}};
  EXPECT_EQ(client_->Post(webhook.target, proxied, webhook.body, webhook.content_type)->status,
            403);
  ASSERT_EQ(publisher_.tried.size(), 1u);
  events::v1::QuarantineRecord record;
  ASSERT_TRUE(record.ParseFromString(publisher_.tried[0].value));
  EXPECT_EQ(record.remote_address(), "203.0.113.7");
  EXPECT_THAT(record.tried_urls(),
              testing::Contains(HasSubstr("https://tunnel.example.com/webhooks/")));
}

TEST_F(RoutesTest, RefusalsCarryTheirReasonInBothForms) {
  const auto answer = Post(SignedPost(kMessageTarget, MessageParams(), kTokenB));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_THAT(answer->body, HasSubstr(R"("reason":"SIGNATURE_MISMATCH")"));
  const auto legacy = Post(SignedPost("/api/webhooks/sms", MessageParams(), kTokenB));
  ASSERT_TRUE(legacy);
  EXPECT_EQ(legacy->status, 403);
  EXPECT_THAT(legacy->body, HasSubstr(R"("success":false)"));
  EXPECT_THAT(legacy->body, HasSubstr(R"("code":"SIGNATURE_MISMATCH")"));
}

TEST_F(RoutesTest, LargeBodiesUpToTheLimitPassAndTheConnectionSurvivesOneThatIsTooLarge) {
  // Above cpp-httplib's own 8 KiB for forms.
  EXPECT_EQ(
      Post(SignedPost(kMessageTarget, MessageParams(std::string(60'000, 'x')), kTokenA))->status,
      200);
  const auto answer =
      Post(SignedPost(kMessageTarget, MessageParams(std::string(70'000, 'x')), kTokenA));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(publisher_.records.size(), 1u);
  EXPECT_EQ(Post(SignedPost(kMessageTarget, MessageParams(), kTokenA))->status, 200);
}

TEST_F(RoutesTest, MultipartIsNoForm) {
  const auto answer = client_->Post(kMessageTarget, httplib::Headers(), "--x\r\n",
                                    "multipart/form-data; boundary=x");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 415);
  EXPECT_THAT(answer->body, HasSubstr("CONTENT_TYPE"));
}

TEST_F(RoutesTest, OldRoutesRefuseLargeBodiesInTheirOwnForm) {
  const auto answer =
      Post(SignedPost("/api/webhooks/sms", MessageParams(std::string(70'000, 'x')), kTokenA));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 413);
  EXPECT_THAT(answer->body, HasSubstr(R"("success":false)"));
  EXPECT_THAT(answer->body, HasSubstr("BODY_TOO_LARGE"));
}

TEST_F(RoutesTest, HugeHeadersAreRefused) {
  const SignedWebhook webhook = SignedPost(kMessageTarget, MessageParams(), kTokenA);
  httplib::Headers headers = {{"X-Twilio-Signature", webhook.signature}};
  for (int i = 0; i < 5; ++i) headers.emplace("X-Filler", std::string(2'000, 'x'));
  const auto answer = client_->Post(webhook.target, headers, webhook.body, webhook.content_type);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 431);
  EXPECT_TRUE(publisher_.records.empty());
}

TEST_F(RoutesTest, OtherMethodsAndPathsAreRefused) {
  EXPECT_EQ(client_->Head(kMessageTarget)->status, 405);
  for (const char* path : {kMessageTarget, "/api/webhooks/sms"}) {
    for (const auto& answer : {client_->Put(path, "x=1", "text/plain"), client_->Delete(path),
                               client_->Patch(path, "", "text/plain"), client_->Options(path)}) {
      ASSERT_TRUE(answer) << path;
      EXPECT_EQ(answer->status, 405) << path;
      EXPECT_EQ(answer->get_header_value("Allow"), "GET, POST") << path;
      EXPECT_THAT(answer->body, HasSubstr("METHOD_NOT_ALLOWED")) << path;
    }
  }
  EXPECT_EQ(client_->Put("/elsewhere", "", "text/plain")->status, 404);
  EXPECT_EQ(client_->Get("/elsewhere")->status, 404);
  EXPECT_TRUE(publisher_.records.empty());
}

TEST_F(RoutesTest, WithoutAcknowledgementItAsksToComeBack) {
  publisher_.fail = [](const OutgoingRecord&) { return true; };
  const auto answer = Post(SignedPost(kMessageTarget, MessageParams(), kTokenA));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->get_header_value("Retry-After"), "1");
}

TEST_F(RoutesTest, HealthNamesWhatIsWrong) {
  auto answer = client_->Get("/api/webhooks/health");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->body, HasSubstr(R"("status":"ok")"));
  directory_state_ = Unavailable("X", "not complete");
  answer = client_->Get("/api/webhooks/health");
  EXPECT_EQ(answer->status, 503);
  EXPECT_THAT(answer->body, HasSubstr(R"("directory":"not complete")"));
  EXPECT_THAT(answer->body, HasSubstr(R"("durable":"ok")"));
}

}  // namespace
}  // namespace parley::ingest
