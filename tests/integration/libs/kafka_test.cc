// libs/kafka against a real broker (PARLEY_KAFKA_BROKERS).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <mutex>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/kafka/admin.h"
#include "libs/kafka/consumer.h"
#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"
#include "tests/integration/libs/environment.h"

namespace parley::kafka {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::string NewTopic(int partitions = 1, std::map<std::string, std::string> settings = {}) {
  std::string topic = "test-" + NewId();
  const absl::Status created = CreateTopics(
      Brokers(),
      {{topic, partitions, 1, std::move(settings)}, {topic + kDeadLetterSuffix, 1, 1, {}}}, 30s);
  EXPECT_TRUE(created.ok()) << created;
  return topic;
}

std::unique_ptr<Producer> NewProducer(const std::string& brokers = Brokers()) {
  return *Producer::Create({.brokers = brokers, .client_id = "test"});
}

std::unique_ptr<Consumer> NewConsumer(const std::string& topic, const std::string& group) {
  return *Consumer::Create({.brokers = Brokers(),
                            .group = group,
                            .client_id = "test",
                            .topics = {topic},
                            .session_timeout = 6s});
}

void Send(const std::string& topic, const std::vector<std::string>& values,
          const std::string& key = "key") {
  std::vector<OutRecord> records;
  for (const std::string& value : values) records.push_back({topic, key, value, {}});
  const absl::Status sent = NewProducer()->ProduceAndWait(records, 30s);
  ASSERT_TRUE(sent.ok()) << sent;
}

// Polls until `count` records are there.
template <class Source>
std::vector<Record> PollAll(Source& source, std::size_t count) {
  std::vector<Record> all;
  Eventually([&] {
    auto some = source.Poll(count - all.size(), 200ms);
    if (some.ok()) std::move(some->begin(), some->end(), std::back_inserter(all));
    return all.size() >= count;
  });
  return all;
}

std::vector<std::string> Values(const std::vector<Record>& records) {
  std::vector<std::string> values;
  for (const Record& record : records) values.push_back(record.value);
  return values;
}

std::vector<std::string> Numbers(int first, int last) {
  std::vector<std::string> numbers;
  for (int i = first; i <= last; ++i) numbers.push_back(std::to_string(i));
  return numbers;
}

TEST(Admin, CreatesTopicsOnceAndLeavesThemAlone) {
  const std::string topic = NewTopic(3);
  EXPECT_TRUE(CreateTopics(Brokers(), {{topic, 5, 1, {}}}, 30s).ok());
  EXPECT_TRUE(CreateTopics(Brokers(), ParleyTopics(12, 1), 30s).ok());
}

TEST(Admin, SaysWhatTheBrokerRefuses) {
  const absl::Status status =
      CreateTopics(Brokers(), {{"test-" + NewId(), 1, 1, {{"cleanup.policy", "sideways"}}}}, 30s);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(absl::IsUnavailable(CreateTopics(kAwayBrokers, {{"t", 1, 1, {}}}, 500ms)));
}

TEST(Producing, KeepsKeyValueHeadersAndOrder) {
  const std::string topic = NewTopic(4);
  const auto producer = NewProducer();
  std::vector<OutRecord> records;
  for (const std::string& value : Numbers(1, 200)) {
    records.push_back(
        {topic, "one key", value, {{kTypeHeader, "t"}, {"bytes", std::string("\0x", 2)}}});
  }
  ASSERT_TRUE(producer->ProduceAndWait(records, 30s).ok());
  const auto consumer = NewConsumer(topic, NewId());
  const std::vector<Record> read = PollAll(*consumer, 200);
  EXPECT_EQ(Values(read), Numbers(1, 200));
  ASSERT_FALSE(read.empty());
  EXPECT_EQ(read[0].key, "one key");
  EXPECT_EQ(read[0].topic, topic);
  EXPECT_EQ(read[0].Header(kTypeHeader), "t");
  EXPECT_EQ(read[0].Header("bytes"), std::string("\0x", 2));
  EXPECT_EQ(read[0].Header("none"), "");
  EXPECT_LT(SystemClock().Now() - read[0].time, 1min);
}

TEST(Producing, ACallersDeadlineIsItsOwn) {
  const auto producer = NewProducer(kAwayBrokers);
  const OutRecord record{"t", "k", "v", {}};
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(producer->ProduceAndWait({&record, 1}, 200ms)));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
  EXPECT_EQ(producer->InFlight(), 1) << "it may still arrive";
  EXPECT_TRUE(absl::IsDeadlineExceeded(producer->Flush(100ms)));
  EXPECT_TRUE(absl::IsUnavailable(producer->Ping(200ms)));
  EXPECT_TRUE(NewProducer()->Ping(10s).ok());
}

TEST(Producing, WhatIsInFlightAtTheEndIsReported) {
  std::mutex mutex;
  std::vector<absl::Status> reported;
  {
    const auto producer = NewProducer(kAwayBrokers);
    ASSERT_TRUE(producer
                    ->Produce({"t", "k", "v", {}},
                              [&](absl::Status status) {
                                const std::lock_guard lock(mutex);
                                reported.push_back(std::move(status));
                              })
                    .ok());
  }
  ASSERT_THAT(reported, SizeIs(1));
  EXPECT_TRUE(absl::IsUnavailable(reported[0])) << reported[0];
}

TEST(Producing, RefusesWhatDoesNotFit) {
  std::atomic<int> called{0};
  const auto count = [&](const absl::Status&) { ++called; };
  {
    const auto small =
        *Producer::Create({.brokers = kAwayBrokers, .client_id = "test", .queued_records_max = 3});
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(small->Produce({"t", "k", "v", {}}, count).ok());
    EXPECT_TRUE(absl::IsResourceExhausted(small->Produce({"t", "k", "v", {}}, count)));
    EXPECT_EQ(small->InFlight(), 3);
    const std::string large(2 << 20, 'x');
    EXPECT_TRUE(absl::IsInvalidArgument(NewProducer()->Produce({"t", "k", large, {}}, count)));
  }
  EXPECT_EQ(called, 3) << "one for each record that was taken, none for those refused";
}

TEST(Consuming, ContinuesAfterWhatWasStored) {
  const std::string topic = NewTopic();
  const std::string group = NewId();
  Send(topic, Numbers(1, 10));
  {
    const auto consumer = NewConsumer(topic, group);
    const std::vector<Record> read = PollAll(*consumer, 10);
    ASSERT_THAT(read, SizeIs(10));
    consumer->StoreOffsets({read.begin(), read.begin() + 4});
    EXPECT_TRUE(consumer->CommitNow().ok());
    consumer->StoreOffsets({read.begin() + 4, read.begin() + 6});
  }  // Closing commits.
  const auto consumer = NewConsumer(topic, group);
  EXPECT_EQ(Values(PollAll(*consumer, 4)), Numbers(7, 10));
  EXPECT_TRUE(consumer->CommitNow().ok()) << "nothing stored is no error";
}

TEST(Consuming, RewindsToTheFirstOfTheBatch) {
  const std::string topic = NewTopic(3);
  for (const char* key : {"a", "b", "c", "d"}) Send(topic, {"1", "2", "3"}, key);
  const auto consumer = NewConsumer(topic, NewId());
  const std::vector<Record> read = PollAll(*consumer, 12);
  ASSERT_THAT(read, SizeIs(12));
  ASSERT_TRUE(consumer->Rewind(read).ok());
  EXPECT_THAT(Values(PollAll(*consumer, 12)), testing::UnorderedElementsAreArray(Values(read)));
}

TEST(Consuming, KnowsWhatIsNotPolledYet) {
  const std::string topic = NewTopic();
  Send(topic, Numbers(1, 10));
  const auto consumer = NewConsumer(topic, NewId());
  EXPECT_EQ(consumer->Lag(), -1) << "no partitions yet";
  ASSERT_THAT(PollAll(*consumer, 4), SizeIs(4));
  EXPECT_EQ(consumer->Lag(), 6);
  ASSERT_THAT(PollAll(*consumer, 6), SizeIs(6));
  EXPECT_EQ(consumer->Lag(), 0);
}

TEST(Consuming, NoticesThatPartitionsMoved) {
  const std::string topic = NewTopic(2);
  const std::string group = NewId();
  for (const char* key : {"a", "b", "c", "d", "e", "f"}) Send(topic, {key}, key);
  const auto first = NewConsumer(topic, group);
  EXPECT_EQ(first->Generation(), 0);
  const std::vector<Record> read = PollAll(*first, 6);
  ASSERT_THAT(read, SizeIs(6));
  const std::int64_t before = first->Generation();
  EXPECT_GT(before, 0);

  // Nothing was stored, so what the second member gets comes again; and the first may not
  // store what it lost.
  const auto second = NewConsumer(topic, group);
  std::vector<Record> again;
  ASSERT_TRUE(Eventually([&] {
    auto of_first = first->Poll(10, 50ms);
    auto of_second = second->Poll(10, 50ms);
    if (of_first.ok()) std::move(of_first->begin(), of_first->end(), std::back_inserter(again));
    if (of_second.ok()) std::move(of_second->begin(), of_second->end(), std::back_inserter(again));
    return again.size() >= 6;
  }));
  EXPECT_GT(first->Generation(), before);
  EXPECT_THAT(Values(again), IsSupersetOf(Values(read)));
  first->StoreOffsets(read);
  EXPECT_TRUE(first->CommitNow().ok());
}

// Runs RunConsumer on a thread of its own until it has handled `count` records.
class Loop {
 public:
  explicit Loop(const std::string& topic, const std::string& group)
      : topic_(topic), group_(group) {}

  void RunUntil(const std::function<bool()>& finished, const BatchHandler& handle) {
    const auto consumer = NewConsumer(topic_, group_);
    const auto producer = NewProducer();
    std::jthread thread([&](const std::stop_token& stop) {
      RunConsumer(*consumer, *producer, {.retry_min = 1ms, .retry_max = 5ms}, handle, stop);
    });
    EXPECT_TRUE(Eventually(finished));
    thread.request_stop();
    thread.join();
  }

 private:
  const std::string topic_;
  const std::string group_;
};

TEST(RunConsumer, IsolatesPoisonByHalving) {
  const std::string topic = NewTopic();
  const std::string group = NewId();
  std::vector<std::string> values = Numbers(1, 20);
  values[6] = "bad";
  values[19] = "bad too";
  Send(topic, values);
  std::mutex mutex;
  std::vector<std::string> handled;
  Loop(topic, group)
      .RunUntil(
          [&] {
            const std::lock_guard lock(mutex);
            return handled.size() >= 18;
          },
          [&](const std::vector<Record>& batch) -> absl::Status {
            for (const Record& record : batch) {
              if (record.value.starts_with("bad")) return InvalidArgument("BAD", "It is bad.");
            }
            const std::lock_guard lock(mutex);
            for (const Record& record : batch) handled.push_back(record.value);
            return absl::OkStatus();
          });
  values.erase(values.begin() + 19);
  values.erase(values.begin() + 6);
  EXPECT_EQ(handled, values) << "each once and in order";

  const auto dead = *LogReader::Create(
      {.brokers = Brokers(), .client_id = "test", .topic = topic + kDeadLetterSuffix});
  const std::vector<Record> buried = PollAll(*dead, 2);
  EXPECT_THAT(Values(buried), ElementsAre("bad", "bad too"));
  ASSERT_THAT(buried, SizeIs(2));
  EXPECT_EQ(buried[0].key, "key");
  EXPECT_EQ(buried[0].Header("parley-reason"), "BAD");
  EXPECT_EQ(buried[0].Header("parley-message"), "It is bad.");
  EXPECT_EQ(buried[0].Header("parley-origin"), topic + "/0/6");

  Send(topic, {"next"});
  const auto after = NewConsumer(topic, group);
  EXPECT_THAT(Values(PollAll(*after, 1)), ElementsAre("next")) << "all before was committed";
}

TEST(RunConsumer, TriesAgainWhatInfrastructureRefused) {
  const std::string topic = NewTopic();
  Send(topic, Numbers(1, 5));
  std::atomic<int> calls{0};
  std::atomic<bool> done{false};
  std::vector<std::string> handled;
  Loop(topic, NewId())
      .RunUntil([&] { return done.load(); },
                [&](const std::vector<Record>& batch) -> absl::Status {
                  if (++calls < 4) return Unavailable("DATABASE_UNAVAILABLE", "away");
                  for (const Record& record : batch) handled.push_back(record.value);
                  done = handled.size() >= 5;
                  return absl::OkStatus();
                });
  EXPECT_EQ(handled, Numbers(1, 5));
  const auto dead = *LogReader::Create(
      {.brokers = Brokers(), .client_id = "test", .topic = topic + kDeadLetterSuffix});
  ASSERT_TRUE(Eventually([&] { return dead->Poll(1, 10ms).ok() && dead->ReachedStartEnd(); }));
  EXPECT_THAT(PollAll(*dead, 0), IsEmpty());
  EXPECT_TRUE(dead->AtEnd(5s));
}

TEST(RunConsumer, HalvesWhatTheDatabaseHasNoTimeForAndBuriesNothing) {
  const std::string topic = NewTopic();
  Send(topic, Numbers(1, 20));
  std::mutex mutex;
  std::vector<std::string> handled;
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return handled.size();
  };
  int single = 0;
  Loop(topic, NewId())
      .RunUntil([&] { return count() >= 20; },
                [&](const std::vector<Record>& batch) -> absl::Status {
                  // More than two at once are too many, and one alone is slow at times.
                  if (batch.size() > 2 || (batch.size() == 1 && single++ < 5)) {
                    return Unavailable("DATABASE_TIMEOUT", "It took too long.");
                  }
                  const std::lock_guard lock(mutex);
                  for (const Record& record : batch) handled.push_back(record.value);
                  return absl::OkStatus();
                });
  EXPECT_EQ(handled, Numbers(1, 20)) << "each once and in order";
  const auto dead = *LogReader::Create(
      {.brokers = Brokers(), .client_id = "test", .topic = topic + kDeadLetterSuffix});
  ASSERT_TRUE(Eventually([&] { return dead->Poll(1, 10ms).ok() && dead->ReachedStartEnd(); }));
  EXPECT_THAT(PollAll(*dead, 0), IsEmpty());
}

TEST(RunConsumer, StoppedWhileItTriesItCommitsNothing) {
  const std::string topic = NewTopic();
  const std::string group = NewId();
  Send(topic, Numbers(1, 5));
  std::atomic<int> calls{0};
  Loop(topic, group)
      .RunUntil([&] { return calls > 2; },
                [&](const std::vector<Record>&) -> absl::Status {
                  ++calls;
                  return Unavailable("DATABASE_UNAVAILABLE", "away");
                });
  const auto after = NewConsumer(topic, group);
  EXPECT_EQ(Values(PollAll(*after, 5)), Numbers(1, 5));
}

TEST(Bury, LeavesOutAValueThatDoesNotFit) {
  const std::string topic = NewTopic();
  Record record;
  record.topic = topic;
  record.offset = 7;
  record.key = "k";
  record.value = std::string(1'100'000, 'x');  // More than a producer takes.
  const auto producer = NewProducer();
  const absl::Status buried = Bury(*producer, record, InvalidArgument("BAD", "It is bad."));
  ASSERT_TRUE(buried.ok()) << buried;
  const auto dead = *LogReader::Create(
      {.brokers = Brokers(), .client_id = "test", .topic = topic + kDeadLetterSuffix});
  const std::vector<Record> read = PollAll(*dead, 1);
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(read[0].value, "");
  EXPECT_EQ(read[0].Header("parley-value-left-out"), "1100000");
  EXPECT_EQ(read[0].Header("parley-origin"), topic + "/0/7");
}

class LogReaderTest : public testing::Test {
 protected:
  static std::unique_ptr<LogReader> Read(const std::string& topic,
                                         const std::string& brokers = Brokers()) {
    return *LogReader::Create({.brokers = brokers, .client_id = "test", .topic = topic});
  }

  static bool PollsUntil(LogReader& reader, const std::function<bool()>& condition) {
    return Eventually([&] { return reader.Poll(100, 20ms).ok() && condition(); });
  }
};

TEST_F(LogReaderTest, AnEmptyTopicIsAtItsEnd) {
  const auto reader = Read(NewTopic(3));
  EXPECT_FALSE(reader->ReachedStartEnd()) << "it has not asked yet";
  EXPECT_FALSE(reader->AtEnd(1s));
  EXPECT_TRUE(PollsUntil(*reader, [&] { return reader->ReachedStartEnd(); }));
  EXPECT_TRUE(reader->AtEnd(5s));
}

TEST_F(LogReaderTest, ReadsEveryPartitionFromItsBeginning) {
  const std::string topic = NewTopic(4);
  const auto producer = NewProducer();
  std::vector<OutRecord> records;
  for (const std::string& number : Numbers(1, 40)) records.push_back({topic, number, number, {}});
  ASSERT_TRUE(producer->ProduceAndWait(records, 30s).ok());
  const auto reader = Read(topic);
  std::vector<Record> read = PollAll(*reader, 39);
  ASSERT_THAT(read, SizeIs(39));
  EXPECT_FALSE(reader->ReachedStartEnd()) << "one is left";
  EXPECT_FALSE(reader->AtEnd(5s));
  ASSERT_THAT(PollAll(*reader, 1), SizeIs(1));
  EXPECT_TRUE(reader->ReachedStartEnd());
  EXPECT_TRUE(reader->AtEnd(5s));

  // The senders ask several times a second, while a fetch waits for records at the broker.
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(reader->AtEnd(5s));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);

  Send(topic, {"new"});
  EXPECT_TRUE(reader->ReachedStartEnd()) << "the start's end stays reached";
  EXPECT_FALSE(reader->AtEnd(5s));
  EXPECT_THAT(Values(PollAll(*reader, 1)), ElementsAre("new"));
  EXPECT_TRUE(reader->AtEnd(5s));
}

TEST_F(LogReaderTest, WaitsForATopicThatIsMissing) {
  const std::string topic = "test-" + NewId();
  const auto reader = Read(topic);
  EXPECT_EQ(ErrorReason(reader->Poll(1, 10ms).status()), "TOPIC_MISSING");
  EXPECT_FALSE(reader->ReachedStartEnd());
  ASSERT_TRUE(CreateTopics(Brokers(), {{topic, 1, 1, {}}}, 30s).ok());
  Send(topic, {"first"});
  EXPECT_THAT(Values(PollAll(*reader, 1)), ElementsAre("first"));
  EXPECT_TRUE(reader->AtEnd(5s));
}

TEST_F(LogReaderTest, IsNeverAtTheEndWithoutABroker) {
  const auto reader = Read("t", kAwayBrokers);
  EXPECT_TRUE(absl::IsUnavailable(reader->Poll(1, 10ms).status()));
  EXPECT_FALSE(reader->ReachedStartEnd());
  EXPECT_FALSE(reader->AtEnd(100ms));
}

// librdkafka without our wrappers, for what services never do.
rd_kafka_t* RawProducer(const std::string& transactional_id) {
  char error[256];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", Brokers().c_str(), error, sizeof error);
  if (!transactional_id.empty()) {
    rd_kafka_conf_set(conf, "transactional.id", transactional_id.c_str(), error, sizeof error);
  }
  return rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
}

TEST_F(LogReaderTest, ComesToAnEndWhileTheLogIsWrittenSteadily) {
  const std::string topic = NewTopic();
  const auto reader = Read(topic);
  ASSERT_TRUE(PollsUntil(*reader, [&] { return reader->ReachedStartEnd(); }));
  Send(topic, {"1"});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(reader->AtEnd(5s));
  const auto after = std::chrono::steady_clock::now();
  ASSERT_THAT(PollAll(*reader, 1), SizeIs(1));
  Send(topic, {"2"});  // Whenever it is asked there is one more.
  const auto known = reader->AtEnd(5s);
  ASSERT_TRUE(known.has_value());
  EXPECT_GE(*known, before);
  EXPECT_LE(*known, after) << "all that was there when it was asked, not what came since";
  ASSERT_THAT(PollAll(*reader, 1), SizeIs(1));
  Send(topic, {"3"});
  EXPECT_TRUE(reader->AtEnd(5s).has_value());
}

TEST_F(LogReaderTest, BeginsWhereItIsToldIfThatExists) {
  const std::string topic = NewTopic();
  Send(topic, Numbers(1, 6));
  const struct {
    std::int64_t start;
    std::vector<std::string> want;
  } cases[] = {{4, Numbers(5, 6)}, {6, {}}, {7, Numbers(1, 6)}, {-3, Numbers(1, 6)}};
  for (const auto& c : cases) {
    const auto reader = *LogReader::Create(
        {.brokers = Brokers(), .client_id = "test", .topic = topic, .start = {{0, c.start}}});
    std::vector<std::string> read;
    EXPECT_TRUE(Eventually([&] {
      const auto records = reader->Poll(100, 20ms);
      if (records.ok()) {
        for (const std::string& value : Values(*records)) read.push_back(value);
      }
      return reader->ReachedStartEnd();
    })) << c.start;
    EXPECT_EQ(read, c.want) << c.start;
    EXPECT_TRUE(PollsUntil(*reader, [&] { return reader->AtEnd(5s).has_value(); })) << c.start;
  }
}

void AddPartitions(const std::string& topic, int count) {
  rd_kafka_t* raw = RawProducer("");
  char error[256];
  rd_kafka_NewPartitions_t* more =
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<size_t>(count), error, sizeof error);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(raw);
  rd_kafka_CreatePartitions(raw, &more, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30'000);
  ASSERT_NE(event, nullptr);
  ASSERT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewPartitions_destroy(more);
  rd_kafka_destroy(raw);
}

TEST_F(LogReaderTest, TakesInPartitionsThatAreAddedLater) {
  const std::string topic = NewTopic();
  Send(topic, {"1", "2"});
  const auto reader = *LogReader::Create(
      {.brokers = Brokers(), .client_id = "test", .topic = topic, .partitions_interval = 0ms});
  EXPECT_EQ(Values(PollAll(*reader, 2)), Numbers(1, 2));
  AddPartitions(topic, 3);
  rd_kafka_t* raw = RawProducer("");
  char value[] = "3";
  ASSERT_EQ(rd_kafka_producev(raw, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(2),
                              RD_KAFKA_V_VALUE(value, 1), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_END),
            RD_KAFKA_RESP_ERR_NO_ERROR);
  ASSERT_EQ(rd_kafka_flush(raw, 30'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_destroy(raw);
  EXPECT_EQ(Values(PollAll(*reader, 1)), Numbers(3, 3));
  EXPECT_TRUE(PollsUntil(*reader, [&] { return reader->AtEnd(5s).has_value(); }));
}

TEST_F(LogReaderTest, ReachesAnEndThatIsNoRecord) {
  // A transaction's marker takes an offset after the last record.
  const std::string topic = NewTopic();
  rd_kafka_t* raw = RawProducer(NewId());
  ASSERT_EQ(rd_kafka_init_transactions(raw, 30'000), nullptr);
  ASSERT_EQ(rd_kafka_begin_transaction(raw), nullptr);
  char value[] = "v";
  ASSERT_EQ(rd_kafka_producev(raw, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_VALUE(value, 1),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
            RD_KAFKA_RESP_ERR_NO_ERROR);
  ASSERT_EQ(rd_kafka_commit_transaction(raw, 30'000), nullptr);
  rd_kafka_destroy(raw);

  const auto reader = Read(topic);
  // The marker is written a little after the transaction was committed.
  EXPECT_TRUE(PollsUntil(*reader, [&] { return reader->ReachedStartEnd() && reader->AtEnd(5s); }));
}

TEST_F(LogReaderTest, ReachesTheEndOfATopicThatWasEmptied) {
  const std::string topic = NewTopic(2);
  Send(topic, Numbers(1, 5));
  // As retention does: the records go, the offsets stay.
  rd_kafka_t* raw = RawProducer("");
  rd_kafka_topic_partition_list_t* upto = rd_kafka_topic_partition_list_new(2);
  for (const std::int32_t partition : {0, 1}) {
    rd_kafka_topic_partition_list_add(upto, topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_END;
  }
  rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(upto);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(raw);
  rd_kafka_DeleteRecords(raw, &request, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30'000);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_event_destroy(event);
  rd_kafka_DeleteRecords_destroy(request);
  rd_kafka_topic_partition_list_destroy(upto);
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy(raw);

  const auto reader = Read(topic);
  EXPECT_TRUE(PollsUntil(*reader, [&] { return reader->ReachedStartEnd() && reader->AtEnd(5s); }));
  Send(topic, {"new"});
  EXPECT_FALSE(reader->AtEnd(5s));
  EXPECT_THAT(Values(PollAll(*reader, 1)), ElementsAre("new"));
}

TEST_F(LogReaderTest, ReachesTheEndOfACompactedTopic) {
  const std::string topic = NewTopic(1, {{"cleanup.policy", "compact"},
                                         {"segment.ms", "100"},
                                         {"min.cleanable.dirty.ratio", "0.001"},
                                         {"max.compaction.lag.ms", "100"}});
  Send(topic, Numbers(1, 50), "same key");
  // Each new segment lets the cleaner at the ones before it; it comes every 15 s.
  int written = 50;
  std::size_t left = 50;
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (left >= 50 && std::chrono::steady_clock::now() < deadline) {
    Send(topic, {std::to_string(++written)}, "same key");
    const auto probe = Read(topic);
    std::vector<Record> read;
    ASSERT_TRUE(Eventually([&] {
      auto some = probe->Poll(1000, 100ms);
      if (some.ok()) std::move(some->begin(), some->end(), std::back_inserter(read));
      return probe->ReachedStartEnd();
    }));
    EXPECT_EQ(read.back().value, std::to_string(written));
    EXPECT_TRUE(probe->AtEnd(5s));
    left = read.size();
  }
  EXPECT_LT(left, 50U) << "the broker never compacted it";
}

}  // namespace
}  // namespace parley::kafka
