#include "adapters/twilio_accounts.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/http/server.h"

namespace parley::gateway {
namespace {

// A Twilio that answers each test's own way.
class TwilioAccountsTest : public testing::Test {
 protected:
  TwilioAccountsTest() {
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      asked_ = request.path;
      form_ = request.params;
      response.status = status_;
      response.set_content(body_, "application/json");
    };
    server_.routes().Get(".*", answer);
    server_.routes().Post(".*", answer);
    EXPECT_TRUE(server_.Start().ok());
    auto twilio =
        TwilioClientAccounts::Create("http://127.0.0.1:" + std::to_string(server_.port()));
    EXPECT_TRUE(twilio.ok()) << twilio.status();
    twilio_ = *std::move(twilio);
  }

  static std::string AccountJson(const std::string& status, const std::string& type) {
    return R"({"sid": ")" + Sid() + R"(", "friendly_name": "Shop", "status": ")" + status +
           R"(", "type": ")" + type + R"("})";
  }
  static std::string ErrorJson(int code, int status) {
    return R"({"code": )" + std::to_string(code) + R"(, "message": "no", "status": )" +
           std::to_string(status) + "}";
  }
  static std::string Sid() { return "AC" + std::string(32, '1'); }

  const TwilioLogin login_{Sid(), Secret("token")};
  int status_ = 200;
  std::string body_;
  std::string asked_;
  httplib::Params form_;
  http::Server server_{{.name = "twilio", .connections_max = 4}};
  std::unique_ptr<TwilioClientAccounts> twilio_;
};

TEST_F(TwilioAccountsTest, TellsKindsOfAccountsApart) {
  const struct {
    const char* label;
    int status;
    std::string body;
    std::string reason;
    v1::TwilioAccount::Kind kind;
  } cases[] = {
      {"paid", 200, AccountJson("active", "Full"), "", v1::TwilioAccount::KIND_FULL},
      {"trial", 200, AccountJson("active", "Trial"), "", v1::TwilioAccount::KIND_TRIAL},
      {"test credentials", 403, ErrorJson(20008, 403), "", v1::TwilioAccount::KIND_TEST},
      {"wrong token", 401, ErrorJson(20003, 401), "TWILIO_REFUSED", {}},
      {"forbidden otherwise", 403, ErrorJson(20403, 403), "TWILIO_REFUSED", {}},
      {"suspended", 200, AccountJson("suspended", "Full"), "TWILIO_REFUSED", {}},
      {"too many requests", 429, ErrorJson(20429, 429), "TWILIO_UNREACHABLE", {}},
      {"broken", 500, "", "TWILIO_UNREACHABLE", {}},
  };
  for (const auto& c : cases) {
    status_ = c.status;
    body_ = c.body;
    const auto facts = twilio_->Check(login_);
    EXPECT_EQ(facts.ok() ? "" : ErrorReason(facts.status()), c.reason) << c.label;
    EXPECT_EQ(facts.ok() ? facts->kind : v1::TwilioAccount::Kind{}, c.kind) << c.label;
  }
}

TEST_F(TwilioAccountsTest, SaysWhatTwilioHasAgainstIt) {
  status_ = 401;
  body_ = ErrorJson(20003, 401);
  EXPECT_NE(twilio_->Check(login_).status().message().find("20003"), std::string::npos);
}

TEST_F(TwilioAccountsTest, FindsANumberOnlyIfItIsThisOne) {
  // Twilio's filter takes parts of numbers.
  body_ = R"({"incoming_phone_numbers": [
      {"sid": "PN1", "phone_number": "+155500010001", "capabilities": {}},
      {"sid": "PN2", "phone_number": "+15550001000", "capabilities": {}}], "next_page_uri": null})";
  EXPECT_EQ(**twilio_->FindNumber(login_, "+15550001000"), "PN2");
  EXPECT_EQ(*twilio_->FindNumber(login_, "+15550001"), std::nullopt);
}

TEST_F(TwilioAccountsTest, PointsTextsAndCallsHere) {
  const std::string sid = "PN" + std::string(32, '1');
  body_ = R"({"sid": ")" + sid + R"(", "phone_number": "+15550001000", "capabilities": {}})";
  const absl::Status status =
      twilio_->PointNumber(login_, sid, {"http://a/m", "http://a/s", "http://a/v"});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(asked_.ends_with("/IncomingPhoneNumbers/" + sid + ".json")) << asked_;
  const std::pair<const char*, const char*> want[] = {
      {"SmsUrl", "http://a/m"},           {"SmsFallbackUrl", "http://a/m"},
      {"StatusCallback", "http://a/s"},   {"VoiceUrl", "http://a/v"},
      {"VoiceFallbackUrl", "http://a/v"}, {"VoiceMethod", "POST"}};
  for (const auto& [name, value] : want) {
    ASSERT_EQ(form_.count(name), 1U) << name;
    EXPECT_EQ(form_.find(name)->second, value) << name;
  }
}

TEST_F(TwilioAccountsTest, NobodyAnswering) {
  server_.Stop();
  EXPECT_EQ(ErrorReason(twilio_->Check(login_).status()), "TWILIO_UNREACHABLE");
}

}  // namespace
}  // namespace parley::gateway
