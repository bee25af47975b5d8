// Twilio's list of messages compared with the store, and messages that were erased.
#include "catchup/catch_up.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <functional>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"
#include "store/catch_up.h"
#include "store/inbox.h"
#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

using twilio::MessageResource;
using twilio::MessageStatus;

constexpr char kCustomer[] = "+15550007101";

// A list in pages of two. Not thread-safe.
class FakeLists final : public catchup::MessageLists {
 public:
  std::vector<MessageResource> messages;  // Newest first.
  std::map<std::string, std::vector<catchup::Attachment>> media;
  int busy_at = -1;  // The request that is answered with 429.
  int requests = 0;
  int media_busy_at = -1;  // The same of those for media.
  int media_requests = 0;
  std::function<void()> on_media = [] {};

  absl::StatusOr<twilio::MessagePage> First(const TwilioLogin&, Time) override { return Page(0); }
  absl::StatusOr<twilio::MessagePage> Next(const TwilioLogin&, std::string_view uri) override {
    return Page(std::stoul(std::string(uri)));
  }
  absl::StatusOr<std::vector<catchup::Attachment>> Media(const TwilioLogin&,
                                                         std::string_view sid) override {
    on_media();
    if (media_requests++ == media_busy_at) return Busy();
    return media[std::string(sid)];
  }

 private:
  static absl::Status Busy() {
    return ErrorStatus(absl::StatusCode::kResourceExhausted, "TWILIO_20429", "Too many.");
  }
  absl::StatusOr<twilio::MessagePage> Page(std::size_t at) {
    if (requests++ == busy_at) return Busy();
    twilio::MessagePage page;
    for (std::size_t i = at; i < std::min(at + 2, messages.size()); ++i) {
      page.messages.push_back(messages[i]);
    }
    if (at + 2 < messages.size()) page.next_page_uri = std::to_string(at + 2);
    return page;
  }
};

class CatchUpTest : public GatewayTest {
 protected:
  const Tenant tenant = gateway.NewTenant();
  FakeLists lists;

  MessageResource Text(char digit, const std::string& body, std::chrono::minutes ago) {
    return {.sid = "SM" + std::string(32, digit),
            .status = MessageStatus::kReceived,
            .direction = "inbound",
            .from = kCustomer,
            .to = tenant.phone_number,
            .body = body,
            .segments = 1,
            .sent = now_ - ago};
  }
  // Number `n`, of `count` that came in a second apart, with a picture.
  MessageResource Picture(int n, int count) {
    MessageResource picture = Text('0', std::to_string(n), std::chrono::minutes(30));
    const std::string digits = std::to_string(n);
    picture.sid.replace(34 - digits.size(), digits.size(), digits);
    picture.sent = now_ - std::chrono::minutes(30) - std::chrono::seconds(count - n);
    picture.media = 1;
    return picture;
  }
  catchup::CatchUpResult Run(int pages_max = 100, int media_max = 200) {
    catchup::CatchUp catch_up(
        {.database = {.url = gateway.database_url(), .role = "gateway_worker", .schema = "gateway"},
         .pages_max = pages_max,
         .media_max = media_max,
         .page_wait = std::chrono::milliseconds(0)},
        gateway.services().worker, lists, gateway.services().master_keys, SystemClock());
    const auto result = catch_up.RunAccount(tenant.account_sid, {});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(catchup::CatchUpResult());
  }
  // The bodies of what left for parley.inbound, in order.
  std::vector<std::string> Recovered() {
    std::vector<std::string> bodies;
    for (const auto& record : Records<events::v1::InboundRecord>("parley.inbound")) {
      EXPECT_EQ(record.origin(), events::v1::ORIGIN_RECOVERED);
      bodies.push_back(record.message().body());
    }
    return bodies;
  }
  template <class Event>
  std::vector<Event> Records(const std::string& topic) {
    std::vector<Event> events;
    const int count = std::stoi(Column("count(*)", topic, "1"));
    for (int i = 0; i < count; ++i) {
      const std::string value = Column("value", topic, "id", i);
      events.emplace_back().ParseFromString(postgres::FromBytea(value));
    }
    return events;
  }

  const Time now_ = SystemClock().Now();

 private:
  std::string Column(const std::string& column, const std::string& topic, const std::string& order,
                     int offset = 0) {
    return gateway.Query("SELECT " + column + " FROM outbox WHERE organization_id = $1" +
                             " AND topic = $2 ORDER BY " + order + " OFFSET " +
                             std::to_string(offset) + " LIMIT 1",
                         {tenant.organization_id, topic});
  }
};

using std::chrono::minutes;

TEST_F(CatchUpTest, WhatNeverArrivedIsTakenInOldestFirst) {
  lists.messages = {Text('5', "too young", minutes(0)), Text('4', "d", minutes(10)),
                    Text('3', "c", minutes(10)), Text('2', "b", minutes(30)),
                    Text('1', "a", minutes(40))};
  const auto result = Run();
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.pages, 3);
  EXPECT_EQ(Recovered(), (std::vector<std::string>{"a", "b", "c", "d"}));
  const auto record = Records<events::v1::InboundRecord>("parley.inbound")[0];
  EXPECT_EQ(record.received_at_us(), ToMicros(*lists.messages[4].sent));
}

TEST_F(CatchUpTest, WhatIsStoredOrWasErasedStays) {
  lists.messages = {Text('2', "erased", minutes(10)), Text('1', "stored", minutes(20))};
  for (const MessageResource& text : lists.messages) {
    const store::NewMessage message{
        .organization_id = tenant.organization_id,
        .message_id = store::InboundMessageId(tenant.account_sid, text.sid),
        .channel_id = tenant.channel_id,
        .customer_number = kCustomer,
        .body = text.body,
        .account_sid = tenant.account_sid,
        .business_number = tenant.phone_number,
        .message_sid = text.sid,
        .received_at = *text.sent};
    ASSERT_TRUE(gateway.services()
                    .worker
                    .Transact([&](pqxx::work& tx) {
                      return store::Append(tx, {&message, 1}, {.now = now_}).status();
                    })
                    .ok());
  }
  const std::string id = store::InboundMessageId(tenant.account_sid, lists.messages[0].sid);
  const json erased = Ok(Delete(tenant, "/v1/messages/" + id));
  EXPECT_EQ(erased["body"], "");
  EXPECT_TRUE(erased.contains("eraseTime"));
  EXPECT_EQ(Ok(Delete(tenant, "/v1/messages/" + id))["eraseTime"], erased["eraseTime"]);
  lists.messages[1].price = "-0.00750";
  lists.messages[1].price_unit = "USD";

  const auto result = Run();
  EXPECT_EQ(result.recovered, 0);
  EXPECT_EQ(result.prices, 1);
  EXPECT_EQ(gateway.Query("SELECT body || coalesce(price::text, '') FROM messages"
                          " WHERE organization_id = $1 ORDER BY received_at",
                          {tenant.organization_id}),
            "stored-0.007500");
  EXPECT_EQ(Ok(Get(tenant, "/v1/messages/" + id))["body"], "");
  EXPECT_EQ(gateway.Query("SELECT string_agg(action, ',') FROM audit_events"
                          " WHERE organization_id = $1 AND action LIKE 'message.%'",
                          {tenant.organization_id}),
            "message.erase,message.erase");
}

TEST_F(CatchUpTest, AMessageThatIsToBeSentIsNotErased) {
  const json sent = Ok(Post(tenant, "/v1/messages",
                            {{"channelId", tenant.channel_id}, {"to", kCustomer}, {"body", "x"}}));
  const Answer answer = Delete(tenant, "/v1/messages/" + sent["id"].get<std::string>());
  EXPECT_EQ(answer.reason, "MESSAGE_NOT_FINAL");
  EXPECT_EQ(Delete(tenant, "/v1/messages/" + NewId()).reason, "MESSAGE_NOT_FOUND");
}

TEST_F(CatchUpTest, AKeywordIsAConsentAndMediaComeWithIt) {
  MessageResource picture = Text('2', "look", minutes(5));
  picture.media = 1;
  lists.media[picture.sid] = {{"https://api.example.com/Media/ME1", "image/png"}};
  lists.messages = {picture, Text('1', "STOP", minutes(6))};
  EXPECT_EQ(Run().recovered, 2);
  const auto consents = Records<events::v1::ConsentRecord>("parley.consent");
  ASSERT_EQ(consents.size(), 1U);
  EXPECT_EQ(consents[0].given_at_us(), ToMicros(*lists.messages[1].sent));
  const auto inbound = Records<events::v1::InboundRecord>("parley.inbound");
  ASSERT_EQ(inbound.size(), 2U);
  EXPECT_EQ(inbound[0].message().keyword(), events::v1::KEYWORD_STOP);
  ASSERT_EQ(inbound[1].message().media_size(), 1);
  EXPECT_EQ(inbound[1].message().media(0).content_type(), "image/png");
}

TEST_F(CatchUpTest, TextsToNumbersThatOtherSoftwareServesAreLeftAlone) {
  MessageResource foreign = Text('2', "for another software", minutes(5));
  foreign.to = "+15550007199";
  foreign.media = 1;
  lists.messages = {foreign, Text('1', "ours", minutes(6))};
  const auto result = Run();
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.foreign, 1);
  EXPECT_EQ(Recovered(), (std::vector<std::string>{"ours"}));
  EXPECT_EQ(lists.media_requests, 0);

  // A webhook has come for it: it points here.
  gateway.Query("INSERT INTO number_claims VALUES ($1, $2, $3, $4)",
                {tenant.account_sid, foreign.to, tenant.organization_id, tenant.channel_id});
  EXPECT_EQ(Run().foreign, 0);
  EXPECT_EQ(Recovered().back(), "for another software");
}

TEST_F(CatchUpTest, TheOldestAreStoredBeforeTheMediaOfLaterOnesAreAskedFor) {
  constexpr int kCount = 101;  // One more than a chunk.
  for (int n = kCount; n > 0; --n) lists.messages.push_back(Picture(n, kCount));
  std::vector<std::size_t> stored;
  lists.on_media = [&] { stored.push_back(Recovered().size()); };
  EXPECT_EQ(Run().recovered, kCount);
  ASSERT_EQ(stored.size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ(stored.front(), 0U);
  EXPECT_EQ(stored.back(), static_cast<std::size_t>(kCount - 1));
}

TEST_F(CatchUpTest, StopsAskingForMediaWhenTwilioIsBusyAndGoesOnThere) {
  lists.messages = {Picture(4, 4), Text('9', "x", minutes(20)), Picture(3, 4), Picture(2, 4),
                    Picture(1, 4)};
  lists.messages[1].sent = now_ - minutes(30) - std::chrono::seconds(1);
  lists.media_busy_at = 1;
  const auto busy = Run();
  EXPECT_FALSE(busy.complete);
  EXPECT_EQ(lists.media_requests, 2) << "none after the refusal";
  EXPECT_EQ(Recovered(), (std::vector<std::string>{"1"})) << "nobody overtakes";
  EXPECT_TRUE(Run().complete);
  EXPECT_EQ(Recovered().back(), "4");
}

TEST_F(CatchUpTest, AsksForABoundedNumberOfMediaAndComesAgainBehindTheOthers) {
  for (int n = 5; n > 0; --n) lists.messages.push_back(Picture(n, 5));
  const auto due = [&] {
    const auto accounts = gateway.services().worker.Read<std::vector<std::string>>(
        [](pqxx::work& tx) -> absl::StatusOr<std::vector<std::string>> {
          return store::AccountsDue(tx, {.retry = std::chrono::seconds(0)});
        });
    return accounts.value_or(std::vector<std::string>());
  };
  ASSERT_TRUE(Run().complete) << "not due for an hour";
  const Tenant other = gateway.NewTenant();
  gateway.Query("DELETE FROM outbox WHERE organization_id = $1", {tenant.organization_id});
  const auto first = Run(100, 2);
  EXPECT_FALSE(first.complete);
  EXPECT_EQ(first.media, 2);
  EXPECT_EQ(Recovered(), (std::vector<std::string>{"1", "2"}));
  const std::vector<std::string> accounts = due();
  EXPECT_THAT(accounts, testing::Contains(other.account_sid));
  ASSERT_FALSE(accounts.empty());
  EXPECT_EQ(accounts.back(), tenant.account_sid);
}

TEST_F(CatchUpTest, WhatWasSentGetsItsStatusAndForeignMessagesDoNot) {
  const json sent = Ok(Post(tenant, "/v1/messages",
                            {{"channelId", tenant.channel_id}, {"to", kCustomer}, {"body", "x"}}));
  const std::string sid = "SM" + std::string(32, '1');
  gateway.Query(
      "UPDATE messages SET status = 'sent', message_sid = $3"
      " WHERE organization_id = $1 AND id = $2",
      {tenant.organization_id, sent["id"], sid});
  gateway.Query(
      "INSERT INTO message_attempts (organization_id, account_sid, message_sid, message_id, "
      "attempt)"
      " VALUES ($1, $2, $3, $4, 1)",
      {tenant.organization_id, tenant.account_sid, sid, sent["id"]});
  MessageResource ours{.sid = sid,
                       .status = MessageStatus::kUndelivered,
                       .direction = "outbound-api",
                       .from = tenant.phone_number,
                       .to = kCustomer,
                       .error_code = 30003,
                       .sent = now_,
                       .price = "-0.01",
                       .price_unit = "USD"};
  MessageResource foreign = ours;
  foreign.sid = "SM" + std::string(32, '2');
  lists.messages = {foreign, ours};
  const auto result = Run();
  EXPECT_EQ(result.statuses, 1);
  EXPECT_EQ(result.prices, 1);
  const auto reports = Records<events::v1::DeliveryStatusRecord>("parley.delivery-status");
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].message_sid(), sid);
  EXPECT_EQ(reports[0].status(), "undelivered");
  EXPECT_EQ(reports[0].error_code(), 30003);
}

TEST_F(CatchUpTest, StopsWhenTwilioIsBusyAndGoesOnThere) {
  lists.messages = {Text('4', "d", minutes(10)), Text('3', "c", minutes(20)),
                    Text('2', "b", minutes(30)), Text('1', "a", minutes(40))};
  lists.busy_at = 1;
  EXPECT_FALSE(Run().complete);
  EXPECT_EQ(Recovered(), (std::vector<std::string>{"c", "d"}));
  const auto rest = Run();
  EXPECT_TRUE(rest.complete);
  EXPECT_EQ(rest.pages, 1) << "only what was left";
  EXPECT_EQ(Recovered(), (std::vector<std::string>{"c", "d", "a", "b"}));
}

TEST_F(CatchUpTest, ReadsABoundedNumberOfPagesAtOnce) {
  lists.messages = {Text('4', "d", minutes(10)), Text('3', "c", minutes(20)),
                    Text('2', "b", minutes(30)), Text('1', "a", minutes(40))};
  const auto first = Run(1);
  EXPECT_EQ(first.pages, 1);
  EXPECT_FALSE(first.complete);
  EXPECT_TRUE(Run(1).complete);
}

TEST_F(CatchUpTest, OneReplicaAtATimeWorksOnAnAccount) {
  pqxx::connection other(gateway.database_url());
  pqxx::nontransaction(other).exec_params("SELECT pg_advisory_lock(hashtextextended($1, 2))",
                                          tenant.account_sid);
  lists.messages = {Text('1', "a", minutes(10))};
  EXPECT_TRUE(Run().busy);
  EXPECT_EQ(lists.requests, 0);
}

}  // namespace
}  // namespace parley::gateway
