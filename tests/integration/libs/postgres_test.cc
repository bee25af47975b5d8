// libs/postgres against a real server (PARLEY_DATABASE_URL; a login without superuser rights).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>
#include <utility>

#include "libs/base/id.h"
#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "libs/postgres/listener.h"
#include "libs/postgres/migrate.h"
#include "libs/postgres/pool.h"
#include "tests/integration/libs/environment.h"

namespace parley::postgres {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// A schema of the test's own, gone at its end.
class PostgresTest : public testing::Test {
 protected:
  PostgresTest() : schema_("test_" + std::to_string(ToMicros(SystemClock().Now()))) {
    Exec("CREATE SCHEMA " + schema_);
  }
  ~PostgresTest() override { Exec("DROP SCHEMA " + schema_ + " CASCADE"); }

  PoolOptions Options() const { return {.url = DatabaseUrl(), .schema = schema_}; }

  // On a connection of its own.
  static std::string Exec(const std::string& sql) {
    pqxx::connection connection(DatabaseUrl());
    pqxx::nontransaction session(connection);
    const pqxx::result result = session.exec(sql);
    return result.empty() || result[0][0].is_null() ? "" : result[0][0].as<std::string>();
  }

  static absl::Status Run(Pool& pool, const std::string& sql) {
    return pool.Transact([&](pqxx::work& tx) {
      tx.exec(sql);
      return absl::OkStatus();
    });
  }

  static std::string Ask(Pool& pool, const std::string& sql) {
    const auto answer = pool.Read<std::string>([&](pqxx::work& tx) -> absl::StatusOr<std::string> {
      return tx.exec1(sql)[0].as<std::string>();
    });
    return answer.ok() ? *answer : answer.status().ToString();
  }

  // Ends every session with that application name, as a restarted server would.
  static void TerminateAll(const std::string& application_name) {
    Exec(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '" +
        application_name + "'");
    ASSERT_TRUE(Eventually([&] {
      return Exec("SELECT count(*) FROM pg_stat_activity WHERE application_name = '" +
                  application_name + "'") == "0";
    }));
  }

  const std::string schema_;
};

TEST_F(PostgresTest, CommitsOnOkAndRollsBackOnAnythingElse) {
  Pool pool(Options());
  ASSERT_TRUE(Run(pool, "CREATE TABLE t (n int)").ok());
  EXPECT_TRUE(Run(pool, "INSERT INTO t VALUES (1)").ok());
  const absl::Status refused = pool.Transact([&](pqxx::work& tx) {
    tx.exec("INSERT INTO t VALUES (2)");
    return NotFound("NOTHING", "There is nothing.");
  });
  EXPECT_EQ(ErrorReason(refused), "NOTHING");
  const absl::Status threw = pool.Transact([&](pqxx::work& tx) -> absl::Status {
    tx.exec("INSERT INTO t VALUES (3)");
    throw std::runtime_error("ours");
  });
  EXPECT_TRUE(absl::IsInternal(threw)) << threw;
  EXPECT_EQ(Ask(pool, "SELECT string_agg(n::text, ',') FROM t"), "1");
}

TEST_F(PostgresTest, ErrorsBecomeStatuses) {
  Pool pool(Options());
  ASSERT_TRUE(Run(pool,
                  "CREATE TABLE parent (id int CONSTRAINT parent_key PRIMARY KEY);"
                  "CREATE TABLE child (id int CONSTRAINT child_parent REFERENCES parent, "
                  "n int NOT NULL CONSTRAINT child_positive CHECK (n > 0));"
                  "INSERT INTO parent VALUES (1)")
                  .ok());
  struct Case {
    const char* sql;
    absl::StatusCode code;
    const char* reason;
  };
  const Case cases[] = {
      {"INSERT INTO parent VALUES (1)", absl::StatusCode::kAlreadyExists, "parent_key"},
      {"INSERT INTO child VALUES (2, 1)", absl::StatusCode::kInvalidArgument, "child_parent"},
      {"INSERT INTO child VALUES (1, 0)", absl::StatusCode::kInvalidArgument, "child_positive"},
      {"INSERT INTO child VALUES (1, NULL)", absl::StatusCode::kInvalidArgument, "CONSTRAINT"},
      {"SELECT 'x'::int", absl::StatusCode::kInvalidArgument, "INVALID_VALUE"},
      {"SELECT 1/0", absl::StatusCode::kInvalidArgument, "INVALID_VALUE"},
      {"SELEKT 1", absl::StatusCode::kInternal, "INTERNAL"},
      {"SELECT * FROM none", absl::StatusCode::kInternal, "INTERNAL"},
      {"DO $$BEGIN RAISE EXCEPTION 'ours'; END$$", absl::StatusCode::kInternal, "INTERNAL"},
      {"DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END$$", absl::StatusCode::kAborted,
       "CONFLICT"},
      {"DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END$$", absl::StatusCode::kAborted,
       "DEADLOCK"},
      {"DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END$$",
       absl::StatusCode::kResourceExhausted, "DATABASE_FULL"},
      {"SET LOCAL statement_timeout = 20; SELECT pg_sleep(30)", absl::StatusCode::kUnavailable,
       "DATABASE_TIMEOUT"},
  };
  for (const Case& c : cases) {
    const absl::Status status = Run(pool, c.sql);
    EXPECT_EQ(status.code(), c.code) << c.sql << ": " << status;
    EXPECT_EQ(ErrorReason(status), c.reason) << c.sql << ": " << status;
  }
  EXPECT_TRUE(pool.Ping().ok()) << "the connection survived them all";
}

TEST_F(PostgresTest, WhatPostgresSaysOfARefusalIsNotTold) {
  Pool pool(Options());
  ASSERT_TRUE(Run(pool,
                  "CREATE TABLE secrets (id int CONSTRAINT one_of_each PRIMARY KEY, "
                  "n int CONSTRAINT positive CHECK (n > 0));"
                  "INSERT INTO secrets VALUES (1, 1)")
                  .ok());
  for (const char* const sql :
       {"INSERT INTO secrets VALUES (1, 1)", "INSERT INTO secrets VALUES (2, -7)",
        "DO $$BEGIN RAISE EXCEPTION 'secrets' USING ERRCODE = '40001'; END$$",
        "DO $$BEGIN RAISE EXCEPTION 'secrets' USING ERRCODE = '40P01'; END$$",
        "DO $$BEGIN RAISE EXCEPTION 'secrets' USING ERRCODE = '53100'; END$$"}) {
    const absl::Status status = Run(pool, sql);
    EXPECT_FALSE(status.ok()) << sql;
    const std::string told(status.message());
    for (const char* const word : {"ERROR", "secrets", "positive", "one_of_each", "-7"}) {
      EXPECT_EQ(told.find(word), std::string::npos) << sql << ": " << told;
    }
  }
}

TEST_F(PostgresTest, ASessionThatIsIdleInATransactionLosesItsLocks) {
  Pool pool(Options());
  ASSERT_TRUE(Run(pool, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)").ok());
  PoolOptions options = Options();
  options.transaction_idle_max = 300ms;
  Pool paused(options);
  const absl::Status ended = paused.Transact([&](pqxx::work& tx) {
    tx.exec("UPDATE t SET n = 2");
    EXPECT_EQ(Run(pool, "UPDATE t SET n = n + 10"), absl::OkStatus()) << "waits for the row";
    tx.exec("UPDATE t SET n = 3");
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(ended)) << ended;
  EXPECT_EQ(Ask(pool, "SELECT n FROM t"), "11");
  EXPECT_TRUE(paused.Ping().ok()) << "on a new connection";
}

TEST_F(PostgresTest, BothEndsNoticeThatTheOtherIsGone) {
  Pool pool(Options());
  const std::pair<const char*, const char*> settings[] = {
      {"tcp_keepalives_idle", "5"},
      {"tcp_keepalives_interval", "2"},
      {"tcp_keepalives_count", "3"},
      {"tcp_user_timeout", "10000"},
      {"idle_in_transaction_session_timeout", "30s"},
      {"idle_session_timeout", "0"},
  };
  for (const auto& [name, want] : settings) {
    EXPECT_EQ(Ask(pool, std::string("SHOW ") + name), want) << name;
  }
  const absl::StatusOr<std::unique_ptr<pqxx::connection>> connection = Connect(Options());
  ASSERT_TRUE(connection.ok()) << connection.status();
  const auto of_socket = [&](int level, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt((*connection)->sock(), level, option, &value, &size), 0);
    return value;
  };
  EXPECT_NE(of_socket(SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(of_socket(IPPROTO_TCP, TCP_KEEPIDLE), 5);
  EXPECT_EQ(of_socket(IPPROTO_TCP, TCP_KEEPINTVL), 2);
  EXPECT_EQ(of_socket(IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(of_socket(IPPROTO_TCP, TCP_USER_TIMEOUT), 10'000);

  // What the address says comes first.
  PoolOptions own = Options();
  own.url += own.url.find('?') == std::string::npos ? "?keepalives_idle=7" : "&keepalives_idle=7";
  const auto other = Connect(own);
  ASSERT_TRUE(other.ok()) << other.status();
  int idle = 0;
  socklen_t size = sizeof idle;
  EXPECT_EQ(getsockopt((*other)->sock(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
  EXPECT_EQ(idle, 7);
}

TEST_F(PostgresTest, AServerThatNeverAnswersIsUnavailable) {
  const int silent = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(silent, 1), 0);  // It accepts, and says nothing.
  ASSERT_EQ(getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto connection =
      Connect({.url = "postgresql://parley@127.0.0.1:" + std::to_string(ntohs(address.sin_port)) +
                      "/parley"});
  EXPECT_TRUE(absl::IsUnavailable(connection.status())) << connection.status();
  close(silent);
}

TEST_F(PostgresTest, ALockThatIsHeldIsATimeOutAndNoBrokenConnection) {
  Pool pool(Options());
  ASSERT_TRUE(Run(pool, "CREATE TABLE t (n int)").ok());
  pqxx::connection holder(DatabaseUrl());
  pqxx::work holding(holder);
  holding.exec("LOCK TABLE " + schema_ + ".t");
  int runs = 0;
  const absl::Status status = pool.Transact([&](pqxx::work& tx) {
    ++runs;
    tx.exec("SET LOCAL lock_timeout = 20");
    tx.exec("INSERT INTO t VALUES (1)");
    return absl::OkStatus();
  });
  EXPECT_EQ(ErrorReason(status), "DATABASE_TIMEOUT") << status;
  EXPECT_TRUE(IsRetryable(status));
  EXPECT_EQ(runs, 1) << "the caller decides whether to wait again";
}

TEST_F(PostgresTest, ADeadlockAbortsOneOfTheTwo) {
  Pool pool(Options());
  ASSERT_TRUE(
      Run(pool, "CREATE TABLE t (id int, n int); INSERT INTO t VALUES (1, 0), (2, 0)").ok());
  std::promise<void> has_one[2];
  std::shared_future<void> other_has_one[2] = {has_one[1].get_future().share(),
                                               has_one[0].get_future().share()};
  const auto cross = [&](std::size_t me) {
    return pool.Transact([&, me](pqxx::work& tx) {
      const std::string mine = std::to_string(me + 1);
      tx.exec("UPDATE t SET n = n + 1 WHERE id = " + mine);
      has_one[me].set_value();
      other_has_one[me].wait();
      tx.exec("UPDATE t SET n = n + 1 WHERE id = " + std::to_string(2 - me));
      return absl::OkStatus();
    });
  };
  auto first = std::async(std::launch::async, cross, 0U);
  auto second = std::async(std::launch::async, cross, 1U);
  const absl::Status statuses[] = {first.get(), second.get()};
  EXPECT_NE(statuses[0].ok(), statuses[1].ok());
  for (const absl::Status& status : statuses) {
    EXPECT_TRUE(status.ok() || ErrorReason(status) == "DEADLOCK") << status;
  }
}

TEST_F(PostgresTest, ConnectsAnewAfterItsSessionsWereEnded) {
  const std::string name = "pool-" + NewId();
  const std::string role = schema_ + "_role";
  Exec("CREATE ROLE " + role + "; GRANT " + role + " TO current_user; GRANT ALL ON SCHEMA " +
       schema_ + " TO " + role);
  {
    PoolOptions options = Options();
    options.application_name = name;
    options.role = role;
    options.statement_max = 12'345ms;
    Pool pool(options);
    const auto facts = [&] {
      return Ask(pool,
                 "SELECT current_user || ' ' || current_schema() || ' ' || "
                 "current_setting('statement_timeout') || ' ' || current_setting('TimeZone')");
    };
    const std::string want = role + " " + schema_ + " 12345ms UTC";
    EXPECT_EQ(facts(), want);
    // Two connections, both idle afterwards.
    ASSERT_TRUE(pool.Transact([&](pqxx::work&) { return pool.Ping(); }).ok());
    TerminateAll(name);
    // A session that lost its role would see every organization.
    EXPECT_EQ(facts(), want);
    EXPECT_EQ(facts(), want);
  }
  Exec("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(PostgresTest, ABodyWhoseConnectionIsEndedUnderItNeverContinuesOnAnother) {
  PoolOptions options = Options();
  options.application_name = "pool-" + NewId();
  Pool pool(options);
  ASSERT_TRUE(Run(pool, "CREATE TABLE t (n int)").ok());
  int runs = 0;
  const absl::Status status = pool.Transact([&](pqxx::work& tx) {
    ++runs;
    tx.exec("INSERT INTO t VALUES (1)");
    if (runs == 1) TerminateAll(options.application_name);
    tx.exec("INSERT INTO t VALUES (2)");
    return absl::OkStatus();
  });
  // Either it was run again as a whole, or it failed as a whole.
  EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
  EXPECT_EQ(Ask(pool, "SELECT count(*) FROM t WHERE n = 1"),
            Ask(pool, "SELECT count(*) FROM t WHERE n = 2"));
}

TEST_F(PostgresTest, WaitsForAFreeConnectionAsLongAsItMay) {
  PoolOptions options = Options();
  options.connections_max = 1;
  options.wait_max = 50ms;
  Pool pool(options);
  absl::Status inner;
  ASSERT_TRUE(pool.Transact([&](pqxx::work&) {
                    inner = pool.Ping();
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(ErrorReason(inner), "DATABASE_BUSY");
  EXPECT_TRUE(pool.Ping().ok());

  // One that is freed in time is taken.
  options.wait_max = 30s;
  Pool patient(options);
  std::promise<void> release;
  std::promise<void> holds;
  auto holder = std::async(std::launch::async, [&] {
    return patient.Transact([&](pqxx::work&) {
      holds.set_value();
      release.get_future().wait();
      return absl::OkStatus();
    });
  });
  holds.get_future().wait();
  auto waiter = std::async(std::launch::async, [&] { return patient.Ping(); });
  release.set_value();
  EXPECT_TRUE(waiter.get().ok());
  EXPECT_TRUE(holder.get().ok());
}

TEST_F(PostgresTest, ADatabaseThatIsAwayIsUnavailable) {
  Pool pool({.url = "postgresql://parley@127.0.0.1:1/parley"});
  for (int i = 0; i < 10; ++i) {
    const absl::Status status = pool.Ping();  // No connection leaks from the pool's four.
    EXPECT_EQ(ErrorReason(status), "DATABASE_UNAVAILABLE") << status;
  }
}

TEST_F(PostgresTest, ArraysTravelWhole) {
  Pool pool(Options());
  const std::vector<std::string> texts = {
      "",     "plain",       "with \"quotes\"",          "back\\slash",        "{braces,commas}",
      "NULL", "line\nbreak", "\xC3\xA4\xF0\x9F\x98\x80", "'; DROP TABLE t; --"};
  const std::string bytes("\0\xff\\x", 4);
  const Time time = FromMicros(1'700'000'000'123'456);
  Array text_array;
  for (const std::string& text : texts) text_array.Add(text);
  const auto read = pool.Read<std::vector<std::string>>(
      [&](pqxx::work& tx) -> absl::StatusOr<std::vector<std::string>> {
        return ParseArray(tx.exec_params1("SELECT $1::text[]", text_array.str())[0].c_str());
      });
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, texts);

  const absl::Status others = pool.Transact([&](pqxx::work& tx) {
    const pqxx::row row = tx.exec_params1(
        "SELECT a, b, c, d, e FROM unnest($1::bytea[], $2::timestamptz[], $3::bigint[], "
        "$4::bool[], $5::text[]) AS t (a, b, c, d, e)",
        Array().AddBytes(bytes).str(), Array().Add(time).str(), Array().Add(std::int64_t{-7}).str(),
        Array().Add(true).str(), Array().AddNull().str());
    EXPECT_EQ(FromBytea(row[0].c_str()), bytes);
    EXPECT_EQ(*ParseTime(row[1].c_str()), time);
    EXPECT_EQ(row[2].as<std::int64_t>(), -7);
    EXPECT_TRUE(row[3].as<bool>());
    EXPECT_TRUE(row[4].is_null());
    return absl::OkStatus();
  });
  EXPECT_TRUE(others.ok()) << others;
}

TEST_F(PostgresTest, MigratesOnceAndInOrder) {
  const std::vector<Migration> first = {{1, "0001_t", "CREATE TABLE t (n int)"},
                                        {2, "0002_row", "INSERT INTO t VALUES (1)"}};
  ASSERT_TRUE(Migrate(DatabaseUrl(), schema_, first).ok());
  ASSERT_TRUE(Migrate(DatabaseUrl(), schema_, first).ok());
  std::vector<Migration> more = first;
  more.push_back({3, "0003_more", "INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)"});
  ASSERT_TRUE(Migrate(DatabaseUrl(), schema_, more).ok());
  EXPECT_EQ(Exec("SELECT string_agg(n::text, ',' ORDER BY n) FROM " + schema_ + ".t"), "1,2,3");
  EXPECT_EQ(
      Exec("SELECT string_agg(name, ',' ORDER BY version) FROM " + schema_ + ".schema_migrations"),
      "0001_t,0002_row,0003_more");
}

TEST_F(PostgresTest, MigratorsMayStartTogether) {
  const std::vector<Migration> migrations = {
      {1, "0001_t", "CREATE TABLE t (n int); SELECT pg_sleep(0.05)"},
      {2, "0002_row", "INSERT INTO t VALUES (1)"}};
  std::vector<std::future<absl::Status>> replicas;
  for (int i = 0; i < 6; ++i) {
    replicas.push_back(std::async(std::launch::async,
                                  [&] { return Migrate(DatabaseUrl(), schema_, migrations); }));
  }
  for (auto& replica : replicas) {
    const absl::Status status = replica.get();
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(Exec("SELECT count(*) FROM " + schema_ + ".t"), "1");
}

TEST_F(PostgresTest, AnEditedMigrationIsRefused) {
  ASSERT_TRUE(Migrate(DatabaseUrl(), schema_, {{1, "0001_t", "CREATE TABLE t (n int)"}}).ok());
  const absl::Status status = Migrate(
      DatabaseUrl(), schema_,
      {{1, "0001_t", "CREATE TABLE t (n bigint)"}, {2, "0002_u", "CREATE TABLE u (n int)"}});
  EXPECT_EQ(ErrorReason(status), "MIGRATION_EDITED") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("0001_t"));
  EXPECT_EQ(Exec("SELECT to_regclass('" + schema_ + ".u') IS NULL"), "t") << "nothing after it ran";
}

TEST_F(PostgresTest, AFailedMigrationLeavesNothingOfItself) {
  const absl::Status failed =
      Migrate(DatabaseUrl(), schema_,
              {{1, "0001_t", "CREATE TABLE t (n int)"},
               {2, "0002_bad", "CREATE TABLE u (n int); INSERT INTO u VALUES ('x')"}});
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(Exec("SELECT to_regclass('" + schema_ + ".u') IS NULL"), "t");
  EXPECT_TRUE(Migrate(DatabaseUrl(), schema_,
                      {{1, "0001_t", "CREATE TABLE t (n int)"},
                       {2, "0002_mended", "CREATE TABLE u (n int)"}})
                  .ok());
}

class ListenerTest : public PostgresTest {
 protected:
  ListenerTest() : name_("listener-" + NewId()) {
    PoolOptions options = Options();
    options.application_name = name_;
    listener_ = std::make_unique<Listener>(options, std::vector<std::string>{schema_, "other"});
    listener_->Wait(10ms, {});  // Connects; what came before may count as a notification.
  }

  // How long one wait took, at most 20 s.
  std::chrono::milliseconds Waited(std::stop_token stop = {}) {
    const auto began = std::chrono::steady_clock::now();
    listener_->Wait(20s, stop);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 began);
  }

  void Notify() { Exec("NOTIFY " + schema_); }

  const std::string name_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(ListenerTest, WakesOnNotify) {
  auto waited = std::async(std::launch::async, [&] { return Waited(); });
  Notify();
  EXPECT_LT(waited.get(), 10s);
}

TEST_F(ListenerTest, NeverMissesOneBetweenTwoWaits) {
  for (int i = 0; i < 5; ++i) {
    Notify();
    EXPECT_LT(Waited(), 10s) << i;
  }
}

TEST_F(ListenerTest, WakesOnWakeAndOnStop) {
  listener_->Wake();
  EXPECT_LT(Waited(), 10s);
  std::stop_source stop;
  auto waited = std::async(std::launch::async, [&] { return Waited(stop.get_token()); });
  stop.request_stop();
  EXPECT_LT(waited.get(), 10s);
  EXPECT_LT(Waited(stop.get_token()), 1s) << "stopped before it began";
}

TEST_F(ListenerTest, ReturnsAfterItsTimeOtherwise) {
  const auto began = std::chrono::steady_clock::now();
  listener_->Wait(60ms, {});
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_GE(took, 55ms);
  EXPECT_LT(took, 10s);
}

TEST_F(ListenerTest, HearsAgainAfterItsSessionWasEnded) {
  TerminateAll(name_);
  ASSERT_TRUE(Eventually([&] {
    listener_->Wait(50ms, {});
    return Exec("SELECT count(*) FROM pg_stat_activity WHERE application_name = '" + name_ + "'") ==
           "1";
  }));
  listener_->Wait(50ms, {});  // What came while nobody listened counts as a notification.
  auto waited = std::async(std::launch::async, [&] { return Waited(); });
  Notify();
  EXPECT_LT(waited.get(), 10s);
}

TEST_F(ListenerTest, WithoutADatabaseItOnlyWaits) {
  Listener away({.url = "postgresql://parley@127.0.0.1:1/parley"}, {"c"});
  for (int i = 0; i < 3; ++i) {
    const auto began = std::chrono::steady_clock::now();
    away.Wait(60ms, {});
    EXPECT_GE(std::chrono::steady_clock::now() - began, 55ms);
  }
  away.Wake();
  const auto began = std::chrono::steady_clock::now();
  away.Wait(20s, {});
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

}  // namespace
}  // namespace parley::postgres
