// Accounts, channels and their numbers, the organization, the audit log.
#include "libs/postgres/array.h"
#include "parley/events/v1/directory.pb.h"
#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class SettingsTest : public GatewayTest {
 protected:
  json ChannelOf(const Tenant& tenant, const std::string& number) {
    return {{"channel",
             {{"displayName", "Shop"},
              {"phoneNumber", number},
              {"media", {"MEDIUM_SMS"}},
              {"accountSid", tenant.account_sid}}}};
  }
  // What the directory says about a number.
  events::v1::Number Number(const Tenant& tenant, const std::string& number) {
    const std::string value =
        gateway.Query("SELECT value FROM directory_records WHERE record_id = $1",
                      {"number/" + tenant.account_sid + "/" + number});
    events::v1::DirectoryRecord record;
    record.ParseFromString(postgres::FromBytea(value));
    return record.number();
  }
};

TEST_F(SettingsTest, AnAccountIsKeptOnlyIfTwilioAcceptsIt) {
  const Tenant tenant = gateway.NewTenant();
  const std::string sid = MadeUpSid('3');
  gateway.twilio.Put(sid, {.auth_token = "right",
                           .facts = {"Trial", v1::TwilioAccount::KIND_TRIAL},
                           .numbers = {"+15550004001"}});
  const std::string before = gateway.Counts();
  const Answer refused =
      Post(tenant, "/v1/twilioAccounts", {{"accountSid", sid}, {"authToken", "wrong"}});
  EXPECT_EQ(refused.reason, "TWILIO_REFUSED");
  EXPECT_NE(refused.body["error"]["message"].get<std::string>().find("20003"), std::string::npos);
  const Answer foreign =
      Post(tenant, "/v1/twilioAccounts",
           {{"accountSid", sid}, {"authToken", "right"}, {"phoneNumber", "+15550004002"}});
  EXPECT_EQ(foreign.reason, "NUMBER_NOT_OWNED");
  gateway.twilio.SetAway(true);
  const Answer away =
      Post(tenant, "/v1/twilioAccounts", {{"accountSid", sid}, {"authToken", "right"}});
  gateway.twilio.SetAway(false);
  EXPECT_EQ(away.http_status, 503);
  EXPECT_EQ(away.reason, "TWILIO_UNREACHABLE");
  EXPECT_EQ(gateway.Counts(), before);

  const json account =
      Ok(Post(tenant, "/v1/twilioAccounts",
              {{"accountSid", sid}, {"authToken", "right"}, {"phoneNumber", "+15550004001"}}));
  EXPECT_EQ(account["kind"], "KIND_TRIAL");
  EXPECT_EQ(account["displayName"], "Trial");
  EXPECT_EQ(Ok(Get(tenant, "/v1/twilioAccounts"))["twilioAccounts"].size(), 2U);
}

TEST_F(SettingsTest, AnAuthTokenIsSealedAndNeverShown) {
  const Tenant tenant = gateway.NewTenant();
  const std::string sid = MadeUpSid('4');
  gateway.twilio.Put(
      sid, {.auth_token = "a very secret token", .facts = {"A", v1::TwilioAccount::KIND_FULL}});
  const Answer answer = Post(tenant, "/v1/twilioAccounts",
                             {{"accountSid", sid}, {"authToken", "a very secret token"}});
  EXPECT_EQ(answer.body.dump().find("secret"), std::string::npos);
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM account_credentials WHERE account_sid = $1"
                          " AND position('secret'::bytea IN sealed_auth_token) > 0",
                          {sid}),
            "0");
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM directory_records WHERE record_id = $1"
                          " AND position('secret'::bytea IN value) > 0",
                          {"account/" + sid}),
            "0");
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM directory_records WHERE record_id = $1",
                          {"account/" + sid}),
            "1");
}

TEST_F(SettingsTest, TestCredentialsAreTakenWithMagicNumbers) {
  const Tenant tenant = gateway.NewTenant();
  const std::string sid = MadeUpSid('5');
  gateway.twilio.Put(
      sid, {.auth_token = "t", .facts = {"Test credentials", v1::TwilioAccount::KIND_TEST}});
  const json login = {{"accountSid", sid}, {"authToken", "t"}};
  json with_number = login;
  with_number["phoneNumber"] = "+15550004003";
  EXPECT_EQ(Post(tenant, "/v1/twilioAccounts", with_number).reason, "NUMBER_NOT_OWNED");
  with_number["phoneNumber"] = "+15005550006";
  EXPECT_EQ(Ok(Post(tenant, "/v1/twilioAccounts", with_number))["kind"], "KIND_TEST");

  json channel = ChannelOf(tenant, "+15005550006");
  channel["channel"]["accountSid"] = sid;
  Ok(Post(tenant, "/v1/channels", channel));
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM number_claims WHERE account_sid = $1", {sid}), "0")
      << "test credentials claim nothing";
}

TEST_F(SettingsTest, AnAccountIsNotSharedWithoutConsent) {
  const Tenant first = gateway.NewTenant();
  const Tenant second = gateway.NewTenant();
  const std::string sid = MadeUpSid('6');
  gateway.twilio.Put(sid, {.auth_token = "t", .facts = {"A", v1::TwilioAccount::KIND_FULL}});
  const json login = {{"accountSid", sid}, {"authToken", "t"}};
  Ok(Post(first, "/v1/twilioAccounts", login));
  EXPECT_EQ(Post(second, "/v1/twilioAccounts", login).reason, "ACCOUNT_OF_ANOTHER_ORGANIZATION");
  EXPECT_EQ(Post(first, "/v1/twilioAccounts", login).http_status, 200) << "again is fine";
}

TEST_F(SettingsTest, ANumberBelongsToOneChannel) {
  const Tenant tenant = gateway.NewTenant();
  const Answer taken = Post(tenant, "/v1/channels", ChannelOf(tenant, tenant.phone_number));
  EXPECT_EQ(taken.http_status, 409);
  EXPECT_EQ(taken.reason, "NUMBER_TAKEN");
  EXPECT_EQ(Ok(Get(tenant, "/v1/channels"))["channels"].size(), 1U);
  const events::v1::Number number = Number(tenant, tenant.phone_number);
  EXPECT_EQ(number.channel_id(), tenant.channel_id);
  EXPECT_EQ(number.organization_id(), tenant.organization_id);
  EXPECT_FALSE(number.removed());
}

TEST_F(SettingsTest, ADeletedChannelGivesItsNumberBackAndKeepsItsConversations) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550004004", "hi");
  Ok(Delete(tenant, "/v1/channels/" + tenant.channel_id));
  EXPECT_TRUE(Number(tenant, tenant.phone_number).removed());
  EXPECT_EQ(Ok(Get(tenant, "/v1/channels"))["channels"].size(), 0U);
  EXPECT_EQ(Ok(Get(tenant, "/v1/channels/" + tenant.channel_id))["state"], "STATE_DELETED");
  EXPECT_EQ(Delete(tenant, "/v1/channels/" + tenant.channel_id).reason, "CHANNEL_NOT_FOUND");
  EXPECT_EQ(Patch(tenant, "/v1/channels/" + tenant.channel_id, {{"displayName", "x"}}).reason,
            "CHANNEL_NOT_FOUND");
  const std::string conversation = message["conversationId"];
  EXPECT_EQ(Ok(Get(tenant, "/v1/conversations/" + conversation + "/messages"))["messages"].size(),
            1U);
  EXPECT_EQ(Post(tenant, "/v1/messages", {{"conversationId", conversation}, {"body", "x"}}).reason,
            "CHANNEL_DELETED");
  Ok(Post(tenant, "/v1/channels", ChannelOf(tenant, tenant.phone_number)));
  EXPECT_FALSE(Number(tenant, tenant.phone_number).removed());
}

TEST_F(SettingsTest, AChannelCanChangeItsNumber) {
  const Tenant tenant = gateway.NewTenant();
  const std::string path = "/v1/channels/" + tenant.channel_id;
  EXPECT_EQ(Ok(Patch(tenant, path, {{"phoneNumber", "+15550004005"}}))["phoneNumber"],
            "+15550004005");
  EXPECT_TRUE(Number(tenant, tenant.phone_number).removed());
  EXPECT_EQ(Number(tenant, "+15550004005").channel_id(), tenant.channel_id);
}

TEST_F(SettingsTest, AnUpdateChangesWhatItNames) {
  const Tenant tenant = gateway.NewTenant();
  const std::string path = "/v1/channels/" + tenant.channel_id;
  const json before = Ok(Get(tenant, path));
  const json after = Ok(Patch(
      tenant, path, {{"autoReply", "We received: {body}"}, {"ai", {{"responseDelayMs", 0}}}}));
  json want = before;
  want["autoReply"] = "We received: {body}";
  want["ai"]["responseDelayMs"] = 0;
  EXPECT_EQ(after, want);
  EXPECT_EQ(Number(tenant, tenant.phone_number).twiml().auto_reply(), "We received: {body}");
  // As it was read, with what the server sets: only what can change does.
  json whole = after;
  whole["displayName"] = "Renamed";
  whole["state"] = "STATE_DELETED";
  EXPECT_EQ(Ok(Patch(tenant, path, whole))["state"], "STATE_ACTIVE");
  EXPECT_EQ(Ok(Get(tenant, path))["displayName"], "Renamed");
}

TEST_F(SettingsTest, AnAiKeyIsSealedAndCanBeTakenAway) {
  const Tenant tenant = gateway.NewTenant();
  const std::string path = "/v1/channels/" + tenant.channel_id;
  const json set = Ok(Patch(tenant, path, {{"ai", {{"apiKey", "secret of the provider"}}}}));
  EXPECT_EQ(set["ai"]["apiKeySet"], true);
  EXPECT_EQ(set.dump().find("secret"), std::string::npos);
  EXPECT_EQ(gateway.Query("SELECT position('secret'::bytea IN ai_sealed_key) FROM channels"
                          " WHERE organization_id = $1",
                          {tenant.organization_id}),
            "0");
  EXPECT_EQ(Ok(Patch(tenant, path, {{"displayName", "x"}}))["ai"]["apiKeySet"], true);
  EXPECT_EQ(Ok(Patch(tenant, path, {{"ai", {{"apiKey", ""}}}}))["ai"]["apiKeySet"], false);
}

TEST_F(SettingsTest, AChannelAdoptsWhatCameInForItsNumberBefore) {
  const Tenant tenant = gateway.NewTenant();
  const std::string unclaimed = gateway.Query(
      "INSERT INTO channels (organization_id, id, display_name, account_sid, phone_number, media,"
      " ai_enabled, ai_delay_ms, unclaimed) VALUES ($1, gen_random_uuid(), '+15550004006', $2,"
      " '+15550004006', '{sms}', false, 0, true) RETURNING id",
      {tenant.organization_id, tenant.account_sid});
  const json channel = Ok(Post(tenant, "/v1/channels", ChannelOf(tenant, "+15550004006")));
  EXPECT_EQ(channel["id"], unclaimed);
  EXPECT_EQ(channel["displayName"], "Shop");
  EXPECT_EQ(Number(tenant, "+15550004006").channel_id(), unclaimed);
}

TEST_F(SettingsTest, ChangesOfSettingsAreInTheAuditLog) {
  const Tenant tenant = gateway.NewTenant();
  const std::string session = gateway.NewSession(tenant, "admin");
  const std::string path = "/v1/channels/" + tenant.channel_id;
  gateway.Http({.method = "PATCH",
                .path = path,
                .body = {{"ai", {{"apiKey", "very secret"}}}},
                .token = session});
  Ok(Patch(tenant, "/v1/organization", {{"displayName", "Renamed"}}));
  const std::string log = gateway.Query(
      "SELECT string_agg(action || ' by ' || split_part(actor, ':', 1), ', ' ORDER BY id)"
      " FROM audit_events WHERE organization_id = $1",
      {tenant.organization_id});
  EXPECT_EQ(log,
            "twilio_account.connect by api_key, channel.create by api_key, channel.update by user,"
            " organization.update by api_key");
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM audit_events WHERE details::text LIKE '%secret%'"),
            "0");
}

}  // namespace
}  // namespace parley::gateway
