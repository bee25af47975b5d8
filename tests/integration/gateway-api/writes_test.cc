// Writes that come twice, and lists that change while they are read.
#include <set>
#include <thread>

#include "libs/base/id.h"
#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class WritesTest : public GatewayTest {
 protected:
  std::string MessagesOf(const Tenant& tenant) {
    return gateway.Query("SELECT count(*) FROM messages WHERE organization_id = $1",
                         {tenant.organization_id});
  }
  json Text(const Tenant& tenant, const std::string& body) {
    return {{"channelId", tenant.channel_id}, {"to", "+15550008001"}, {"body", body}};
  }
};

TEST_F(WritesTest, ARepeatOfAnIdempotencyKeyAnswersTheSame) {
  const Tenant tenant = gateway.NewTenant();
  const httplib::Headers key{{"Idempotency-Key", "k1"}};
  const Answer first = Post(tenant, "/v1/messages", Text(tenant, "once"), key);
  const Answer second = Post(tenant, "/v1/messages", Text(tenant, "once"), key);
  EXPECT_EQ(first.http_status, 200) << first.body;
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(MessagesOf(tenant), "1");
  EXPECT_EQ(Post(tenant, "/v1/messages", Text(tenant, "once")).body["seq"], "2")
      << "without the key it is another message";
}

TEST_F(WritesTest, TheSameKeyWithAnotherRequestIsRefused) {
  const Tenant tenant = gateway.NewTenant();
  const httplib::Headers key{{"Idempotency-Key", "k1"}};
  Ok(Post(tenant, "/v1/messages", Text(tenant, "once"), key));
  const Answer body = Post(tenant, "/v1/messages", Text(tenant, "twice"), key);
  EXPECT_EQ(body.code, "FAILED_PRECONDITION");
  EXPECT_EQ(body.reason, "IDEMPOTENCY_KEY_REUSED");
  const Answer method = Post(tenant, "/v1/apiKeys", {{"displayName", "x"}}, key);
  EXPECT_EQ(method.reason, "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(MessagesOf(tenant), "1");
}

TEST_F(WritesTest, KeysBelongToTheirOrganization) {
  const Tenant one = gateway.NewTenant();
  const Tenant two = gateway.NewTenant();
  const httplib::Headers key{{"Idempotency-Key", "shared"}};
  Ok(Post(one, "/v1/messages", Text(one, "hello"), key));
  const json sent = Ok(Post(two, "/v1/messages", Text(two, "other"), key));
  EXPECT_EQ(sent["body"], "other");
}

TEST_F(WritesTest, WhatFailedMayBeTriedAgainWithItsKey) {
  const Tenant tenant = gateway.NewTenant();
  const httplib::Headers key{{"Idempotency-Key", "k1"}};
  EXPECT_EQ(Post(tenant, "/v1/messages", Text(tenant, ""), key).reason, "EMPTY_MESSAGE");
  EXPECT_EQ(Post(tenant, "/v1/messages", Text(tenant, "now"), key).http_status, 200);
}

TEST_F(WritesTest, AnErasedTextDoesNotComeBackByItsKey) {
  const Tenant tenant = gateway.NewTenant();
  const httplib::Headers key{{"Idempotency-Key", "k1"}};
  const std::string secret = "the safe's code is 4711";
  const json sent = Ok(Post(tenant, "/v1/messages", Text(tenant, secret), key));
  const std::string conversation =
      "/v1/conversations/" + sent["conversationId"].get<std::string>() + ":read";
  const httplib::Headers read_key{{"Idempotency-Key", "k2"}};
  EXPECT_EQ(Ok(Post(tenant, conversation, {}, read_key))["lastMessage"]["body"], secret);
  const std::string id = sent["id"];
  const httplib::Headers cancel_key{{"Idempotency-Key", "k3"}};
  EXPECT_EQ(Ok(Post(tenant, "/v1/messages/" + id + ":cancel", json::object(),
                    cancel_key))["message"]["body"],
            secret);
  gateway.Query("UPDATE messages SET status = 'canceled' WHERE organization_id = $1",
                {tenant.organization_id});
  Ok(Delete(tenant, "/v1/messages/" + id));

  const json again = Ok(Post(tenant, "/v1/messages", Text(tenant, secret), key));
  EXPECT_EQ(again["body"], "");
  EXPECT_EQ(again["id"], id);
  EXPECT_TRUE(again.contains("eraseTime"));
  EXPECT_EQ(Ok(Post(tenant, conversation, {}, read_key))["lastMessage"]["body"], "");
  const json canceled =
      Ok(Post(tenant, "/v1/messages/" + id + ":cancel", json::object(), cancel_key));
  EXPECT_EQ(canceled["message"]["body"], "");
  EXPECT_EQ(canceled["outcome"], "OUTCOME_CANCELED");
  EXPECT_EQ(MessagesOf(tenant), "1");
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM idempotency_keys WHERE organization_id = $1"
                          " AND position(convert_to($2, 'UTF8') IN response) > 0",
                          {tenant.organization_id, secret}),
            "0");
}

TEST_F(WritesTest, AnErasedTextLeavesTheLiveEvents) {
  const Tenant tenant = gateway.NewTenant();
  const std::string secret = "the safe's code is 4711";
  const auto events_with = [&](const std::string& text) {
    return gateway.Query(
        "SELECT count(*) FROM (SELECT data FROM live_outbox WHERE organization_id = $1"
        " UNION ALL SELECT data FROM live_events WHERE organization_id = $1) e"
        " WHERE strpos(data, $2) > 0",
        {tenant.organization_id, text});
  };
  const json sent = Ok(Post(tenant, "/v1/messages", Text(tenant, "before")));
  const json message = Ok(Post(tenant, "/v1/messages", Text(tenant, secret)));
  gateway.Query(  // As the relay does.
      "WITH taken AS (DELETE FROM live_outbox WHERE organization_id = $1 RETURNING *)"
      " INSERT INTO live_events (organization_id, number, events, data)"
      " SELECT organization_id, id, events, data FROM taken",
      {tenant.organization_id});
  // The relay has not come to this one yet.
  Ok(Post(tenant, "/v1/conversations/" + sent["conversationId"].get<std::string>() + ":read"));
  EXPECT_EQ(events_with(secret), "2");
  const std::string numbers =
      "SELECT string_agg(number || ':' || events, ',' ORDER BY number) FROM live_events"
      " WHERE organization_id = $1";
  const std::string before = gateway.Query(numbers, {tenant.organization_id});
  gateway.Query("UPDATE messages SET status = 'sent' WHERE organization_id = $1",
                {tenant.organization_id});
  Ok(Delete(tenant, "/v1/messages/" + message["id"].get<std::string>()));
  EXPECT_EQ(events_with(secret), "0");
  EXPECT_EQ(events_with("before"), "1") << "another message's";
  EXPECT_EQ(gateway.Query(numbers, {tenant.organization_id}), before);
}

TEST_F(WritesTest, AKeyIsForgottenAfterADay) {
  const Tenant tenant = gateway.NewTenant();
  const httplib::Headers key{{"Idempotency-Key", "k1"}};
  Ok(Post(tenant, "/v1/messages", Text(tenant, "monday"), key));
  gateway.Query(
      "UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'"
      " WHERE organization_id = $1",
      {tenant.organization_id});
  EXPECT_EQ(Post(tenant, "/v1/messages", Text(tenant, "tuesday"), key).body["body"], "tuesday");
  EXPECT_EQ(MessagesOf(tenant), "2");
}

TEST_F(WritesTest, TwoAtOnceWithOneKeyAreOne) {
  const Tenant tenant = gateway.NewTenant();
  std::vector<Answer> answers(6);
  {
    std::vector<std::jthread> threads;
    for (Answer& answer : answers) {
      threads.emplace_back([&] {
        answer = Post(tenant, "/v1/messages", Text(tenant, "once"), {{"Idempotency-Key", "k"}});
      });
    }
  }
  for (const Answer& answer : answers) EXPECT_EQ(answer.body, answers[0].body);
  EXPECT_EQ(answers[0].http_status, 200) << answers[0].body;
  EXPECT_EQ(MessagesOf(tenant), "1");
}

TEST_F(WritesTest, AKeptSecretIsSealed) {
  const Tenant tenant = gateway.NewTenant();
  const httplib::Headers key{{"Idempotency-Key", "k1"}};
  const json first = Ok(Post(tenant, "/v1/apiKeys", {{"displayName", "x"}}, key));
  EXPECT_EQ(Ok(Post(tenant, "/v1/apiKeys", {{"displayName", "x"}}, key)), first);
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM idempotency_keys WHERE organization_id = $1"
                          " AND position($2::bytea IN response) > 0",
                          {tenant.organization_id, first["secret"]}),
            "0");
}

TEST_F(WritesTest, KeysThatCannotBeStoredAreRefused) {
  const Tenant tenant = gateway.NewTenant();
  for (const std::string& key : {std::string(256, 'a'), std::string("\xFF\xFE")}) {
    EXPECT_EQ(Post(tenant, "/v1/messages", Text(tenant, "x"), {{"Idempotency-Key", key}}).reason,
              "INVALID_IDEMPOTENCY_KEY");
  }
}

TEST_F(WritesTest, AClientMayChooseAMessagesId) {
  const Tenant tenant = gateway.NewTenant();
  json text = Text(tenant, "offline");
  text["messageId"] = NewId();
  const json first = Ok(Post(tenant, "/v1/messages", text));
  EXPECT_EQ(first["id"], text["messageId"]);
  EXPECT_EQ(Ok(Post(tenant, "/v1/messages", text)), first);
  text["body"] = "another";
  const Answer other = Post(tenant, "/v1/messages", text);
  EXPECT_EQ(other.http_status, 409);
  EXPECT_EQ(other.reason, "MESSAGE_EXISTS");
  EXPECT_EQ(MessagesOf(tenant), "1");
}

TEST_F(WritesTest, AChosenIdMayBeUsedByEachOrganization) {
  const Tenant one = gateway.NewTenant();
  const Tenant two = gateway.NewTenant();
  const std::string id = NewId();
  json text = Text(one, "mine");
  text["messageId"] = id;
  Ok(Post(one, "/v1/messages", text));
  text = Text(two, "yours");
  text["messageId"] = id;
  EXPECT_EQ(Ok(Post(two, "/v1/messages", text))["body"], "yours");
}

TEST_F(WritesTest, PagesNeitherRepeatNorSkipWhileMessagesArrive) {
  const Tenant tenant = gateway.NewTenant();
  std::string conversation;
  for (int i = 0; i < 25; ++i) {
    conversation = Simulate(tenant, "+15550008002", std::to_string(i))["conversationId"];
  }
  std::vector<int> seen;
  std::string token;
  do {
    const json page = Ok(Get(
        tenant, "/v1/conversations/" + conversation + "/messages?pageSize=10&pageToken=" + token));
    for (const json& one : page["messages"]) {
      seen.push_back(std::stoi(one["seq"].get<std::string>()));
    }
    token = page["nextPageToken"];
    Simulate(tenant, "+15550008002", "meanwhile");
  } while (!token.empty());
  std::vector<int> want;
  for (int seq = 25; seq >= 1; --seq) want.push_back(seq);
  EXPECT_EQ(seen, want);
}

TEST_F(WritesTest, EveryListCanBePaged) {
  const Tenant tenant = gateway.NewTenant();
  for (int i = 0; i < 4; ++i) {
    const std::string number = "+1555000810" + std::to_string(i);
    Simulate(tenant, number, "hello");
    Ok(Post(tenant, "/v1/apiKeys", {{"displayName", "key"}}));
    Ok(Post(tenant, "/v1/channels",
            {{"channel",
              {{"displayName", "more"},
               {"phoneNumber", "+1555" + std::to_string(9'000'000 + i)},
               {"media", {"MEDIUM_SMS"}},
               {"accountSid", tenant.account_sid}}}}));
  }
  const std::pair<std::string, std::string> lists[] = {{"/v1/channels", "channels"},
                                                       {"/v1/contacts", "contacts"},
                                                       {"/v1/conversations", "conversations"},
                                                       {"/v1/apiKeys", "apiKeys"}};
  for (const auto& [path, field] : lists) {
    const json all = Ok(Get(tenant, path))[field];
    ASSERT_GE(all.size(), 4U) << path;
    json paged = json::array();
    std::string token;
    do {
      const json page = Ok(Get(tenant, path + "?pageSize=3&pageToken=" + token));
      EXPECT_LE(page[field].size(), 3U);
      for (const json& one : page[field]) paged.push_back(one);
      token = page["nextPageToken"];
    } while (!token.empty());
    EXPECT_EQ(paged, all) << path;
  }
}

TEST_F(WritesTest, APageTokenIsForItsListAndArguments) {
  const Tenant tenant = gateway.NewTenant();
  Simulate(tenant, "+15550008003", "one");
  const std::string first = Simulate(tenant, "+15550008003", "two")["conversationId"];
  const std::string second = Simulate(tenant, "+15550008004", "one")["conversationId"];
  const std::string token =
      Ok(Get(tenant, "/v1/conversations/" + first + "/messages?pageSize=1"))["nextPageToken"];
  for (const std::string& path :
       {"/v1/conversations/" + second + "/messages?pageToken=" + token,
        "/v1/conversations?pageToken=" + token, "/v1/contacts?pageToken=" + token,
        std::string("/v1/channels?pageToken=made-up")}) {
    EXPECT_EQ(Get(tenant, path).reason, "INVALID_PAGE_TOKEN") << path;
  }
}

}  // namespace
}  // namespace parley::gateway
