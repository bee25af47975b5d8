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
  want["autoReplyMode"] = "AUTO_REPLY_MODE_ALWAYS";
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

TEST_F(SettingsTest, AChannelBecomesOneOutOfTwoThatCameInBefore) {
  const Tenant tenant = gateway.NewTenant();
  const auto unclaimed = [&](const std::string& number) {
    const std::string id = gateway.Query(
        "INSERT INTO channels (organization_id, id, display_name, account_sid, phone_number, media,"
        " ai_enabled, ai_delay_ms, unclaimed) VALUES ($1, gen_random_uuid(), $3, $2, $3, '{sms}',"
        " false, 0, true) RETURNING id",
        {tenant.organization_id, tenant.account_sid, number});
    gateway.Query("INSERT INTO number_claims VALUES ($1, $2, $3, $4)",
                  {tenant.account_sid, number, tenant.organization_id, id});
    return id;
  };
  const std::string of_whatsapp = unclaimed("+15550004008");
  const std::string of_phone = unclaimed("+15550004007");
  json wanted = ChannelOf(tenant, "+15550004007");
  wanted["channel"]["whatsappNumber"] = "+15550004008";
  json channel = Ok(Post(tenant, "/v1/channels", wanted));
  EXPECT_EQ(channel["id"], of_phone) << "the phone number's";
  EXPECT_EQ(Number(tenant, "+15550004007").channel_id(), of_phone);
  EXPECT_EQ(Number(tenant, "+15550004008").channel_id(), of_phone);
  EXPECT_EQ(Ok(Get(tenant, "/v1/channels/" + of_whatsapp))["state"], "STATE_DELETED");
  EXPECT_EQ(Ok(Get(tenant, "/v1/channels"))["channels"].size(), 2U);

  // The same where a channel is given a number that came in.
  const std::string later = unclaimed("+15550004009");
  Ok(Patch(tenant, "/v1/channels/" + of_phone, {{"whatsappNumber", "+15550004009"}}));
  EXPECT_EQ(Number(tenant, "+15550004009").channel_id(), of_phone);
  EXPECT_TRUE(Number(tenant, "+15550004008").removed());
  EXPECT_EQ(Ok(Get(tenant, "/v1/channels/" + later))["state"], "STATE_DELETED");
  // A channel that somebody has made keeps its number.
  EXPECT_EQ(
      Patch(tenant, "/v1/channels/" + of_phone, {{"whatsappNumber", tenant.phone_number}}).reason,
      "NUMBER_TAKEN");
}

TEST_F(SettingsTest, NumbersArePointedAtTheirOwnPublicAddress) {
  const Tenant tenant = gateway.NewTenant();
  gateway.services().options.configure_webhooks = true;
  const auto pointed = [&](const std::string& number) {
    const std::string url = gateway.twilio.pointed()["PN of " + number];
    return url.substr(0, url.find("/webhooks/"));
  };
  json first = ChannelOf(tenant, "+15550004041");
  const std::string path =
      "/v1/channels/" + Ok(Post(tenant, "/v1/channels", first))["id"].get<std::string>();
  EXPECT_EQ(pointed("+15550004041"), "http://127.0.0.1:8080");
  json own = ChannelOf(tenant, "+15550004042");
  own["channel"]["publicUrl"] = "https://own.example.com";
  Ok(Post(tenant, "/v1/channels", own));
  EXPECT_EQ(pointed("+15550004042"), "https://own.example.com");

  const std::string account = "/v1/twilioAccounts/" + tenant.account_sid;
  Ok(Patch(tenant, account, {{"publicUrl", "https://account.example.com/prefix"}}));
  EXPECT_EQ(pointed("+15550004041"), "https://account.example.com/prefix");
  EXPECT_EQ(pointed("+15550004042"), "https://own.example.com");
  Ok(Patch(tenant, path, {{"publicUrl", "https://number.example.com"}}));
  EXPECT_EQ(pointed("+15550004041"), "https://number.example.com");
  Ok(Patch(tenant, path + "?updateMask=publicUrl", json::object()));
  EXPECT_EQ(pointed("+15550004041"), "https://account.example.com/prefix");

  // Settings are settings also while Twilio is away.
  gateway.twilio.SetAway(true);
  const Answer away = Patch(tenant, account, {{"publicUrl", "https://later.example.com"}});
  gateway.twilio.SetAway(false);
  gateway.services().options.configure_webhooks = false;
  EXPECT_EQ(away.http_status, 200);
}

TEST_F(SettingsTest, AChannelsSettingsAreKeptAndTold) {
  const Tenant tenant = gateway.NewTenant();
  const std::string path = "/v1/channels/" + tenant.channel_id;
  const json settings = {{"autoReply", "We are closed."},
                         {"autoReplyMode", "AUTO_REPLY_MODE_OUT_OF_HOURS"},
                         {"officeHours",
                          {{"timeZone", "Europe/Berlin"},
                           {"intervals",
                            {{{"weekday", 1}, {"fromMinute", 540}, {"toMinute", 720}},
                             {{"weekday", 1}, {"fromMinute", 720}, {"toMinute", 1440}}}}}},
                         {"voice",
                          {{"language", "de-DE"},
                           {"voiceName", "Polly.Vicki"},
                           {"action", "ACTION_FORWARD"},
                           {"forwardNumber", "+15550004020"},
                           {"voicemailSecondsMax", 60}}},
                         {"publicUrl", "https://number.example.com/"}};
  json want = Ok(Get(tenant, path));
  want.update(settings);
  want["publicUrl"] = "https://number.example.com";
  EXPECT_EQ(Ok(Patch(tenant, path, settings)), want);
  EXPECT_EQ(Ok(Get(tenant, path)), want);
  const events::v1::Number number = Number(tenant, tenant.phone_number);
  EXPECT_EQ(number.public_url(), "https://number.example.com");
  EXPECT_EQ(number.twiml().auto_reply_mode(),
            events::v1::TwimlSettings::AUTO_REPLY_MODE_OUT_OF_HOURS);
  EXPECT_EQ(number.twiml().office_hours().time_zone(), "Europe/Berlin");
  EXPECT_EQ(number.twiml().office_hours().intervals_size(), 2);
  EXPECT_EQ(number.twiml().voice_action(), events::v1::TwimlSettings::VOICE_ACTION_FORWARD);
  EXPECT_EQ(number.twiml().forward_number(), "+15550004020");
  EXPECT_EQ(number.twiml().voicemail_seconds_max(), 60);

  // One of them, the others stay; a list is emptied by its mask.
  EXPECT_EQ(
      Ok(Patch(tenant, path, {{"voice", {{"action", "ACTION_VOICEMAIL"}}}}))["voice"]["language"],
      "de-DE");
  const json emptied =
      Ok(Patch(tenant, path + "?updateMask=officeHours.intervals", json::object()));
  EXPECT_EQ(emptied["officeHours"]["intervals"], json::array());
  EXPECT_EQ(emptied["officeHours"]["timeZone"], "Europe/Berlin");
  EXPECT_EQ(Ok(Patch(tenant, path + "?updateMask=autoReply", json::object()))["autoReplyMode"],
            "AUTO_REPLY_MODE_OFF");
}

TEST_F(SettingsTest, SettingsThatCannotWorkAreRefused) {
  const Tenant tenant = gateway.NewTenant();
  const std::string path = "/v1/channels/" + tenant.channel_id;
  const auto hours = [](int weekday, int from, int to) {
    return json{
        {"officeHours",
         {{"intervals", {{{"weekday", weekday}, {"fromMinute", from}, {"toMinute", to}}}}}}};
  };
  json overlap = hours(1, 0, 10);
  overlap["officeHours"]["intervals"].push_back(
      {{"weekday", 1}, {"fromMinute", 9}, {"toMinute", 20}});
  json many = hours(1, 0, 1);
  for (int i = 1; i <= 21; ++i) {
    many["officeHours"]["intervals"].push_back(
        {{"weekday", 1}, {"fromMinute", i}, {"toMinute", i + 1}});
  }
  const struct {
    const char* label;
    json change;
    const char* reason;
  } cases[] = {
      {"no such zone", {{"officeHours", {{"timeZone", "Mars/Olympus"}}}}, "UNKNOWN_TIME_ZONE"},
      {"a path", {{"officeHours", {{"timeZone", "../../etc/localtime"}}}}, "UNKNOWN_TIME_ZONE"},
      {"weekday 0", hours(0, 0, 10), "INVALID_OFFICE_HOURS"},
      {"weekday 8", hours(8, 0, 10), "INVALID_OFFICE_HOURS"},
      {"backwards", hours(1, 10, 10), "INVALID_OFFICE_HOURS"},
      {"past midnight", hours(1, 10, 1441), "INVALID_OFFICE_HOURS"},
      {"overlap", overlap, "INVALID_OFFICE_HOURS"},
      {"too many", many, "INVALID_OFFICE_HOURS"},
      {"nowhere to forward to", {{"voice", {{"action", "ACTION_FORWARD"}}}}, "INVALID_VOICE"},
      {"a loop",
       {{"voice", {{"action", "ACTION_FORWARD"}, {"forwardNumber", tenant.phone_number}}}},
       "FORWARD_TO_ITSELF"},
      {"no number", {{"voice", {{"forwardNumber", "555"}}}}, "INVALID_PHONE_NUMBER"},
      {"markup", {{"voice", {{"language", "\"><x"}}}}, "INVALID_VOICE"},
      {"too long a voicemail", {{"voice", {{"voicemailSecondsMax", 601}}}}, "VALUE_OUT_OF_RANGE"},
      {"too long a greeting", {{"voiceGreeting", std::string(4'001, 'a')}}, "TEXT_TOO_LONG"},
      {"no address", {{"publicUrl", "chat.example.com"}}, "INVALID_URL"},
      {"a query", {{"publicUrl", "https://chat.example.com/?a=b"}}, "INVALID_URL"},
      {"a user", {{"publicUrl", "https://me@chat.example.com"}}, "INVALID_URL"},
  };
  const std::string before = gateway.Snapshot(tenant.organization_id);
  for (const auto& c : cases) {
    const Answer answer = Patch(tenant, path, c.change);
    EXPECT_EQ(answer.reason, c.reason) << c.label << answer.body;
    EXPECT_EQ(answer.http_status, 400) << c.label;
  }
  EXPECT_EQ(gateway.Snapshot(tenant.organization_id), before);
}

TEST_F(SettingsTest, AChannelTakesNumbersOfItsAccountOnly) {
  const Tenant tenant = gateway.NewTenant();
  const std::string sid = MadeUpSid('8');
  gateway.twilio.Put(sid, {.auth_token = "t",
                           .facts = {"A", v1::TwilioAccount::KIND_FULL},
                           .numbers = {"+15550004030", "+15550004031"}});
  Ok(Post(tenant, "/v1/twilioAccounts", {{"accountSid", sid}, {"authToken", "t"}}));
  json channel = ChannelOf(tenant, "+15550004032");
  channel["channel"]["accountSid"] = sid;
  EXPECT_EQ(Post(tenant, "/v1/channels", channel).reason, "NUMBER_NOT_OWNED");
  channel["channel"]["phoneNumber"] = "+15550004030";
  gateway.twilio.SetAway(true);
  const Answer away = Post(tenant, "/v1/channels", channel);
  gateway.twilio.SetAway(false);
  EXPECT_EQ(away.http_status, 503);
  EXPECT_EQ(away.reason, "TWILIO_UNREACHABLE");
  const std::string path =
      "/v1/channels/" + Ok(Post(tenant, "/v1/channels", channel))["id"].get<std::string>();

  EXPECT_EQ(Patch(tenant, path, {{"phoneNumber", "+15550004032"}}).reason, "NUMBER_NOT_OWNED");
  EXPECT_EQ(Ok(Patch(tenant, path, {{"phoneNumber", "+15550004031"}}))["phoneNumber"],
            "+15550004031");
  gateway.twilio.SetAway(true);
  const Answer same = Patch(tenant, path, {{"phoneNumber", "+15550004031"}, {"displayName", "x"}});
  gateway.twilio.SetAway(false);
  EXPECT_EQ(same.http_status, 200) << "nothing to ask for";
  Ok(Patch(tenant, path, {{"whatsappNumber", "+14155238886"}}));
}

TEST_F(SettingsTest, AnAccountsTokenIsRotatedWithoutAGap) {
  const Tenant tenant = gateway.NewTenant();
  const std::string sid = MadeUpSid('2');
  gateway.twilio.Put(sid, {.auth_token = "old",
                           .facts = {"A", v1::TwilioAccount::KIND_FULL},
                           .secondary_token = "new"});
  Ok(Post(tenant, "/v1/twilioAccounts", {{"accountSid", sid}, {"authToken", "old"}}));
  const std::string path = "/v1/twilioAccounts/" + sid;
  const auto tokens = [&] {
    events::v1::DirectoryRecord record;
    record.ParseFromString(postgres::FromBytea(gateway.Query(
        "SELECT value FROM directory_records WHERE record_id = $1", {"account/" + sid})));
    const auto open = [&](const std::string& sealed) -> std::string {
      if (sealed.empty()) return "none";
      const auto token =
          gateway.services().directory_keys.Open(sealed, {crypto::kTwilioToken, sid});
      return std::string(token->Reveal());
    };
    return open(record.account().sealed_auth_token()) + ", " +
           open(record.account().sealed_secondary_token());
  };
  EXPECT_EQ(Post(tenant, path + ":promoteSecondaryAuthToken").reason, "NO_SECONDARY_TOKEN");
  EXPECT_EQ(Post(tenant, path + ":setSecondaryAuthToken", {{"authToken", "wrong"}}).reason,
            "TWILIO_REFUSED");
  EXPECT_EQ(tokens(), "old, none");
  const json set = Ok(Post(tenant, path + ":setSecondaryAuthToken", {{"authToken", "new"}}));
  EXPECT_EQ(set["secondaryAuthTokenSet"], true);
  EXPECT_EQ(tokens(), "old, new");
  Ok(Post(tenant, path + ":promoteSecondaryAuthToken"));
  EXPECT_EQ(tokens(), "new, old");
  EXPECT_EQ(Ok(Post(tenant, path + ":removeSecondaryAuthToken"))["secondaryAuthTokenSet"], false);
  EXPECT_EQ(tokens(), "new, none");
  const json account = Ok(Patch(tenant, path, {{"publicUrl", "https://account.example.com/"}}));
  EXPECT_EQ(account["publicUrl"], "https://account.example.com");
  EXPECT_EQ(Patch(tenant, path, {{"publicUrl", "ftp://a"}}).reason, "INVALID_URL");
}

TEST_F(SettingsTest, TheConsentScopeIsToldForEachNumber) {
  const Tenant tenant = gateway.NewTenant();
  EXPECT_EQ(Ok(Get(tenant, "/v1/organization"))["consentScope"], "CONSENT_SCOPE_ORGANIZATION");
  const json changed =
      Ok(Patch(tenant, "/v1/organization", {{"consentScope", "CONSENT_SCOPE_SENDER"}}));
  EXPECT_EQ(changed["consentScope"], "CONSENT_SCOPE_SENDER");
  EXPECT_EQ(Number(tenant, tenant.phone_number).consent_scope(), events::v1::CONSENT_SCOPE_SENDER);
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
