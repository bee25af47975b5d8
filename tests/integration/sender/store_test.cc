// The sender's statements against a real PostgreSQL: what they read, and what a crash leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "adapters/postgres_store.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/crypto/digest.h"
#include "pipeline/evidence_search.h"
#include "tests/integration/sender/fixture.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;

constexpr int kQueued = 20'000;

class DeafSink final : public ResultSink {
 public:
  absl::Status Publish(const Change&, std::function<void(absl::Status)>) override {
    return absl::OkStatus();
  }
  void PublishAccepted(std::span<const DeliveryKey>) override {}
};

// What a list that nobody asks answers.
class UnreadList final : public MessageList {
 public:
  absl::StatusOr<twilio::MessagePage> Newest(const twilio::Account&, const Lane&,
                                             const std::string&, Time) override {
    return absl::InternalError("unread");
  }
  absl::StatusOr<twilio::MessagePage> Next(const twilio::Account&, const std::string&) override {
    return absl::InternalError("unread");
  }
};

class StoreTest : public SenderTest {
 protected:
  StoreTest()
      : pool_({.url = WithPlannerSettings(DatabaseUrl()),
               .application_name = "store-test",
               .role = "sender_worker",
               .schema = "sender",
               .connections_max = 1}),
        store_(pool_) {}

  std::int64_t Number(const std::string& sql) {
    const auto number =
        pool_.Read<std::int64_t>([&](pqxx::work& tx) -> absl::StatusOr<std::int64_t> {
          return tx.exec1(sql)[0].as<std::int64_t>();
        });
    EXPECT_TRUE(number.ok()) << number.status();
    return number.value_or(0);
  }
  void Do(const std::string& sql) {
    const absl::Status done = pool_.Transact([&](pqxx::work& tx) {
      tx.exec(sql);
      return absl::OkStatus();
    });
    ASSERT_TRUE(done.ok()) << done;
  }

  // Rows of `deliveries` that this connection has read through indexes so far.
  std::int64_t RowsRead() {
    Number("SELECT 0 FROM pg_stat_force_next_flush()");
    return Number(
        "SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'deliveries' "
        "AND schemaname = 'sender'");
  }

  // A lane with many rows that wait and are due.
  std::int64_t FillLane(int rows) {
    const std::int64_t lane =
        Number("INSERT INTO lanes (shard, account_sid, medium, sender_number) VALUES (1, '" +
               account_sid_ + "', 1, '" + NewId().substr(0, 18) + "') RETURNING lane_id");
    Do("INSERT INTO deliveries (organization_id, message_id, generation, lane_id, "
       "customer_number, body, media_urls, content_sid, content_variables, "
       "messaging_service_sid, segments, conversation_seq, priority, created_at, not_before, "
       "not_after, due_at) SELECT '" +
       organization_id_ + "', gen_random_uuid(), 0, " + std::to_string(lane) +
       ", '+15550000000', 'text', '{}', '', '', '', 1, 1, 2, now(), now(), now() + interval "
       "'1 hour', now() FROM generate_series(1, " +
       std::to_string(rows) + ")");
    return lane;
  }

  // A lane of an account with rows to different customers that are unconfirmed since then.
  std::int64_t FillUnconfirmed(const std::string& account_sid, int rows, const std::string& since) {
    const std::int64_t lane =
        Number("INSERT INTO lanes (shard, account_sid, medium, sender_number) VALUES (1, '" +
               account_sid + "', 1, '" + NewId().substr(0, 18) + "') RETURNING lane_id");
    Do("INSERT INTO deliveries (organization_id, message_id, generation, lane_id, "
       "customer_number, body, media_urls, content_sid, content_variables, "
       "messaging_service_sid, segments, conversation_seq, priority, created_at, not_before, "
       "not_after, due_at, state, attempt, journal, requested_at, deadline, changed_at) SELECT '" +
       organization_id_ + "', gen_random_uuid(), 0, " + std::to_string(lane) +
       ", '+1555' || (1000000 + i), 'text', '{}', '', '', '', 1, 1, 2, now(), now(), "
       "now() + interval '1 hour', now(), 'unconfirmed', 1, 7, now() - interval '" +
       since + "', now(), now() - interval '" + since + "' FROM generate_series(1, " +
       std::to_string(rows) + ") i");
    return lane;
  }

  postgres::Pool pool_;
  PostgresStore store_;
};

TEST_F(StoreTest, AnAccountThatMayNotBeAskedHidesNoOtherFromTheSearchForEvidence) {
  const std::string broken = "AC" + std::string(32, '1');
  const std::int64_t many = FillUnconfirmed(broken, 250, "1 hour");
  const std::int64_t one = FillUnconfirmed(account_sid_, 1, "1 minute");
  const auto looks = [&](std::int64_t lane) {
    return Number("SELECT sum(looks) FROM deliveries WHERE lane_id = " + std::to_string(lane));
  };
  DeafSink sink;
  Publisher publisher(store_, sink, {});
  UnreadList list;
  Directory directory(store_, *crypto::KeyRing::Parse("k:" + crypto::Base64(std::string(32, 'k'))),
                      Rates{}, "", [] {});
  EvidenceSearch search(
      store_, list, directory, publisher, [] { return ShardSet(2); },
      [&] { return std::set<std::string>{broken}; }, {.pairs_max = 200});
  search.Search({});
  EXPECT_EQ(looks(one), 1);
  EXPECT_EQ(looks(many), 0);
  Do("DELETE FROM deliveries WHERE lane_id IN (" + std::to_string(many) + ", " +
     std::to_string(one) + ")");
}

TEST_F(StoreTest, WhatIsReadDoesNotGrowWithWhatWaits) {
  const std::int64_t lane = FillLane(kQueued);
  const LoadRequest request{lane, Priority::kBulk, 512};
  const std::int64_t before = RowsRead();
  const auto loaded = store_.LoadHeads({&request, 1}, 5s);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)[0].heads.size(), 512U);
  const std::int64_t load = RowsRead();
  EXPECT_LT(load - before, kQueued / 10);
  ASSERT_TRUE(store_.SweepExpired(500).ok());
  const std::int64_t expired = RowsRead();
  EXPECT_LT(expired - load, kQueued / 10);
  ASSERT_TRUE(store_.SweepDeadlines(500).ok());
  EXPECT_LT(RowsRead() - expired, kQueued / 10);
  // The planner may learn better; it must not matter.
  Do("ANALYZE deliveries");
  const std::int64_t analyzed = RowsRead();
  ASSERT_TRUE(store_.LoadHeads({&request, 1}, 5s).ok());
  ASSERT_TRUE(store_.SweepExpired(500).ok());
  EXPECT_LT(RowsRead() - analyzed, kQueued / 10);
  Do("DELETE FROM deliveries WHERE lane_id = " + std::to_string(lane));
}

TEST_F(StoreTest, OutcomesThatACrashLeftUnpublishedAreFoundAgain) {
  const std::int64_t lane = FillLane(2);
  Do("UPDATE deliveries SET state = 'sending', attempt = 1, journal = 77, deadline = now() + "
     "interval '1 minute' WHERE lane_id = " +
     std::to_string(lane));
  std::vector<SettleEntry> entries;
  ASSERT_TRUE(pool_
                  .Transact([&](pqxx::work& tx) {
                    for (const pqxx::row& row :
                         tx.exec("SELECT message_id, ord FROM deliveries WHERE lane_id = " +
                                 std::to_string(lane))) {
                      SettleEntry entry;
                      entry.head.key = {organization_id_, row[0].as<std::string>(), 0};
                      entry.head.ord = row[1].as<std::int64_t>();
                      entry.journal = 77;
                      entry.settlement.state = State::kSent;
                      entry.settlement.message_sid = "SM" + std::string(32, '0');
                      entry.settlement.counts_as_attempt = true;
                      entries.push_back(entry);
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  const auto settled = store_.Settle(entries);
  ASSERT_TRUE(settled.ok()) << settled.status();
  ASSERT_NE(settled->publication, 0);
  EXPECT_TRUE(settled->results[0].applied && settled->results[1].applied);
  EXPECT_EQ(settled->results[1].version, 1);
  const auto of_ours = [&](std::chrono::milliseconds age) {
    std::vector<std::string> found;
    const auto open = store_.OpenPublications(age, 100'000);
    EXPECT_TRUE(open.ok()) << open.status();
    for (const Publication& publication : *open) {
      if (publication.id != settled->publication) continue;
      for (const Change& change : publication.changes) {
        EXPECT_EQ(change.state, State::kSent);
        EXPECT_EQ(change.version, 1);
        found.push_back(change.key.message_id);
      }
    }
    return found;
  };
  EXPECT_THAT(of_ours(1h), IsEmpty());  // Its own replica is about to publish it.
  EXPECT_THAT(of_ours(0ms), testing::UnorderedElementsAre(entries[0].head.key.message_id,
                                                          entries[1].head.key.message_id));
  // By rows they are not found: one note does for all of them.
  const auto rows = store_.Unpublished(0ms, 100'000);
  ASSERT_TRUE(rows.ok());
  for (const Change& change : *rows) EXPECT_NE(change.key, entries[0].head.key);
  ASSERT_TRUE(store_.ForgetPublications({&settled->publication, 1}).ok());
  EXPECT_THAT(of_ours(0ms), IsEmpty());
}

TEST_F(StoreTest, WhatMayStillBeJournalledIsSettledBehindIt) {
  const std::int64_t lane = FillLane(1);
  const std::string where = " WHERE lane_id = " + std::to_string(lane);
  SettleEntry entry;
  entry.journal = 5;
  entry.in_doubt = true;
  entry.settlement.state = State::kQueued;
  ASSERT_TRUE(pool_
                  .Transact([&](pqxx::work& tx) {
                    const pqxx::row row = tx.exec1("SELECT message_id FROM deliveries" + where);
                    entry.head.key = {organization_id_, row[0].as<std::string>(), 0};
                    return absl::OkStatus();
                  })
                  .ok());
  pqxx::connection journal(DatabaseUrl());
  pqxx::work tx(journal);
  tx.exec("UPDATE sender.deliveries SET state = 'sending', attempt = 1, journal = 5" + where);
  absl::StatusOr<SettledBatch> settled = absl::InternalError("not run");
  std::jthread settling([&] { settled = store_.Settle({&entry, 1}); });
  EXPECT_TRUE(Eventually([&] {
    return tx.exec1(
                 "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                 "AND application_name = 'store-test'")[0]
               .as<int>() == 1;
  }));
  tx.commit();
  settling.join();
  ASSERT_TRUE(settled.ok()) << settled.status();
  EXPECT_TRUE(settled->results[0].applied);
  EXPECT_EQ(Number("SELECT count(*) FROM deliveries" + where + " AND state = 'queued'"), 1);
  Do("DELETE FROM deliveries" + where);
}

TEST_F(StoreTest, OldSettledRowsGoPieceByPiece) {
  const std::int64_t lane = FillLane(3);
  const std::string where = " WHERE lane_id = " + std::to_string(lane);
  Do("UPDATE deliveries SET state = 'sent', not_after = now() - interval '31 days'" + where +
     " AND ord = (SELECT min(ord) FROM deliveries" + where + ")");
  Do("UPDATE deliveries SET not_after = now() - interval '31 days'" + where +
     " AND ord = (SELECT max(ord) FROM deliveries" + where + ")");
  EXPECT_TRUE(Eventually([&] {
    EXPECT_TRUE(store_.Prune().ok());
    return Number("SELECT count(*) FROM deliveries" + where) == 2;
  }));
  EXPECT_EQ(Number("SELECT count(*) FROM deliveries" + where + " AND state = 'queued'"), 2);
  Do("DELETE FROM deliveries" + where);
}

}  // namespace
}  // namespace parley::sender
