// Messages, conversations and contacts.
#include "store/inbox.h"

#include <thread>

#include "libs/base/id.h"
#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class InboxTest : public GatewayTest {
 protected:
  std::string Path(const json& message) {
    return "/v1/conversations/" + message["conversationId"].get<std::string>();
  }
  std::string CommandsOf(const Tenant& tenant) {
    return gateway.Query(
        "SELECT count(*) FROM outbox WHERE organization_id = $1"
        " AND topic = 'parley.send-commands'",
        {tenant.organization_id});
  }
  json Send(const Tenant& tenant, const std::string& to, const std::string& body) {
    return Ok(Post(tenant, "/v1/messages",
                   {{"channelId", tenant.channel_id}, {"to", to}, {"body", body}}));
  }
};

TEST_F(InboxTest, AMessageIsStoredAndHandedOnInOneStep) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Send(tenant, "+15550005001", "hello");
  EXPECT_EQ(message["status"], "STATUS_QUEUED");
  EXPECT_EQ(message["author"], "AUTHOR_AGENT");
  EXPECT_EQ(message["from"], tenant.phone_number);
  EXPECT_EQ(message["to"], "+15550005001");
  EXPECT_EQ(CommandsOf(tenant), "1");
  const json next = Ok(Post(tenant, "/v1/messages",
                            {{"conversationId", message["conversationId"]}, {"body", "again"}}));
  EXPECT_EQ(next["seq"], "2");
  EXPECT_EQ(next["to"], "+15550005001");
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["lastMessage"]["id"], next["id"]);
}

TEST_F(InboxTest, WhoOptedOutGetsNothing) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Send(tenant, "+15550005002", "hello");
  ASSERT_TRUE(gateway.services()
                  .worker
                  .Transact([&](pqxx::work& tx) {
                    return store::SetConsent(tx, {.organization_id = tenant.organization_id,
                                                  .customer_number = "+15550005002",
                                                  .opted_out = true,
                                                  .given_at = SystemClock().Now(),
                                                  .source = "keyword"})
                        .status();
                  })
                  .ok());
  const std::string before = gateway.Snapshot(tenant.organization_id);
  const Answer refused =
      Post(tenant, "/v1/messages",
           {{"conversationId", message["conversationId"]}, {"body", "still there?"}});
  EXPECT_EQ(refused.http_status, 400);
  EXPECT_EQ(refused.reason, "OPTED_OUT");
  EXPECT_EQ(gateway.Snapshot(tenant.organization_id), before);
  const json conversation = Ok(Get(tenant, Path(message)));
  EXPECT_EQ(conversation["optedOut"], true);
  EXPECT_EQ(conversation["aiState"], "AI_STATE_OPTED_OUT");
}

TEST_F(InboxTest, ASimulatedMessageStartsATurnOfTheAi) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550005003", "hi");
  EXPECT_EQ(message["simulated"], true);
  EXPECT_EQ(message["status"], "STATUS_SENT");
  EXPECT_EQ(message["direction"], "DIRECTION_INBOUND");
  EXPECT_EQ(message["to"], tenant.phone_number);
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["aiState"], "AI_STATE_PENDING");
  EXPECT_EQ(CommandsOf(tenant), "0");
}

TEST_F(InboxTest, AnAnswerOfAPersonEndsTheTurn) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550005004", "hi");
  Ok(Post(tenant, "/v1/messages",
          {{"conversationId", message["conversationId"]}, {"body", "I am here"}}));
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["aiState"], "AI_STATE_READY");
}

TEST_F(InboxTest, TakingOverSilencesTheAiUntilItIsHandedBack) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550005005", "hi");
  EXPECT_EQ(Ok(Post(tenant, Path(message) + ":takeOver"))["aiState"], "AI_STATE_TAKEN_OVER");
  Simulate(tenant, "+15550005005", "more");
  EXPECT_EQ(gateway.Query("SELECT pending_first_seq IS NULL AND open_turn_id IS NULL"
                          " FROM conversations WHERE organization_id = $1",
                          {tenant.organization_id}),
            "t");
  EXPECT_EQ(Ok(Post(tenant, Path(message) + ":handBack"))["aiState"], "AI_STATE_READY");
  Simulate(tenant, "+15550005005", "and more");
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["aiState"], "AI_STATE_PENDING");
}

TEST_F(InboxTest, TheAiCanBeSwitchedForAConversation) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550005006", "hi");
  const json off = Ok(Patch(tenant, Path(message), {{"aiEnabled", false}}));
  EXPECT_EQ(off["aiState"], "AI_STATE_OFF");
  EXPECT_EQ(off["aiEnabled"], false);
  const json back = Ok(Patch(tenant, Path(message), {{"aiEnabled", nullptr}}));
  EXPECT_EQ(back["aiState"], "AI_STATE_READY");
  EXPECT_FALSE(back.contains("aiEnabled")) << "as the channel says";
}

TEST_F(InboxTest, SwitchingTheAiOffForTheChannelEndsItsTurns) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550005007", "hi");
  Ok(Patch(tenant, "/v1/channels/" + tenant.channel_id, {{"ai", {{"enabled", false}}}}));
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["aiState"], "AI_STATE_OFF");
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM conversations WHERE organization_id = $1"
                          " AND (pending_first_seq IS NOT NULL OR open_turn_id IS NOT NULL)",
                          {tenant.organization_id}),
            "0");
}

TEST_F(InboxTest, ReadingCountsDownToTheMessageThatWasRead) {
  const Tenant tenant = gateway.NewTenant();
  json message;
  for (int i = 0; i < 4; ++i) message = Simulate(tenant, "+15550005008", "hi");
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["unreadCount"], "4");
  EXPECT_EQ(Ok(Post(tenant, Path(message) + ":read", {{"seq", "3"}}))["unreadCount"], "1");
  EXPECT_EQ(Ok(Post(tenant, Path(message) + ":read", {{"seq", "2"}}))["unreadCount"], "1")
      << "what was read stays read";
  EXPECT_EQ(Ok(Post(tenant, Path(message) + ":read"))["unreadCount"], "0");
  EXPECT_EQ(Ok(Post(tenant, Path(message) + ":read", {{"seq", "900"}}))["unreadCount"], "0");
  Simulate(tenant, "+15550005008", "new");
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["unreadCount"], "1");
}

TEST_F(InboxTest, WhatArrivesWhileSomebodyReadsStaysUnread) {
  const Tenant tenant = gateway.NewTenant();
  json last;
  for (int i = 1; i <= 5; ++i) last = Simulate(tenant, "+15550005012", std::to_string(i));
  std::thread reader;
  Answer answer;
  const absl::Status arrived = gateway.services().worker.Transact([&](pqxx::work& tx) {
    const store::NewMessage sixth{.organization_id = tenant.organization_id,
                                  .message_id = NewId(),
                                  .channel_id = tenant.channel_id,
                                  .customer_number = "+15550005012",
                                  .body = "6",
                                  .simulated = true,
                                  .received_at = SystemClock().Now()};
    const absl::Status stored =
        store::Append(tx, {&sixth, 1}, {.now = SystemClock().Now()}).status();
    reader = std::thread([&] { answer = Post(tenant, Path(last) + ":read", {{"seq", "5"}}); });
    // Until it waits for this transaction.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (gateway.Query("SELECT count(*) FROM pg_locks WHERE NOT granted"
                         " AND locktype = 'transactionid'") == "0" &&
           std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    return stored;
  });
  reader.join();
  ASSERT_EQ(arrived, absl::OkStatus());
  EXPECT_EQ(Ok(answer)["unreadCount"], "1");
  EXPECT_EQ(Ok(Get(tenant, Path(last)))["unreadCount"], "1");
}

TEST_F(InboxTest, ConversationsAreListedLatestFirst) {
  const Tenant tenant = gateway.NewTenant();
  const json first = Simulate(tenant, "+15550005009", "hi");
  const json second = Simulate(tenant, "+15550005010", "hi");
  Simulate(tenant, "+15550005009", "again");
  const json list = Ok(Get(tenant, "/v1/conversations"))["conversations"];
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["id"], first["conversationId"]);
  EXPECT_EQ(list[1]["id"], second["conversationId"]);
}

TEST_F(InboxTest, AContactNamesTheConversationsOfItsNumber) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550005011", "hi");
  const std::string contact = Ok(Get(tenant, Path(message)))["contactId"];
  Ok(Patch(tenant, "/v1/contacts/" + contact, {{"displayName", "Ann"}}));
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["title"], "Ann");

  Ok(Patch(tenant, "/v1/contacts/" + contact, {{"phoneNumber", "+15550005012"}}));
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["contactId"], "") << "Ann has another number now";
  const json other =
      Ok(Post(tenant, "/v1/contacts",
              {{"contact", {{"displayName", "Bob"}, {"phoneNumber", "+15550005011"}}}}));
  EXPECT_EQ(Ok(Get(tenant, Path(message)))["title"], "Bob");

  Ok(Delete(tenant, "/v1/contacts/" + other["id"].get<std::string>()));
  const json nameless = Ok(Get(tenant, Path(message)));
  EXPECT_EQ(nameless["contactId"], "");
  EXPECT_EQ(nameless["title"], "+15550005011");
}

TEST_F(InboxTest, ChangesAreSaidLive) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550005013", "hi");
  const auto said = [&] {
    return std::stoi(
        gateway.Query("SELECT count(*) FROM live_outbox WHERE organization_id = $1"
                      " AND data LIKE 'conversation %'",
                      {tenant.organization_id}));
  };
  for (const char* verb : {":read", ":takeOver", ":handBack"}) {
    const int before = said();
    Ok(Post(tenant, Path(message) + verb));
    EXPECT_EQ(said(), before + 1) << verb;
  }
}

TEST_F(InboxTest, WithoutANumberASimulatedConversationStaysHere) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "", "hi");
  EXPECT_EQ(message["from"], "");
  const json sent = Ok(Post(tenant, "/v1/messages",
                            {{"conversationId", message["conversationId"]}, {"body", "hello"}}));
  EXPECT_EQ(sent["status"], "STATUS_SENT");
  EXPECT_EQ(sent["simulated"], true);
  EXPECT_EQ(CommandsOf(tenant), "0");
}

}  // namespace
}  // namespace parley::gateway
