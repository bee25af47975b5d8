// Webhooks whose signature did not verify: what is kept, what is shown, and how they are released.
#include "projector/quarantine.h"

#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/postgres/array.h"
#include "libs/twilio/number.h"
#include "libs/twilio/signature.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/inbound.pb.h"
#include "parley/events/v1/quarantine.pb.h"
#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

using events::v1::QuarantineRecord;

constexpr char kTarget[] = "/webhooks/twilio/message";
constexpr char kRightUrl[] = "https://right.example.com";
constexpr char kCustomer[] = "+15550006001";
constexpr std::int64_t kReceivedUs = 1'700'000'000'123'456;

class QuarantineTest : public GatewayTest {
 protected:
  const Tenant tenant = gateway.NewTenant();

  struct Text {
    std::string body = "secret words";
    std::string public_url = kRightUrl;  // What Twilio signed.
    std::string token = NewId();
    std::string to = {};  // The tenant's number, unless set.
    std::int64_t received_us = kReceivedUs;
  };
  QuarantineRecord Signed(const Text& text) {
    const std::string to = text.to.empty() ? tenant.phone_number : text.to;
    const std::string sid = "SM" + std::string(32, '0');
    std::string message_sid = sid;
    const std::string number = std::to_string(++messages_);
    message_sid.replace(34 - number.size(), number.size(), number);
    const twilio::FormParams params{{"AccountSid", tenant.account_sid},
                                    {"MessageSid", message_sid},
                                    {"From", kCustomer},
                                    {"To", to},
                                    {"Body", text.body}};
    QuarantineRecord record;
    record.set_account_sid(tenant.account_sid);
    record.set_kind(events::v1::WEBHOOK_KIND_MESSAGE);
    record.set_target(kTarget);
    record.set_body(twilio::EncodeForm(params));
    record.set_received_at_us(text.received_us);
    record.set_reason("SIGNATURE_MISMATCH");
    record.set_business_number(to);
    record.set_customer_number(kCustomer);
    record.set_idempotency_token(text.token);
    record.add_tried_urls("http://127.0.0.1:8080/webhooks/twilio/message");
    const std::string token = gateway.Query(
        "SELECT split_part(display_name, ' ', 2)"
        " FROM account_credentials WHERE account_sid = $1",
        {tenant.account_sid});
    for (const auto& [name, value] : std::initializer_list<std::pair<std::string, std::string>>{
             {"Content-Type", "application/x-www-form-urlencoded"},
             {"X-Twilio-Signature",
              twilio::Sign(text.public_url + kTarget, params, Secret("token of " + token))}}) {
      auto& header = *record.add_headers();
      header.set_name(name);
      header.set_value(value);
    }
    return record;
  }
  // As if they had come out of Kafka, in one batch.
  absl::Status Keep(const std::vector<QuarantineRecord>& records, int webhooks_max = 1'000) {
    auto producer = kafka::Producer::Create({.brokers = "127.0.0.1:1"});
    projector::Quarantine loop({.webhooks_max = webhooks_max}, gateway.services().worker,
                               **producer);
    std::vector<kafka::Record> batch;
    for (const QuarantineRecord& record : records) {
      batch.push_back({.topic = kafka::kQuarantineTopic, .value = record.SerializeAsString()});
    }
    return loop.Handle(batch);
  }
  json List(const Tenant& of, const std::string& query = "") {
    return Ok(Get(of, "/v1/quarantinedWebhooks" + query))["quarantinedWebhooks"];
  }
  json Release(const json& request = json::object()) {
    return Ok(Post(tenant, "/v1/quarantinedWebhooks:release", request));
  }
  void CorrectPublicUrl(const std::string& url = kRightUrl) {
    gateway.Query("UPDATE account_credentials SET public_url = $2 WHERE account_sid = $1",
                  {tenant.account_sid, url});
  }
  // What leaves for Kafka of the tenant: "topic key", in order.
  std::string Outbox() {
    return gateway.Query(
        "SELECT coalesce(string_agg(topic || ' ' || key, ', ' ORDER BY id), '') FROM outbox"
        " WHERE organization_id = $1",
        {tenant.organization_id});
  }
  template <class Event>
  Event Last(const std::string& topic) {
    Event event;
    event.ParseFromString(postgres::FromBytea(gateway.Query(
        "SELECT value FROM outbox WHERE organization_id = $1 AND topic = $2 ORDER BY id DESC",
        {tenant.organization_id, topic})));
    return event;
  }

 private:
  int messages_ = 0;
};

TEST_F(QuarantineTest, IsReleasedOnceThePublicAddressIsCorrected) {
  ASSERT_TRUE(Keep({Signed({})}).ok());
  const json kept = List(tenant);
  ASSERT_EQ(kept.size(), 1U) << kept;
  EXPECT_EQ(kept[0]["verifies"], false);
  EXPECT_EQ(kept[0]["kind"], "KIND_MESSAGE");
  EXPECT_EQ(kept[0]["channelId"], tenant.channel_id);
  EXPECT_EQ(kept[0]["publicUrl"], "http://127.0.0.1:8080");
  EXPECT_EQ(kept[0]["receiveTime"], "2023-11-14T22:13:20.123456Z");
  const std::string id = kept[0]["id"];

  EXPECT_EQ(Release(), json({{"releasedCount", 0}, {"keptCount", 1}, {"nextPageToken", ""}}));
  EXPECT_EQ(Outbox(), "") << "nothing unverified leaves";

  CorrectPublicUrl();
  EXPECT_EQ(List(tenant)[0]["verifies"], true);
  EXPECT_EQ(Release()["releasedCount"], 1);
  EXPECT_EQ(List(tenant).size(), 0U);
  EXPECT_EQ(Outbox(),
            "parley.inbound " + tenant.account_sid + "/" + tenant.phone_number + "/" + kCustomer);
  const auto inbound = Last<events::v1::InboundRecord>("parley.inbound");
  EXPECT_EQ(inbound.origin(), events::v1::ORIGIN_RELEASED);
  EXPECT_EQ(inbound.received_at_us(), kReceivedUs) << "the time at which it came";
  EXPECT_EQ(inbound.message().body(), "secret words");
  EXPECT_EQ(Release()["releasedCount"], 0) << "once";
  EXPECT_EQ(Get(tenant, "/v1/quarantinedWebhooks/" + id).reason, "QUARANTINED_WEBHOOK_NOT_FOUND");
}

TEST_F(QuarantineTest, WhatDoesNotVerifyStaysWithTheAddressesThatWereTriedNow) {
  ASSERT_TRUE(Keep({Signed({.public_url = "https://elsewhere.example.com"})}).ok());
  CorrectPublicUrl("https://new.example.com");
  EXPECT_EQ(Release()["keptCount"], 1);
  const json kept = List(tenant)[0];
  EXPECT_EQ(kept["triedUrls"][0], "https://new.example.com/webhooks/twilio/message");
  EXPECT_EQ(kept["reason"], "SIGNATURE_MISMATCH");
}

TEST_F(QuarantineTest, AReleasedKeywordIsAConsentToo) {
  ASSERT_TRUE(Keep({Signed({.body = " Stop "})}).ok());
  CorrectPublicUrl();
  EXPECT_EQ(Release()["releasedCount"], 1);
  EXPECT_EQ(Outbox(), std::string("parley.consent ") + kCustomer + ", parley.inbound " +
                          tenant.account_sid + "/" + tenant.phone_number + "/" + kCustomer);
  const auto consent = Last<events::v1::ConsentRecord>("parley.consent");
  EXPECT_EQ(consent.given_at_us(), kReceivedUs);
  EXPECT_EQ(consent.organization_id(), tenant.organization_id);
}

TEST_F(QuarantineTest, OneIsReleasedByItsId) {
  ASSERT_TRUE(
      Keep({Signed({.body = "a"}), Signed({.body = "b", .received_us = kReceivedUs + 1})}).ok());
  CorrectPublicUrl();
  const json newest = List(tenant)[0];
  EXPECT_EQ(Release({{"webhookIds", {newest["id"], NewId()}}})["releasedCount"], 1);
  EXPECT_EQ(Last<events::v1::InboundRecord>("parley.inbound").message().body(), "b");
  EXPECT_EQ(List(tenant).size(), 1U);
  EXPECT_EQ(Post(tenant, "/v1/quarantinedWebhooks:release", {{"webhookIds", {"x"}}}).reason,
            "INVALID_ID");
}

TEST_F(QuarantineTest, MoreThanOneCallTakesAreReleasedInTheOrderInWhichTheyCame) {
  std::vector<QuarantineRecord> records;
  for (int i = 0; i < 501; ++i) {
    records.push_back(Signed({.body = std::to_string(i), .received_us = kReceivedUs + i}));
  }
  ASSERT_TRUE(Keep(records).ok());
  CorrectPublicUrl();
  const json first = Release();
  EXPECT_EQ(first["releasedCount"], 500);
  const json second = Release({{"pageToken", first["nextPageToken"]}});
  EXPECT_EQ(second, json({{"releasedCount", 1}, {"keptCount", 0}, {"nextPageToken", ""}}));
  EXPECT_EQ(Last<events::v1::InboundRecord>("parley.inbound").message().body(), "500");
}

TEST_F(QuarantineTest, ARepeatIsKeptOnceAndTheOldestGoWhenThereAreTooMany) {
  const std::string token = NewId();
  ASSERT_TRUE(
      Keep({Signed({.token = token}), Signed({.token = token, .received_us = kReceivedUs + 9})})
          .ok());
  EXPECT_EQ(List(tenant).size(), 1U);
  std::vector<QuarantineRecord> records;
  for (int i = 1; i <= 5; ++i) {
    records.push_back(Signed({.token = i % 2 == 0 ? NewId() : "", .received_us = kReceivedUs + i}));
  }
  ASSERT_TRUE(Keep(records, 3).ok());
  ASSERT_TRUE(Keep(records, 3).ok()) << "Kafka repeats itself";
  const json kept = List(tenant);
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept[2]["receiveTime"], "2023-11-14T22:13:20.123459Z");
}

TEST_F(QuarantineTest, WhatIsNoRecordIsNotKept) {
  QuarantineRecord bad = Signed({});
  bad.clear_kind();
  const absl::Status status = Keep({bad});
  EXPECT_FALSE(IsRetryable(status)) << status;
  EXPECT_EQ(ErrorReason(status), "INVALID_RECORD");
  QuarantineRecord foreign = Signed({});
  foreign.set_account_sid(MadeUpSid('9'));
  EXPECT_TRUE(Keep({foreign}).ok()) << "of an account that nobody connects: dropped";
  EXPECT_EQ(List(tenant).size(), 0U);
}

TEST_F(QuarantineTest, ANumberThatNobodyClaimsIsTheAccountsFirstOrganizations) {
  ASSERT_TRUE(Keep({Signed({.to = "+15550006099"})}).ok());
  EXPECT_EQ(List(tenant).size(), 1U);
  EXPECT_EQ(List(tenant)[0]["channelId"], "");
}

TEST_F(QuarantineTest, IsTheOrganizationsOwn) {
  const Tenant other = gateway.NewTenant();
  ASSERT_TRUE(Keep({Signed({})}).ok());
  CorrectPublicUrl();
  const std::string id = List(tenant)[0]["id"];
  EXPECT_EQ(List(other).size(), 0U);
  EXPECT_EQ(Get(other, "/v1/quarantinedWebhooks/" + id).reason, "QUARANTINED_WEBHOOK_NOT_FOUND");
  EXPECT_EQ(Delete(other, "/v1/quarantinedWebhooks/" + id).reason, "QUARANTINED_WEBHOOK_NOT_FOUND");
  EXPECT_EQ(Ok(Post(other, "/v1/quarantinedWebhooks:release", {{"webhookIds", {id}}})),
            json({{"releasedCount", 0}, {"keptCount", 0}, {"nextPageToken", ""}}));
  EXPECT_EQ(List(tenant).size(), 1U);
}

TEST_F(QuarantineTest, AnotherAccountsNumberIsNotReleased) {
  const Tenant other = gateway.NewTenant();
  ASSERT_TRUE(Keep({Signed({.to = other.phone_number})}).ok());
  CorrectPublicUrl();
  EXPECT_EQ(Release()["keptCount"], 1);
  EXPECT_EQ(List(tenant)[0]["reason"], "NUMBER_OF_ANOTHER_ACCOUNT");
  EXPECT_EQ(Outbox(), "");
}

TEST_F(QuarantineTest, WhatsAppsSandboxIsReleasedToEachAccount) {
  const Tenant other = gateway.NewTenant();
  const std::string sandbox(twilio::kWhatsAppSandbox);
  // As it was claimed before it was known to be shared.
  gateway.Query("INSERT INTO number_claims VALUES ($1, $2, $3, $4)",
                {other.account_sid, sandbox, other.organization_id, other.channel_id});
  ASSERT_TRUE(Keep({Signed({.to = sandbox})}).ok());
  CorrectPublicUrl();
  EXPECT_EQ(Release()["releasedCount"], 1);
  gateway.Query("DELETE FROM number_claims WHERE number = $1", {sandbox});
}

TEST_F(QuarantineTest, OnlyAnAdminReadsWhatItSaysAndThatIsLogged) {
  ASSERT_TRUE(Keep({Signed({})}).ok());
  const std::string path = "/v1/quarantinedWebhooks/" + List(tenant)[0]["id"].get<std::string>();
  EXPECT_EQ(List(tenant).dump().find("secret"), std::string::npos);
  const json whole = Ok(Get(tenant, path));
  EXPECT_EQ(whole.dump().find("secret"), std::string::npos);
  EXPECT_EQ(whole["headers"].size(), 2U);
  const std::string agent = gateway.NewSession(tenant, "agent");
  EXPECT_EQ(gateway.Http({.method = "GET", .path = path, .token = agent}).http_status, 200);
  EXPECT_EQ(gateway.Http({.method = "GET", .path = path + "?includeContent=true", .token = agent})
                .http_status,
            403);
  const json content = Ok(Get(tenant, path + "?includeContent=true"));
  EXPECT_NE(content["content"].get<std::string>().find("secret"), std::string::npos);
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM audit_events WHERE organization_id = $1"
                          " AND action = 'quarantined_webhook.read'",
                          {tenant.organization_id}),
            "1");
}

TEST_F(QuarantineTest, AListHasPagesNewestFirst) {
  ASSERT_TRUE(Keep({Signed({.received_us = kReceivedUs + 1}), Signed({}),
                    Signed({.received_us = kReceivedUs + 2})})
                  .ok());
  std::vector<std::string> times;
  std::string token;
  do {
    const json page = Ok(Get(tenant, "/v1/quarantinedWebhooks?pageSize=2&pageToken=" + token));
    for (const json& one : page["quarantinedWebhooks"]) times.push_back(one["receiveTime"]);
    token = page["nextPageToken"];
  } while (!token.empty());
  EXPECT_EQ(times,
            (std::vector<std::string>{"2023-11-14T22:13:20.123458Z", "2023-11-14T22:13:20.123457Z",
                                      "2023-11-14T22:13:20.123456Z"}));
}

TEST_F(QuarantineTest, OneCanBeThrownAway) {
  ASSERT_TRUE(Keep({Signed({})}).ok());
  const std::string path = "/v1/quarantinedWebhooks/" + List(tenant)[0]["id"].get<std::string>();
  Ok(Delete(tenant, path));
  EXPECT_EQ(Delete(tenant, path).reason, "QUARANTINED_WEBHOOK_NOT_FOUND");
  EXPECT_EQ(Delete(tenant, "/v1/quarantinedWebhooks/x").reason, "QUARANTINED_WEBHOOK_NOT_FOUND");
}

}  // namespace
}  // namespace parley::gateway
