// `gateway bootstrap`, which ./run calls at every start.
#include "bootstrap/bootstrap.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class BootstrapTest : public GatewayTest {
 protected:
  BootstrapTest() {
    gateway.twilio.Put(wanted_.account_sid, {.auth_token = "token of the environment",
                                             .facts = {"A", v1::TwilioAccount::KIND_FULL},
                                             .numbers = {wanted_.phone_number}});
  }

  json Run(const json& known) {
    const auto result = bootstrap::Run(gateway.services(), wanted_, known);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : json::object();
  }
  bool Works(const json& credentials) {
    const Answer log_in = gateway.Http(
        {.method = "POST",
         .path = "/v1/sessions",
         .body = {{"email", credentials["email"]}, {"password", credentials["password"]}}});
    const Answer key =
        gateway.Http({.method = "GET",
                      .path = "/v1/channels/" + credentials["channel_id"].get<std::string>(),
                      .token = credentials["api_key"]});
    return log_in.http_status == 200 && key.http_status == 200;
  }

  const bootstrap::Wanted wanted_{.email = "first@example.com",
                                  .account_sid = MadeUpSid('9'),
                                  .auth_token = Secret("token of the environment"),
                                  .phone_number = "+15550002999"};
};

TEST_F(BootstrapTest, MakesWhatIsNeededOnceAndAnswersTheSame) {
  const json first = Run(json::object());
  EXPECT_TRUE(Works(first)) << first;
  const std::string counts = gateway.Counts();
  EXPECT_EQ(Run(first), first);
  EXPECT_EQ(Run(first), first);
  const std::string sessions_apart = gateway.Counts();
  EXPECT_EQ(sessions_apart, counts) << "a repeat makes nothing";

  // Twilio being away is no reason not to start again.
  gateway.twilio.SetAway(true);
  EXPECT_EQ(Run(first), first);
  gateway.twilio.SetAway(false);

  // The file was lost: what it held is made anew, and the rest stays.
  const json again = Run(json::object());
  EXPECT_TRUE(Works(again)) << again;
  EXPECT_NE(again["password"], first["password"]);
  EXPECT_NE(again["api_key"], first["api_key"]);
  EXPECT_EQ(again["organization_id"], first["organization_id"]);
  EXPECT_EQ(again["channel_id"], first["channel_id"]);

  // The number is pointed here where that is asked for.
  gateway.services().options.configure_webhooks = true;
  Run(again);
  gateway.services().options.configure_webhooks = false;
  EXPECT_EQ(gateway.twilio.pointed()["PN of +15550002999"],
            "http://127.0.0.1:8080/webhooks/twilio/message#rc=5&rp=all");
  gateway.Query("UPDATE channels SET public_url = 'https://own.example.com' WHERE id = $1",
                {again["channel_id"]});
  gateway.services().options.configure_webhooks = true;
  Run(again);
  gateway.services().options.configure_webhooks = false;
  EXPECT_EQ(gateway.twilio.pointed()["PN of +15550002999"],
            "https://own.example.com/webhooks/twilio/message#rc=5&rp=all");
}

TEST_F(BootstrapTest, AWrongTokenIsSaidInTwiliosWords) {
  bootstrap::Wanted wrong = wanted_;
  wrong.email = "second@example.com";
  wrong.account_sid = MadeUpSid('8');
  EXPECT_EQ(ErrorReason(bootstrap::Run(gateway.services(), wrong, json::object()).status()),
            "TWILIO_REFUSED");
}

TEST_F(BootstrapTest, CredentialsAreReadableByTheirOwnerOnly) {
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "credentials.json").string();
  std::filesystem::remove(path);
  EXPECT_EQ(*bootstrap::ReadCredentials(path), json::object());
  ASSERT_TRUE(bootstrap::WriteCredentials(path, {{"email", "a@example.com"}}).ok());
  std::ofstream(path) << R"({"email": "a@example.com", "public": "http://127.0.0.1:8080"})";
  ASSERT_TRUE(bootstrap::WriteCredentials(path, {{"email", "b@example.com"}}).ok());
  EXPECT_EQ(*bootstrap::ReadCredentials(path),
            (json{{"email", "b@example.com"}, {"public", "http://127.0.0.1:8080"}}));
  struct stat status = {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  std::ofstream(path) << "no JSON";
  EXPECT_EQ(ErrorReason(bootstrap::ReadCredentials(path).status()), "CREDENTIALS_UNREADABLE");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace parley::gateway
