// Deciding about unconfirmed messages, canceling, scheduling, and the history.
#include "parley/v1/delivery.pb.h"
#include "parley/v1/message.pb.h"
#include "store/consent.h"
#include "store/inbox.h"
#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class DeliveryApiTest : public GatewayTest {
 protected:
  json Send(const Tenant& tenant, const std::string& to, json more = json::object()) {
    more["channelId"] = tenant.channel_id;
    more["to"] = to;
    more["body"] = "hello";
    return Ok(Post(tenant, "/v1/messages", more));
  }
  // A message whose answer was lost.
  std::string Unconfirmed(const Tenant& tenant, const std::string& to, bool refuted = false) {
    const std::string id = Send(tenant, to)["id"];
    gateway.Query(
        "UPDATE messages SET status = 'unconfirmed', status_at = now(), unconfirmed_at = now(),"
        " attempt = 1, result_version = 2, emit_again_at = NULL, refuted = $3,"
        " findings = jsonb_build_array(jsonb_build_object('kind', CASE WHEN $3::boolean THEN 2"
        " ELSE 1 END, 'at', 1, 'looks', 1))::text WHERE organization_id = $1 AND id = $2",
        {tenant.organization_id, id, refuted ? "t" : "f"});
    return id;
  }
  std::string Commands(const Tenant& tenant) {
    return gateway.Query(
        "SELECT count(*) FROM outbox WHERE organization_id = $1 AND topic ="
        " 'parley.send-commands'",
        {tenant.organization_id});
  }
  Answer Resolve(const Tenant& tenant, const std::string& id, const std::string& how) {
    return Post(tenant, "/v1/messages/" + id + ":resolve", {{"resolution", "RESOLUTION_" + how}});
  }
  std::string Audited(const Tenant& tenant, const std::string& action) {
    return gateway.Query(
        "SELECT count(*) FROM audit_events WHERE organization_id = $1 AND action = $2",
        {tenant.organization_id, action});
  }
  void OptOut(const Tenant& tenant, const std::string& number) {
    gateway.Query(
        "INSERT INTO suppressions (organization_id, customer_number, opted_out, given_at, source)"
        " VALUES ($1, $2, true, now(), 'keyword') RETURNING 1",
        {tenant.organization_id, number});
  }
};

TEST_F(DeliveryApiTest, APersonDecidesAndTheHistoryNamesThem) {
  const Tenant tenant = gateway.NewTenant();
  const std::string id = Unconfirmed(tenant, "+15550006001");
  const json shown = Ok(Get(tenant, "/v1/messages/" + id));
  EXPECT_EQ(shown["unconfirmed"]["verdict"], "VERDICT_OPEN");
  EXPECT_EQ(shown["unconfirmed"]["findings"].size(), 1u);

  EXPECT_EQ(Ok(Resolve(tenant, id, "MARK_FAILED"))["status"], "STATUS_FAILED");
  EXPECT_EQ(Resolve(tenant, id, "MARK_FAILED").reason, "NOT_UNCONFIRMED");
  const json history = Ok(Get(tenant, "/v1/messages/" + id + "/history"));
  ASSERT_EQ(history["changes"].size(), 1u) << history;
  EXPECT_EQ(history["changes"][0]["source"], "SOURCE_PERSON");
  EXPECT_EQ(history["changes"][0]["reason"], "MARKED_FAILED");
  EXPECT_NE(history["changes"][0]["actor"], "");
  EXPECT_EQ(Audited(tenant, "message.resolve"), "1");

  // What failed may be sent again by a person.
  EXPECT_EQ(Commands(tenant), "1");
  EXPECT_EQ(Ok(Resolve(tenant, id, "SEND_AGAIN"))["status"], "STATUS_QUEUED");
  EXPECT_EQ(Commands(tenant), "2");
  EXPECT_EQ(Resolve(tenant, id, "SEND_AGAIN").reason, "NOT_UNCONFIRMED");
  EXPECT_EQ(Commands(tenant), "2");
}

TEST_F(DeliveryApiTest, DecisionsAreRefusedWithAReason) {
  const Tenant tenant = gateway.NewTenant();
  const Tenant other = gateway.NewTenant();
  const std::string id = Unconfirmed(tenant, "+15550006002");
  EXPECT_EQ(Resolve(other, id, "MARK_FAILED").reason, "MESSAGE_NOT_FOUND");
  EXPECT_EQ(Resolve(tenant, "nonsense", "MARK_FAILED").reason, "MESSAGE_NOT_FOUND");
  EXPECT_EQ(Post(tenant, "/v1/messages/" + id + ":resolve").reason, "FIELD_REQUIRED");
  OptOut(tenant, "+15550006002");
  EXPECT_EQ(Resolve(tenant, id, "SEND_AGAIN").reason, "OPTED_OUT");
  const std::string inbound = Simulate(tenant, "+15550006003", "hi")["id"];
  EXPECT_EQ(Resolve(tenant, inbound, "SEND_AGAIN").reason, "NOT_UNCONFIRMED");
  EXPECT_EQ(Ok(Get(tenant, "/v1/messages/" + id))["status"], "STATUS_UNCONFIRMED");
  EXPECT_EQ(
      Post(tenant, "/v1/messages:resolveUnconfirmed", {{"resolution", "RESOLUTION_MARK_FAILED"}})
          .reason,
      "FILTER_MISSING");
}

TEST_F(DeliveryApiTest, ManyAreListedAndDecidedByFilter) {
  const Tenant tenant = gateway.NewTenant();
  for (int i = 0; i < 5; ++i) {
    Unconfirmed(tenant, "+1555000610" + std::to_string(i), /*refuted=*/i < 2);
  }
  const json first = Ok(Get(tenant, "/v1/unconfirmedMessages?pageSize=3"));
  EXPECT_EQ(first["totalCount"], 5);
  ASSERT_EQ(first["messages"].size(), 3u);
  const json second = Ok(Get(tenant, "/v1/unconfirmedMessages?pageSize=3&pageToken=" +
                                         first["nextPageToken"].get<std::string>()));
  EXPECT_EQ(second["messages"].size(), 2u);
  EXPECT_NE(second["messages"][0]["id"], first["messages"][2]["id"]);

  const json again =
      Ok(Post(tenant, "/v1/messages:resolveUnconfirmed",
              {{"resolution", "RESOLUTION_SEND_AGAIN"}, {"onlyProbablyNotSent", true}}));
  EXPECT_EQ(again["resolvedCount"], 2) << again;
  OptOut(tenant, "+15550006104");
  const json bounded =
      Ok(Post(tenant, "/v1/messages:resolveUnconfirmed",
              {{"resolution", "RESOLUTION_SEND_AGAIN"}, {"all", true}, {"limit", 1}}));
  EXPECT_EQ(bounded["resolvedCount"], 1);
  EXPECT_EQ(bounded["remainingCount"], 2);
  const json rest =
      Ok(Post(tenant, "/v1/messages:resolveUnconfirmed",
              {{"resolution", "RESOLUTION_SEND_AGAIN"}, {"channelId", tenant.channel_id}}));
  EXPECT_EQ(rest["resolvedCount"], 1);
  EXPECT_EQ(rest["skippedCount"], 1) << "who opted out";
  EXPECT_EQ(Ok(Get(tenant, "/v1/unconfirmedMessages"))["totalCount"], 1);
}

TEST_F(DeliveryApiTest, WhatMustBeSkippedDoesNotBlockTheRest) {
  const Tenant tenant = gateway.NewTenant();
  for (int i = 0; i < 3; ++i) {
    const std::string number = "+1555000611" + std::to_string(i);
    Unconfirmed(tenant, number);
    OptOut(tenant, number);
  }
  for (int i = 3; i < 5; ++i) Unconfirmed(tenant, "+1555000611" + std::to_string(i));
  int resolved = 0;
  json answer;
  for (int i = 0; i < 2; ++i) {
    answer = Ok(Post(tenant, "/v1/messages:resolveUnconfirmed",
                     {{"resolution", "RESOLUTION_SEND_AGAIN"}, {"all", true}, {"limit", 3}}));
    resolved += answer["resolvedCount"].get<int>();
  }
  EXPECT_EQ(resolved, 2);
  EXPECT_EQ(answer["skippedCount"], 3);
  EXPECT_EQ(answer["remainingCount"], 0);
}

// The condition of the list and the decision agree.
TEST_F(DeliveryApiTest, EachThatMayNotBeSentAgainIsSkipped) {
  const char* const changes[] = {"to_number = '12345'", "from_number = ''", "account_sid = ''",
                                 "erased_at = now()"};
  for (const char* change : changes) {
    const Tenant tenant = gateway.NewTenant();
    const std::string id = Unconfirmed(tenant, "+15550006121");
    gateway.Query("UPDATE messages SET " + std::string(change) + " WHERE organization_id = $1",
                  {tenant.organization_id});
    EXPECT_EQ(Resolve(tenant, id, "SEND_AGAIN").code, "FAILED_PRECONDITION") << change;
    const json answer = Ok(Post(tenant, "/v1/messages:resolveUnconfirmed",
                                {{"resolution", "RESOLUTION_SEND_AGAIN"}, {"all", true}}));
    EXPECT_EQ(answer["skippedCount"], 1) << change;
    EXPECT_EQ(Ok(Post(tenant, "/v1/messages:resolveUnconfirmed",
                      {{"resolution", "RESOLUTION_MARK_FAILED"}, {"all", true}}))["resolvedCount"],
              1)
        << change;
  }
}

TEST_F(DeliveryApiTest, TimesThatNobodyMeansAreRefused) {
  const Tenant tenant = gateway.NewTenant();
  for (const auto& [seconds, nanos] : {std::pair<std::int64_t, int>{std::int64_t{1} << 62, 0},
                                       {-(std::int64_t{1} << 62), 0},
                                       {253'402'300'800, 0},
                                       {0, 1'000'000'000},
                                       {0, -1}}) {
    google::protobuf::Timestamp time;
    time.set_seconds(seconds);
    time.set_nanos(nanos);
    v1::SendMessageRequest send;
    send.set_channel_id(tenant.channel_id);
    send.set_to("+15550006204");
    send.set_body("when?");
    *send.mutable_send_time() = time;
    EXPECT_EQ(gateway.Grpc("parley.v1.MessageService.SendMessage", send, tenant.api_key).reason,
              "VALUE_OUT_OF_RANGE");
    send.clear_send_time();
    *send.mutable_expire_time() = time;
    EXPECT_EQ(gateway.Grpc("parley.v1.MessageService.SendMessage", send, tenant.api_key).reason,
              "VALUE_OUT_OF_RANGE");
    v1::ResolveUnconfirmedMessagesRequest resolve;
    resolve.set_resolution(v1::RESOLUTION_MARK_FAILED);
    *resolve.mutable_start_time() = time;
    const std::string method = "parley.v1.DeliveryService.ResolveUnconfirmedMessages";
    EXPECT_EQ(gateway.Grpc(method, resolve, tenant.api_key).reason, "VALUE_OUT_OF_RANGE");
    resolve.clear_start_time();
    *resolve.mutable_end_time() = time;
    EXPECT_EQ(gateway.Grpc(method, resolve, tenant.api_key).reason, "VALUE_OUT_OF_RANGE");
  }
}

TEST_F(DeliveryApiTest, AMessageIsScheduledAndCanceled) {
  const Tenant tenant = gateway.NewTenant();
  const auto in = [](int hours) {
    return FormatTime(SystemClock().Now() + std::chrono::hours(hours));
  };
  const json text = {{"channelId", tenant.channel_id}, {"to", "+15550006201"}, {"body", "later"}};
  for (const auto& [field, hours] :
       {std::pair{"sendTime", 367 * 24}, {"expireTime", 8 * 24}, {"expireTime", -1}}) {
    json wrong = text;
    wrong[field] = in(hours);
    EXPECT_EQ(Post(tenant, "/v1/messages", wrong).reason, "VALUE_OUT_OF_RANGE") << wrong;
  }
  json later = text;
  later["sendTime"] = in(48);
  const json message = Ok(Post(tenant, "/v1/messages", later));
  EXPECT_EQ(message["status"], "STATUS_SCHEDULED");
  EXPECT_EQ(message["sendTime"].get<std::string>().substr(0, 13), in(48).substr(0, 13));
  EXPECT_EQ(Commands(tenant), "0");
  const std::string path = "/v1/messages/" + message["id"].get<std::string>();
  const json canceled = Ok(Post(tenant, path + ":cancel"));
  EXPECT_EQ(canceled["outcome"], "OUTCOME_CANCELED");
  EXPECT_EQ(canceled["message"]["status"], "STATUS_CANCELED");

  const std::string queued = Send(tenant, "+15550006202")["id"];
  EXPECT_EQ(Ok(Post(tenant, "/v1/messages/" + queued + ":cancel"))["outcome"], "OUTCOME_CANCELING");
  EXPECT_EQ(Commands(tenant), "2");
  EXPECT_EQ(Post(tenant, "/v1/messages/" + Unconfirmed(tenant, "+15550006203") + ":cancel").reason,
            "UNCONFIRMED");
  EXPECT_EQ(Audited(tenant, "message.cancel"), "2");
}

TEST_F(DeliveryApiTest, ExistingClientsSeeARefusalAsTheMessagesStatus) {
  const Tenant tenant = gateway.NewTenant();
  OptOut(tenant, "+15550006301");
  const Answer old = Post(tenant, "/api/messages",
                          {{"channel_id", tenant.channel_id},
                           {"sender", "contact"},
                           {"user_phone_number", "+15550006301"},
                           {"content", "hello"}});
  EXPECT_LT(old.http_status, 300) << old.body;
  EXPECT_EQ(gateway.Query("SELECT status || ' ' || error_reason FROM messages"
                          " WHERE organization_id = $1",
                          {tenant.organization_id}),
            "failed OPTED_OUT");
  EXPECT_EQ(Commands(tenant), "0");
  EXPECT_EQ(Post(tenant, "/v1/messages",
                 {{"channelId", tenant.channel_id}, {"to", "+15550006301"}, {"body", "hello"}})
                .reason,
            "OPTED_OUT");
}

TEST_F(DeliveryApiTest, TheOrganizationChoosesWhatHappens) {
  const Tenant tenant = gateway.NewTenant();
  const json before = Ok(Get(tenant, "/v1/organization"));
  EXPECT_EQ(before["unconfirmedPolicy"], "UNCONFIRMED_POLICY_ASK");
  EXPECT_EQ(before["unconfirmedAfterMinutes"], 30);
  const json after = Ok(
      Patch(tenant, "/v1/organization",
            {{"unconfirmedPolicy", "UNCONFIRMED_POLICY_RESEND"}, {"unconfirmedAfterMinutes", 90}}));
  EXPECT_EQ(after["unconfirmedPolicy"], "UNCONFIRMED_POLICY_RESEND");
  EXPECT_EQ(after["unconfirmedAfterMinutes"], 90);
  EXPECT_EQ(after["displayName"], before["displayName"]);
  EXPECT_EQ(Patch(tenant, "/v1/organization", {{"unconfirmedAfterMinutes", 1441}}).reason,
            "VALUE_OUT_OF_RANGE");
}

}  // namespace
}  // namespace parley::gateway
