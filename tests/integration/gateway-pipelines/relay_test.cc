// The relay over real servers: what was written in transactions leaves in order, once it may, and
// never for good without having arrived.
#include "relay/relay.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "fixture.h"
#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/kafka/admin.h"
#include "libs/kafka/consumer.h"
#include "libs/kafka/log_reader.h"
#include "libs/postgres/array.h"
#include "parley/events/v1/directory.pb.h"
#include "relay/leader.h"
#include "store/directory.h"
#include "store/outbox.h"

namespace parley::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kNobody[] = "127.0.0.1:1";  // Nobody listens on port 1.

class RelayTest : public PipelineTest {
 protected:
  std::unique_ptr<relay::Relay> MakeRelay(kafka::Producer& producer) {
    relay::RelayOptions options;
    options.database = PoolOf("gateway_worker");
    options.batch_max = 50;  // Many batches.
    return std::make_unique<relay::Relay>(
        options, producer,
        [this](const std::string& channel, const std::string& message) {
          const std::lock_guard lock(mutex_);
          published_[channel].push_back(message);
        },
        SystemClock());
  }

  // A topic that nobody else reads or writes.
  std::string MakeTopic() {
    const std::string topic = "test-relay-" + NewId();
    EXPECT_TRUE(
        kafka::CreateTopics(KafkaBrokers(), {{.name = topic, .partitions = 3}}, seconds(30)).ok());
    return topic;
  }

  // Rows "<key>:<n>" for n in [from, to), for each key, in transactions of ten.
  void AddRows(const std::string& topic, int from, int to) {
    for (int n = from; n < to;) {
      const absl::Status status = Worker().Transact([&](pqxx::work& tx) -> absl::Status {
        store::Outbox outbox;
        for (int i = n; i < std::min(n + 10, to); ++i) {
          for (const std::string key : {"a", "b", "c", "d"}) {
            outbox.AddKafka({organization_id_, topic, key, key + ":" + std::to_string(i),
                             "test.Type", "trace-" + std::to_string(i)});
          }
        }
        outbox.Write(tx);
        return absl::OkStatus();
      });
      ASSERT_EQ(status, absl::OkStatus());
      n += 10;
    }
  }

  // Reads until every key has `count` different values. By key, each value where it came first.
  std::map<std::string, std::vector<int>> ReadAll(const std::string& topic, std::size_t count) {
    std::map<std::string, std::vector<int>> values;
    std::map<std::string, std::set<int>> seen;
    auto consumer = kafka::Consumer::Create(
        {.brokers = KafkaBrokers(), .group = "test-" + NewId(), .topics = {topic}});
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    const auto complete = [&] {
      return seen.size() == 4 && std::all_of(seen.begin(), seen.end(), [&](const auto& entry) {
               return entry.second.size() >= count;
             });
    };
    while (!complete() && std::chrono::steady_clock::now() < deadline) {
      const auto records = (*consumer)->Poll(1000, milliseconds(200));
      if (!records.ok()) continue;
      for (const kafka::Record& record : *records) {
        const int n = std::stoi(record.value.substr(2));
        if (seen[record.key].insert(n).second) values[record.key].push_back(n);
        EXPECT_EQ(record.Header("parley-type"), "test.Type");
        EXPECT_EQ(record.Header("traceparent"), "trace-" + std::to_string(n));
      }
    }
    return values;
  }

  static void ExpectInOrder(const std::map<std::string, std::vector<int>>& values, int count) {
    EXPECT_EQ(values.size(), 4u);
    for (const auto& [key, numbers] : values) {
      EXPECT_EQ(numbers.size(), static_cast<std::size_t>(count)) << key;
      EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end())) << key;
    }
  }

  template <class Condition>
  bool Eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return true;
  }

  std::vector<std::string> Published(const std::string& organization_id) {
    const std::lock_guard lock(mutex_);
    return published_[relay::kLivePrefix + organization_id];
  }

  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> published_;
};

TEST_F(RelayTest, PublishesEachKeyInOrderAndEmptiesTheOutbox) {
  const std::string topic = MakeTopic();
  AddRows(topic, 0, 100);
  const auto relay = MakeRelay(TestProducer());
  relay->Start();
  AddRows(topic, 100, 200);  // While it runs.
  ExpectInOrder(ReadAll(topic, 200), 200);
  EXPECT_TRUE(Eventually([&] { return Value("SELECT count(*) FROM outbox") == "0"; }));
}

TEST_F(RelayTest, AnotherReplicaResumesWhenTheLeaderDies) {
  const std::string topic = MakeTopic();
  const auto first = MakeRelay(TestProducer());
  const auto second = MakeRelay(TestProducer());
  first->Start();
  second->Start();
  auto admin = postgres::Connect({.url = DatabaseUrl()});
  ASSERT_TRUE(admin.ok());
  std::jthread killer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pqxx::nontransaction tx(**admin);
      tx.exec(
          "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' "
          "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())");
      tx.abort();
      std::this_thread::sleep_for(milliseconds(300));
    }
  });
  for (int i = 0; i < 10; ++i) AddRows(topic, i * 60, (i + 1) * 60);
  EXPECT_TRUE(Eventually([&] { return Value("SELECT count(*) FROM outbox") == "0"; }));
  killer.request_stop();
  killer.join();
  ExpectInOrder(ReadAll(topic, 600), 600);
}

TEST_F(RelayTest, NumbersAreGaplessWhateverTheOrderOfCommits) {
  const std::string first = organization_id_;
  MakeOrganization();
  const std::string second = organization_id_;
  const auto relay = MakeRelay(TestProducer());
  relay->Start();
  constexpr int kThreads = 6;
  constexpr int kRounds = 40;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < kRounds; ++round) {
        const absl::Status status = Worker().Transact([&](pqxx::work& tx) -> absl::Status {
          store::Outbox outbox;
          const std::string data = "{\"n\":" + std::to_string(thread * kRounds + round) + "}";
          outbox.AddLive(first, "message", data);
          if (round % 2 == 0) outbox.AddLive(second, "conversation", data);
          outbox.Write(tx);
          return round % 7 == 6 ? absl::CancelledError("rolled back") : absl::OkStatus();
        });
        EXPECT_TRUE(status.ok() || absl::IsCancelled(status));
      }
    });
  }
  threads.clear();
  for (const std::string& organization_id : {first, second}) {
    const std::string where = " WHERE organization_id = '" + organization_id + "'";
    EXPECT_TRUE(
        Eventually([&] { return Value("SELECT count(*) FROM live_outbox" + where) == "0"; }));
    EXPECT_EQ(Value("SELECT min(number - events) = 0 AND max(number) = sum(events) "
                    "AND count(DISTINCT number - events) = count(*) FROM live_events" +
                    where),
              "t");
    EXPECT_EQ(Value("SELECT last_number FROM live_counters" + where),
              Value("SELECT max(number) FROM live_events" + where));
    const std::size_t count =
        static_cast<std::size_t>(std::stoi(Value("SELECT sum(events) FROM live_events" + where)));
    EXPECT_TRUE(Eventually([&] { return Published(organization_id).size() == count; }));
    std::int64_t number = 0;
    for (const std::string& message : Published(organization_id)) {
      EXPECT_EQ(message.substr(0, message.find('\n')), std::to_string(++number));
    }
  }
}

TEST_F(RelayTest, NumberingDoesNotWaitForKafka) {
  const auto producer = *kafka::Producer::Create({.brokers = kNobody, .client_id = "away"});
  const auto relay = MakeRelay(*producer);
  relay->Start();
  AddRows("test-away", 0, 10);
  const absl::Status status = Worker().Transact([&](pqxx::work& tx) -> absl::Status {
    store::Outbox outbox;
    outbox.AddLive(organization_id_, "message", "{\"message\":{}}");
    outbox.Write(tx);
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(Eventually([&] { return Published(organization_id_).size() == 1; }));
  EXPECT_EQ(Value("SELECT count(*) FROM outbox"), "40");
}

TEST_F(RelayTest, LiveUpdatesDoNotWaitForASweep) {
  constexpr int kExpired = 50'000;
  Execute(
      "INSERT INTO live_events (organization_id, number, events, data, created_at) "
      "SELECT '" +
      organization_id_ + "', n, 1, 'message {}', now() - interval '30 hours' FROM " +
      "generate_series(1, " + std::to_string(kExpired) + ") n");
  Execute("INSERT INTO live_counters VALUES ('" + organization_id_ + "', " +
          std::to_string(kExpired) + ")");
  const auto add = [&] {
    return Worker().Transact([&](pqxx::work& tx) -> absl::Status {
      store::Outbox outbox;
      outbox.AddLive(organization_id_, "message", "{\"message\":{}}");
      outbox.Write(tx);
      return absl::OkStatus();
    });
  };
  const std::string expired = "SELECT count(*) FROM live_events WHERE" + Own() +
                              "AND created_at < now() - interval '1 day'";
  // What was expired when each of the two events was told, on the relay's own thread: the second
  // one comes to be when the first is told, so that the sweep's first piece is behind it.
  std::vector<int> left;
  relay::RelayOptions options;
  options.database = PoolOf("gateway_worker");
  std::atomic<bool> told{false};
  relay::Relay relay(
      options, TestProducer(),
      [&](const std::string& channel, const std::string&) {
        if (channel != relay::kLivePrefix + organization_id_) return;
        left.push_back(std::stoi(Value(expired)));
        if (left.size() == 1) {
          EXPECT_EQ(add(), absl::OkStatus());
        }
        told = left.size() == 2;
      },
      SystemClock());
  ASSERT_EQ(add(), absl::OkStatus());
  relay.Start();
  ASSERT_TRUE(Eventually([&] { return told.load(); }));
  EXPECT_TRUE(Eventually([&] { return Value(expired) == "0"; }));
  relay.Stop();
  EXPECT_EQ(left[0], kExpired);
  EXPECT_LT(left[1], kExpired) << "the sweep is under way";
  EXPECT_GT(left[1], 0);
}

TEST_F(RelayTest, WhatWaitedForAWeekIsSwept) {
  const std::string names[] = {"new", "old"};
  for (const std::string& name : names) {
    const std::string age = name == "old" ? "8 days" : "6 days";
    const std::string key = "('" + organization_id_ + "', '" + account_sid_ + "', '" + name + "', ";
    const std::string at = "now() - interval '" + age + "')";
    Execute("INSERT INTO early_statuses VALUES " + key + "'sent', 0, " + at);
    Execute("INSERT INTO early_recordings VALUES " + key + "'', 'https://a.example.com', '{}', " +
            at);
    Execute(
        "INSERT INTO message_attempts (organization_id, account_sid, message_sid, created_at) "
        "VALUES " +
        key + at);
  }
  Execute(
      "INSERT INTO message_attempts (organization_id, account_sid, message_sid, message_id, "
      "created_at) VALUES ('" +
      organization_id_ + "', '" + account_sid_ + "', 'known', gen_random_uuid(), " +
      "now() - interval '8 days')");
  const auto relay = MakeRelay(TestProducer());
  relay->Start();
  const auto left = [&](const std::string& column, const std::string& table) {
    return Value("SELECT string_agg(" + column + ", ',' ORDER BY " + column + ") FROM " + table +
                 " WHERE" + Own());
  };
  EXPECT_TRUE(Eventually([&] { return left("message_sid", "message_attempts") == "known,new"; }));
  EXPECT_EQ(left("message_sid", "early_statuses"), "new");
  EXPECT_EQ(left("call_sid", "early_recordings"), "new");
}

TEST_F(RelayTest, APausedLeaderLosesItsLock) {
  constexpr std::int64_t kLock = 4711;
  const postgres::PoolOptions database = PoolOf("gateway_worker");
  std::atomic<bool> first_leads{false}, second_leads{false};
  absl::Status first_status;
  const auto statement = [](pqxx::connection& connection) {
    try {
      pqxx::nontransaction(connection).exec("SELECT 1");
      return absl::OkStatus();
    } catch (...) {
      return postgres::CurrentExceptionToStatus();
    }
  };
  std::jthread first([&](const std::stop_token& stop) {
    relay::RunAsLeader(
        {.name = "first", .lock = kLock, .idle_max = milliseconds(300)}, database,
        [&](pqxx::connection& connection, const std::stop_token&) {
          if (first_leads.exchange(true)) return absl::OkStatus();
          // It does nothing on its connection, as while its process is stopped.
          EXPECT_TRUE(Eventually([&] { return second_leads.load(); }));
          return first_status = statement(connection);
        },
        stop);
  });
  ASSERT_TRUE(Eventually([&] { return first_leads.load(); }));
  std::jthread second([&](const std::stop_token& stop) {
    relay::RunAsLeader(
        {.name = "second", .lock = kLock, .retry_wait = milliseconds(10)}, database,
        [&](pqxx::connection&, const std::stop_token& until) {
          second_leads = true;
          SleepFor(until, seconds(60));
          return absl::OkStatus();
        },
        stop);
  });
  EXPECT_TRUE(Eventually([&] { return second_leads.load(); }));
  first.request_stop();
  first.join();
  EXPECT_TRUE(absl::IsUnavailable(first_status)) << first_status;
}

TEST_F(RelayTest, TheDirectoryIsPublishedAndEndsWithItsMarker) {
  MakeTopics();
  const store::DirectoryKeys keys{&MasterKeys(), &DirectoryKeys()};
  const auto put = [&] {
    return Worker().Transact([&](pqxx::work& tx) -> absl::Status {
      PARLEY_RETURN_IF_ERROR(store::PutAccount(tx, account_sid_, keys));
      return store::PutNumber(tx, account_sid_, number_);
    });
  };
  ASSERT_EQ(put(), absl::OkStatus());
  const std::int64_t version = std::stoll(Value(
      "SELECT version FROM directory_records WHERE record_id = 'account/" + account_sid_ + "'"));
  const auto relay = MakeRelay(TestProducer());
  relay->Start();

  std::map<std::string, events::v1::DirectoryRecord> known;
  bool complete = false;
  auto reader = *kafka::LogReader::Create(
      {.brokers = KafkaBrokers(), .client_id = "test", .topic = kafka::kDirectoryTopic});
  const auto read = [&] {
    const auto records = reader->Poll(1000, milliseconds(100));
    if (!records.ok()) return;
    for (const kafka::Record& record : *records) {
      events::v1::DirectoryRecord parsed;
      ASSERT_TRUE(parsed.ParseFromString(record.value));
      if (record.key == "complete") {
        EXPECT_TRUE(parsed.has_complete());
        complete = known.contains("account/" + account_sid_);
      }
      known[record.key] = parsed;
    }
  };
  EXPECT_TRUE(Eventually([&] {
    read();
    return complete;
  }));
  const events::v1::DirectoryRecord account = known["account/" + account_sid_];
  EXPECT_EQ(account.version(), version);
  EXPECT_THAT(account.account().organization_ids(), testing::ElementsAre(organization_id_));
  const auto token =
      DirectoryKeys().Open(account.account().sealed_auth_token(),
                           {.purpose = crypto::kTwilioToken, .subject = account_sid_});
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_TRUE(token->Reveal().starts_with("token-"));
  const std::string number_key = "number/" + account_sid_ + "/" + number_;
  EXPECT_EQ(known[number_key].number().channel_id(), channel_id_);

  // A change rises, and a removal is a value.
  Execute("DELETE FROM number_claims WHERE" + Own());
  Execute("DELETE FROM account_links WHERE" + Own());
  ASSERT_EQ(put(), absl::OkStatus());
  EXPECT_TRUE(Eventually([&] {
    read();
    return known[number_key].number().removed() &&
           known["account/" + account_sid_].account().removed();
  }));
  EXPECT_GT(known["account/" + account_sid_].version(), version);
  EXPECT_TRUE(Eventually([&] {
    return Value("SELECT count(*) FROM directory_records WHERE version > published_version") == "0";
  }));
}

}  // namespace
}  // namespace parley::gateway
