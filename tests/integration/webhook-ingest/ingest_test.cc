// webhook-ingest put together as main.cc does it, against a real Kafka (PARLEY_KAFKA_BROKERS).
// Each test has accounts and a directory topic of its own, so that tests may share a broker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "adapters/directory_feed.h"
#include "adapters/durable_publisher.h"
#include "adapters/kafka_publisher.h"
#include "adapters/routes.h"
#include "adapters/snapshot_file.h"
#include "fakes/fakes.h"
#include "libs/base/id.h"
#include "libs/kafka/admin.h"
#include "libs/twilio/callback.h"
#include "libs/twilio/number.h"
#include "libs/twilio/twiml.h"
#include "libs/twilio/url.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"
#include "pipeline.h"
#include "spool/replay.h"
#include "tests/integration/libs/environment.h"

namespace parley::ingest {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto kPatience = 30s;

// A whole webhook-ingest in this process.
class Ingest {
 public:
  Ingest(const std::string& brokers, const std::string& directory_topic, const std::string& folder,
         const crypto::KeyRing& keys, std::chrono::milliseconds acknowledge_within = 2s)
      : snapshot_(folder, keys) {
    producer_ = *kafka::Producer::Create({.brokers = brokers, .client_id = "ingest-test"});
    feed_ = *DirectoryFeed::Start({.brokers = brokers,
                                   .client_id = "ingest-test-" + NewId(),
                                   .topic = directory_topic,
                                   .snapshot_every = 1ms},
                                  keys, snapshot_, *producer_, SystemClock());
    spool_ = *Spool::Open({.folder = folder + "/spool"}, SystemFiles(), SystemClock());
    to_kafka_.emplace(*producer_);
    publisher_.emplace(*to_kafka_, *spool_, circuit_);
    replay_.emplace(ReplayOptions(), *spool_, *to_kafka_, circuit_, SystemClock());
    pipeline_.emplace(PipelineOptions{.verify = {.server_url = kServerUrl},
                                      .acknowledge_within = acknowledge_within},
                      *feed_, *publisher_, *to_kafka_, SystemClock());
    server_.emplace(http::ServerOptions{.name = "test", .connections_max = 16});
    RegisterRoutes(server_->routes(), *pipeline_,
                   {.directory = [this] { return feed_->Ready(); },
                    .durable = [this] { return publisher_->Health(); }},
                   proxies_, SystemClock());
    EXPECT_TRUE(server_->Start().ok());
    client_.emplace("127.0.0.1", server_->port());
    client_->set_read_timeout(30s);
  }
  ~Ingest() {
    server_->Stop();
    replay_.reset();
    feed_.reset();
    producer_.reset();
  }

  httplib::Result Post(const SignedWebhook& webhook) {
    return client_->Post(webhook.target,
                         {{"X-Twilio-Signature", webhook.signature},
                          {"I-Twilio-Idempotency-Token", webhook.idempotency_token}},
                         webhook.body, webhook.content_type);
  }
  httplib::Client& client() { return *client_; }
  DirectoryFeed& feed() { return *feed_; }
  Spool& spool() { return *spool_; }

 private:
  const http::TrustedProxies proxies_;
  const SnapshotFile snapshot_;
  std::unique_ptr<kafka::Producer> producer_;
  std::unique_ptr<DirectoryFeed> feed_;
  Circuit circuit_;
  std::unique_ptr<Spool> spool_;
  std::optional<KafkaPublisher> to_kafka_;
  std::optional<DurablePublisher> publisher_;
  std::optional<Replay> replay_;
  std::optional<WebhookPipeline> pipeline_;
  std::optional<http::Server> server_;
  std::optional<httplib::Client> client_;
};

class IngestTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const absl::Status created =
        kafka::CreateTopics(Brokers(), kafka::ParleyTopics(12, 1), kPatience);
    ASSERT_TRUE(created.ok()) << created;
  }
  void SetUp() override {
    ASSERT_TRUE(kafka::CreateTopics(
                    Brokers(),
                    {{.name = topic_, .partitions = 1, .settings = {{"cleanup.policy", "compact"}}},
                     {.name = topic_ + kafka::kDeadLetterSuffix, .partitions = 1}},
                    kPatience)
                    .ok());
    producer_ = *kafka::Producer::Create({.brokers = Brokers(), .client_id = "ingest-test"});
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string RandomAccount() {
    std::string digits;
    for (const char c : NewId() + NewId()) {
      if (c != '-' && digits.size() < 32) digits.push_back(c);
    }
    // The end of a UUIDv7 is its random part.
    return "AC" + std::string(digits.rbegin(), digits.rend());
  }
  static std::string RandomMessage() { return "SM" + RandomAccount().substr(2); }

  void PutDirectory(const std::string& key, const std::string& value) {
    const kafka::OutRecord record{.topic = topic_, .key = key, .value = value, .headers = {}};
    ASSERT_TRUE(producer_->ProduceAndWait({&record, 1}, kPatience).ok());
  }
  void PublishDirectory() {
    PutDirectory("account", AccountRecord(keys_, account_, kTokenA).SerializeAsString());
    PutDirectory("number", NumberRecord(account_, kNumberA).SerializeAsString());
    PutDirectory("complete", CompleteRecord().SerializeAsString());
  }

  twilio::FormParams Message(std::string_view body, const std::string& message_sid) const {
    return {{"MessageSid", message_sid},
            {"AccountSid", account_},
            {"From", kCustomer},
            {"To", kNumberA},
            {"Body", body},
            {"NumMedia", "0"},
            {"SomethingNew", "kept é"},
            {"FromCity", ""}};
  }

  // Everything in `topic` that this test's account brought, in order; reads to the end.
  template <class Record>
  std::vector<Record> ReadAll(const std::string& topic) const {
    std::vector<Record> found;
    const auto reader = *kafka::LogReader::Create(
        {.brokers = Brokers(), .client_id = "ingest-test-reader", .topic = topic});
    EXPECT_TRUE(Eventually([&] {
      const auto records = reader->Poll(1'000, 200ms);
      if (!records.ok()) return false;
      for (const kafka::Record& record : *records) {
        Record parsed;
        if (parsed.ParseFromString(record.value) && parsed.account_sid() == account_) {
          found.push_back(std::move(parsed));
        }
      }
      return reader->ReachedStartEnd();
    }));
    return found;
  }

  const std::string account_ = RandomAccount();
  const std::string topic_ = "parley-test-directory-" + NewId();
  const std::string folder_ = testing::TempDir() + "/parley-ingest-" + NewId();
  const crypto::KeyRing keys_ = TestKeys();
  std::unique_ptr<kafka::Producer> producer_;
};

TEST_F(IngestTest, ASignedTextIsInTheTopicWithAllItsParameters) {
  PublishDirectory();
  Ingest ingest(Brokers(), topic_, folder_, keys_);
  ASSERT_TRUE(Eventually([&] { return ingest.feed().Ready().ok(); }));
  const std::string sid = RandomMessage();
  const twilio::FormParams params = Message("Hi <b>é😀</b>\r\n", sid);
  const auto answer = ingest.Post(SignedPost(kMessageTarget, params, kTokenA));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(answer->body, twilio::kEmptyTwiml);
  // Acknowledged means that it can be read now, without waiting.
  const auto records = ReadAll<events::v1::InboundRecord>(kafka::kInboundTopic);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].message().message_sid(), sid);
  EXPECT_EQ(records[0].message().body(), "Hi <b>é😀</b>\r\n");
  ASSERT_EQ(records[0].parameters_size(), static_cast<int>(params.size()));
  for (int i = 0; i < records[0].parameters_size(); ++i) {
    EXPECT_EQ(records[0].parameters(i).name(), params[static_cast<std::size_t>(i)].name);
    EXPECT_EQ(records[0].parameters(i).value(), params[static_cast<std::size_t>(i)].value);
  }
  EXPECT_FALSE(records[0].idempotency_token().empty());
}

TEST_F(IngestTest, RefusedWebhooksLeaveNoRecord) {
  PublishDirectory();
  Ingest ingest(Brokers(), topic_, folder_, keys_);
  ASSERT_TRUE(Eventually([&] { return ingest.feed().Ready().ok(); }));
  const auto refused = [&](const SignedWebhook& webhook, int status) {
    const auto answer = ingest.Post(webhook);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, status) << answer->body;
  };
  refused(SignedPost(kMessageTarget, Message("forged", RandomMessage()), kTokenB), 403);
  refused(SignedPost(kMessageTarget, Message(std::string(70'000, 'x'), RandomMessage()), kTokenA),
          413);
  SignedWebhook bytes = SignedPost(kMessageTarget, Message("x", RandomMessage()), kTokenA);
  bytes.body = "Body=%ff";
  refused(bytes, 400);
  // What follows is the only record: the log is in order.
  const std::string sid = RandomMessage();
  EXPECT_EQ(ingest.Post(SignedPost(kMessageTarget, Message("good", sid), kTokenA))->status, 200);
  const auto records = ReadAll<events::v1::InboundRecord>(kafka::kInboundTopic);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].message().message_sid(), sid);
}

TEST_F(IngestTest, StopIsInTheConsentTopicBeforeItIsAnswered) {
  PublishDirectory();
  Ingest ingest(Brokers(), topic_, folder_, keys_);
  ASSERT_TRUE(Eventually([&] { return ingest.feed().Ready().ok(); }));
  EXPECT_EQ(
      ingest.Post(SignedPost(kMessageTarget, Message(" stop ", RandomMessage()), kTokenA))->status,
      200);
  const auto consents = ReadAll<events::v1::ConsentRecord>(kafka::kConsentTopic);
  ASSERT_EQ(consents.size(), 1u);
  EXPECT_EQ(consents[0].customer_number(), kCustomer);
  EXPECT_EQ(consents[0].keyword(), events::v1::KEYWORD_STOP);
  const auto inbound = ReadAll<events::v1::InboundRecord>(kafka::kInboundTopic);
  ASSERT_EQ(inbound.size(), 1u);
  EXPECT_EQ(inbound[0].message().keyword(), events::v1::KEYWORD_STOP);
}

TEST_F(IngestTest, AStatusNamesOurMessageAndAttempt) {
  PublishDirectory();
  Ingest ingest(Brokers(), topic_, folder_, keys_);
  ASSERT_TRUE(Eventually([&] { return ingest.feed().Ready().ok(); }));
  const std::string id = NewId();
  const std::string sid = RandomMessage();
  const std::string url = twilio::StatusCallbackUrl("", {.message_id = id, .attempt = 3});
  const twilio::FormParams params = {{"AccountSid", account_},
                                     {"MessageSid", sid},
                                     {"MessageStatus", "delivered"},
                                     {"From", kNumberA},
                                     {"To", kCustomer}};
  const auto answer =
      ingest.Post(SignedPost(std::string(twilio::WithoutFragment(url)), params, kTokenA));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200) << answer->body;
  const auto records = ReadAll<events::v1::DeliveryStatusRecord>(kafka::kDeliveryStatusTopic);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].message_sid(), sid);
  EXPECT_EQ(records[0].message_id(), id);
  EXPECT_EQ(records[0].attempt(), 3);
}

TEST_F(IngestTest, WhatsAppsSandboxServesEveryAccount) {
  PublishDirectory();
  const std::string sandbox(twilio::kWhatsAppSandbox);
  PutDirectory("sandbox", NumberRecord(kAccountB, sandbox).SerializeAsString());
  Ingest ingest(Brokers(), topic_, folder_, keys_);
  ASSERT_TRUE(Eventually([&] { return ingest.feed().Ready().ok(); }));
  const std::string sid = RandomMessage();
  const twilio::FormParams params = {{"MessageSid", sid},
                                     {"AccountSid", account_},
                                     {"From", std::string("whatsapp:") + kCustomer},
                                     {"To", "whatsapp:" + sandbox},
                                     {"Body", "Hello"}};
  const auto answer = ingest.Post(SignedPost(kMessageTarget, params, kTokenA));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(ReadAll<events::v1::InboundRecord>(kafka::kInboundTopic).size(), 1u);
}

TEST_F(IngestTest, UntilTheDirectoryIsCompleteItAnswers503) {
  PutDirectory("account", AccountRecord(keys_, account_, kTokenA).SerializeAsString());
  Ingest ingest(Brokers(), topic_, folder_, keys_);
  ASSERT_TRUE(Eventually([&] { return ingest.feed().KafkaReachable().ok(); }));
  const SignedWebhook webhook = SignedPost(kMessageTarget, Message("x", RandomMessage()), kTokenA);
  EXPECT_EQ(ingest.Post(webhook)->status, 503);
  EXPECT_FALSE(ingest.feed().Ready().ok());
  PutDirectory("complete", CompleteRecord().SerializeAsString());
  ASSERT_TRUE(Eventually([&] { return ingest.feed().Ready().ok(); }));
  EXPECT_EQ(ingest.Post(webhook)->status, 200);
}

TEST_F(IngestTest, FollowsTheDirectoryAndPassesByWhatItCannotRead) {
  PublishDirectory();
  PutDirectory("poison", "\xff\xff old: every reader that starts comes by it");
  Ingest ingest(Brokers(), topic_, folder_, keys_);
  ASSERT_TRUE(Eventually([&] { return ingest.feed().Ready().ok(); }));
  PutDirectory("poison", "\xff\xff not a record");
  const SignedWebhook old_token =
      SignedPost(kMessageTarget, Message("x", RandomMessage()), kTokenA);
  const SignedWebhook new_token =
      SignedPost(kMessageTarget, Message("x", RandomMessage()), kTokenB);
  EXPECT_EQ(ingest.Post(old_token)->status, 200);
  EXPECT_EQ(ingest.Post(new_token)->status, 403);
  PutDirectory("account", AccountRecord(keys_, account_, kTokenB, 2).SerializeAsString());
  EXPECT_TRUE(Eventually([&] { return ingest.Post(new_token)->status == 200; }));
  EXPECT_EQ(ingest.Post(old_token)->status, 403);
  // The unreadable record that came meanwhile is kept for people to look at.
  const auto reader = *kafka::LogReader::Create({.brokers = Brokers(),
                                                 .client_id = "ingest-test-reader",
                                                 .topic = topic_ + kafka::kDeadLetterSuffix});
  std::string value;
  EXPECT_TRUE(Eventually([&] {
    const auto records = reader->Poll(10, 100ms);
    if (records.ok() && !records->empty()) value = records->front().value;
    return !value.empty();
  }));
  EXPECT_EQ(value, "\xff\xff not a record");
}

TEST_F(IngestTest, WithKafkaAwayWebhooksGoToTheSpoolAndThenToKafka) {
  PublishDirectory();
  {
    Ingest before(Brokers(), topic_, folder_, keys_);
    ASSERT_TRUE(Eventually([&] { return before.feed().Ready().ok(); }));
  }
  const std::string first = RandomMessage();
  const std::string second = RandomMessage();
  {
    Ingest ingest(kAwayBrokers, topic_, folder_, keys_, /*acknowledge_within=*/200ms);
    // At once, out of the snapshot.
    EXPECT_TRUE(ingest.feed().Ready().ok()) << ingest.feed().Ready();
    EXPECT_EQ(
        ingest.Post(SignedPost(kMessageTarget, Message("x", RandomMessage()), kTokenB))->status,
        403);
    EXPECT_EQ(ingest.Post(SignedPost(kMessageTarget, Message("stop", first), kTokenA))->status,
              200);
    EXPECT_EQ(ingest.Post(SignedPost(kMessageTarget, Message("2", second), kTokenA))->status, 200);
    EXPECT_EQ(ingest.spool().records(), 3u);
    EXPECT_EQ(ingest.client().Get("/api/webhooks/health")->status, 200);
  }
  Ingest ingest(Brokers(), topic_, folder_, keys_);
  ASSERT_TRUE(Eventually([&] { return ingest.spool().records() == 0; }));
  EXPECT_EQ(ReadAll<events::v1::ConsentRecord>(kafka::kConsentTopic).size(), 1u);
  const auto records = ReadAll<events::v1::InboundRecord>(kafka::kInboundTopic);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].message().message_sid(), first);
  EXPECT_EQ(records[0].origin(), events::v1::ORIGIN_SPOOL);
  EXPECT_EQ(records[1].message().message_sid(), second);
}

TEST_F(IngestTest, WithoutKafkaAndSnapshotItIsNotReady) {
  Ingest ingest(kAwayBrokers, topic_, folder_, keys_, /*acknowledge_within=*/200ms);
  EXPECT_FALSE(ingest.feed().Ready().ok());
  EXPECT_EQ(ingest.Post(SignedPost(kMessageTarget, Message("x", RandomMessage()), kTokenA))->status,
            503);
}

}  // namespace
}  // namespace parley::ingest
