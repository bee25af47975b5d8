// The publisher, the spool and its replay together, on a disk and a Kafka that fail when told to.
#include "adapters/durable_publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <thread>

#include "fakes/fake_files.h"
#include "fakes/fake_kafka.h"
#include "parley/events/v1/inbound.pb.h"
#include "spool/replay.h"

namespace parley::ingest {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Mode = FakeKafka::Mode;

constexpr auto kPatience = 30s;

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

webhooks::OutgoingRecord Record(const std::string& key, const std::string& name) {
  events::v1::InboundRecord inbound;
  inbound.set_customer_number(key);
  return {.topic = webhooks::Topic::kInbound,
          .key = key,
          .value = inbound.SerializeAsString(),
          .type = name,
          .traceparent = ""};
}

events::v1::Origin OriginOf(const webhooks::OutgoingRecord& record) {
  events::v1::InboundRecord inbound;
  EXPECT_TRUE(inbound.ParseFromString(record.value));
  EXPECT_EQ(inbound.customer_number(), record.key);
  return inbound.origin();
}

class DurablePublisherTest : public testing::Test {
 protected:
  // Everything as one process has it; the disk and Kafka stay when it goes.
  struct Process {
    Process(FakeFiles& files, FakeKafka& kafka, const Clock& clock, bool replays = true) {
      auto opened = Spool::Open({.folder = "/data/spool", .segment_bytes = 300}, files, clock);
      if (!opened.ok()) return;
      spool = *std::move(opened);
      publisher.emplace(kafka, *spool, circuit);
      if (replays)
        replay.emplace(ReplayOptions{.records_max = 4, .retry = 1ms}, *spool, kafka, circuit,
                       clock);
    }
    // Kafka does not acknowledge in time, if it has not acknowledged at once.
    absl::Status Publish(const webhooks::OutgoingRecord& record) {
      return publisher->Publish(record, std::chrono::steady_clock::now());
    }
    Circuit circuit;
    std::unique_ptr<Spool> spool;
    std::optional<DurablePublisher> publisher;
    std::optional<Replay> replay;
  };

  FakeFiles files_;
  FakeKafka kafka_;
  SimulatedClock clock_{FromMicros(1'700'000'000'000'000)};
  std::optional<Process> process_;

  void Start(bool replays = true) { process_.emplace(files_, kafka_, clock_, replays); }
  absl::Status Publish(const std::string& key, const std::string& name) {
    return process_->Publish(Record(key, name));
  }
  bool Drained() {
    return Eventually([&] { return process_->spool->records() == 0; });
  }
};

TEST_F(DurablePublisherTest, AHealthyKafkaNeedsNoDisk) {
  Start();
  const auto before = files_.Contents();
  ASSERT_TRUE(Publish("a", "1").ok());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("1"));
  EXPECT_EQ(OriginOf(kafka_.log()[0]), events::v1::ORIGIN_WEBHOOK);
  EXPECT_EQ(files_.Contents(), before);
}

TEST_F(DurablePublisherTest, WhatKafkaDoesNotAcknowledgeInTimeIsSpooledAndReplayed) {
  Start();
  kafka_.Set(Mode::kAway);
  ASSERT_TRUE(Publish("a", "1").ok());
  EXPECT_TRUE(process_->circuit.IsOpen());
  EXPECT_TRUE(process_->publisher->Health().ok());
  ASSERT_TRUE(Publish("a", "2").ok());
  ASSERT_TRUE(Publish("b", "1").ok());
  EXPECT_EQ(process_->spool->records(), 3u);
  EXPECT_THAT(kafka_.log(), IsEmpty());
  kafka_.ComeBack();
  ASSERT_TRUE(Drained());
  EXPECT_FALSE(process_->circuit.IsOpen());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("1", "2"));
  EXPECT_THAT(kafka_.Of("b"), ElementsAre("1"));
  // The first came twice: late by itself, as the webhook that it was, and out of the spool.
  const std::vector<webhooks::OutgoingRecord> log = kafka_.log();
  ASSERT_EQ(log.size(), 4u);
  EXPECT_EQ(OriginOf(log[0]), events::v1::ORIGIN_WEBHOOK);
  for (std::size_t i = 1; i < log.size(); ++i) {
    EXPECT_EQ(OriginOf(log[i]), events::v1::ORIGIN_SPOOL) << i;
  }
  // Then directly again.
  ASSERT_TRUE(Publish("a", "3").ok());
  EXPECT_EQ(process_->spool->records(), 0u);
  EXPECT_EQ(OriginOf(kafka_.log().back()), events::v1::ORIGIN_WEBHOOK);
}

TEST_F(DurablePublisherTest, WhileTheCircuitIsOpenNoWebhookWaitsForKafka) {
  Start(/*replays=*/false);
  kafka_.Set(Mode::kAway);
  ASSERT_TRUE(Publish("a", "1").ok());
  EXPECT_EQ(kafka_.waiting(), 1u);
  // With all the time in the world.
  ASSERT_TRUE(
      process_->publisher->Publish(Record("b", "1"), std::chrono::steady_clock::now() + 1h).ok());
  EXPECT_EQ(kafka_.waiting(), 1u);
}

TEST_F(DurablePublisherTest, LaterRecordsOfASpooledKeyFollowThroughTheSpool) {
  Start(/*replays=*/false);
  kafka_.Set(Mode::kFailing);
  ASSERT_TRUE(Publish("a", "1").ok());
  kafka_.Set(Mode::kUp);
  process_->circuit.Acknowledged();
  // Kafka is back, but "1" is not there yet: "2" must not pass it. Another key may.
  ASSERT_TRUE(Publish("a", "2").ok());
  ASSERT_TRUE(Publish("b", "1").ok());
  EXPECT_THAT(kafka_.Of("a"), IsEmpty());
  EXPECT_THAT(kafka_.Of("b"), ElementsAre("1"));
  EXPECT_EQ(process_->spool->records(), 2u);
  Replay replay({}, *process_->spool, kafka_, process_->circuit, clock_);
  ASSERT_TRUE(Drained());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("1", "2"));
}

TEST_F(DurablePublisherTest, WhatTheProducerGivesUpIsReplayedFromTheFirstOne) {
  Start();
  kafka_.Set(Mode::kAway);
  for (const char* name : {"1", "2", "3", "4", "5", "6"}) ASSERT_TRUE(Publish("a", name).ok());
  ASSERT_TRUE(Eventually([&] { return kafka_.waiting() > 2; }));
  kafka_.GiveUp();
  ASSERT_TRUE(Eventually([&] { return kafka_.waiting() > 2; }));
  EXPECT_THAT(kafka_.log(), IsEmpty());
  kafka_.ComeBack();
  ASSERT_TRUE(Drained());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("1", "2", "3", "4", "5", "6"));
}

TEST_F(DurablePublisherTest, AProducerWithoutRoomIsAskedAgain) {
  Start();
  kafka_.Set(Mode::kFull);
  ASSERT_TRUE(Publish("a", "1").ok());
  ASSERT_TRUE(Publish("a", "2").ok());
  EXPECT_EQ(process_->spool->records(), 2u);
  kafka_.Set(Mode::kUp);
  ASSERT_TRUE(Drained());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("1", "2"));
}

TEST_F(DurablePublisherTest, WithAFullDiskKafkaStillAcknowledges) {
  Start();
  kafka_.Set(Mode::kFailing);
  files_.SetRoom(0);
  EXPECT_FALSE(Publish("a", "1").ok());
  EXPECT_TRUE(process_->circuit.IsOpen());
  EXPECT_FALSE(process_->publisher->Health().ok());
  kafka_.Set(Mode::kUp);
  ASSERT_TRUE(Publish("a", "2").ok());
  EXPECT_FALSE(process_->circuit.IsOpen());
  EXPECT_TRUE(process_->publisher->Health().ok());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("2"));
  EXPECT_EQ(OriginOf(kafka_.log().back()), events::v1::ORIGIN_WEBHOOK);
}

TEST_F(DurablePublisherTest, WithAFullDiskASpooledKeyWaitsForItsTurn) {
  Start(/*replays=*/false);
  kafka_.Set(Mode::kFailing);
  ASSERT_TRUE(Publish("a", "1").ok());
  files_.SetRoom(0);
  kafka_.Set(Mode::kUp);
  // Nobody replays: its turn does not come by the deadline.
  EXPECT_FALSE(Publish("a", "2").ok());
  EXPECT_THAT(kafka_.log(), IsEmpty());
  Replay replay({}, *process_->spool, kafka_, process_->circuit, clock_);
  ASSERT_TRUE(
      process_->publisher->Publish(Record("a", "3"), std::chrono::steady_clock::now() + kPatience)
          .ok());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("1", "3"));
}

TEST_F(DurablePublisherTest, WhatKafkaTookWhileTheDiskFailedIsAcknowledged) {
  Start(/*replays=*/false);
  kafka_.Set(Mode::kAway);
  files_.OnFull([this] { kafka_.ComeBack(); });
  files_.SetRoom(0);
  ASSERT_TRUE(Publish("a", "1").ok());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("1"));
}

TEST_F(DurablePublisherTest, WhatKafkaRefusesForGoodBlocksNothing) {
  Start(/*replays=*/false);
  kafka_.Set(Mode::kFailing);
  ASSERT_TRUE(Publish("a", "1").ok());
  kafka_.Set(Mode::kRefusing);
  {
    Replay replay({.retry = 1ms}, *process_->spool, kafka_, process_->circuit, clock_);
    ASSERT_TRUE(Drained());
  }
  kafka_.Set(Mode::kUp);
  process_->circuit.Acknowledged();
  ASSERT_TRUE(Publish("a", "2").ok());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("2"));
  int refused = 0;
  for (const auto& [path, content] : files_.Contents()) refused += path.ends_with(".refused");
  EXPECT_EQ(refused, 1);
}

TEST_F(DurablePublisherTest, ARestartResumes) {
  Start();
  kafka_.Set(Mode::kAway);
  for (const char* name : {"1", "2", "3"}) ASSERT_TRUE(Publish("a", name).ok());
  process_.reset();
  kafka_.GiveUp();
  kafka_.Set(Mode::kUp);
  Start();
  ASSERT_TRUE(Drained());
  EXPECT_THAT(kafka_.Of("a"), ElementsAre("1", "2", "3"));
}

// Stops the machine at every single step of a life with outages, starts it again, and compares.
TEST_F(DurablePublisherTest, ACrashAtAnyStepLosesNothingThatWasAcknowledged) {
  const std::vector<std::string> keys = {"a", "b", "c"};
  bool finished = false;
  int step = 0;
  for (; !finished; ++step) {
    ASSERT_LT(step, 2'000);
    FakeFiles files;
    FakeKafka kafka;
    std::map<std::string, std::vector<std::string>> acknowledged;
    files.StopAfter(step);
    {
      Process process(files, kafka, clock_);
      int name = 0;
      const auto publish = [&](int count) {
        for (int i = 0; i < count && process.spool != nullptr; ++i) {
          const std::string& key = keys[static_cast<std::size_t>(name) % keys.size()];
          const std::string type = std::to_string(name++);
          if (process.Publish(Record(key, type)).ok()) acknowledged[key].push_back(type);
        }
      };
      kafka.Set(Mode::kFailing);
      publish(7);
      kafka.Set(Mode::kUp);
      publish(3);
      kafka.Set(Mode::kAway);
      publish(5);
      finished = !files.Stopped();
    }
    kafka.GiveUp();
    kafka.Set(Mode::kUp);
    files.Crash(/*torn_bytes=*/static_cast<std::size_t>(step) % 40);
    Process process(files, kafka, clock_);
    ASSERT_NE(process.spool, nullptr) << step;
    ASSERT_TRUE(Eventually([&] { return process.spool->records() == 0; })) << step;
    for (const std::string& key : keys) {
      // What was not acknowledged may be there, too.
      std::vector<std::string> found = kafka.Of(key);
      std::erase_if(found, [&](const std::string& type) {
        const auto& known = acknowledged[key];
        return std::find(known.begin(), known.end(), type) == known.end();
      });
      EXPECT_EQ(found, acknowledged[key]) << "step " << step << ", key " << key;
    }
  }
  EXPECT_GT(step, 20);
}

}  // namespace
}  // namespace parley::ingest
