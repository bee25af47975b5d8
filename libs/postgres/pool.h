// Connections to PostgreSQL, and transactions whose errors are statuses.
//
//   absl::Status stored = pool.Transact([&](pqxx::work& tx) -> absl::Status {
//     tx.exec_params("INSERT INTO …", id, TextArray(bodies));
//     return absl::OkStatus();   // Anything else rolls back.
//   });
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace parley::postgres {

struct PoolOptions {
  std::string url;               // postgresql://user@host:port/database
  std::string application_name;  // Shown in pg_stat_activity.
  std::string role;              // SET ROLE after connecting; empty keeps the login's own.
  std::string schema;            // search_path.
  int connections_max = 4;
  std::chrono::milliseconds wait_max{5'000};        // For a free connection.
  std::chrono::milliseconds statement_max{30'000};  // statement_timeout; 0 means none.
  // The server ends a session that does nothing in an open transaction for this long, as that of a
  // process that was paused; its locks are free then. 0 means never.
  std::chrono::milliseconds transaction_idle_max{30'000};
  // The same outside of transactions: for connections that hold a session's lock and run something
  // every few seconds. 0 means never.
  std::chrono::milliseconds session_idle_max{0};
};

// Opens one connection as the pool would: for code that keeps one (leader locks, listeners). Both
// ends notice within 15 s that the other is gone (keepalives); the attempt takes at most 5 s, or
// the `connect_timeout` that the address names. Errors: kUnavailable.
absl::StatusOr<std::unique_ptr<pqxx::connection>> Connect(const PoolOptions& options);

// Our code for the exception in flight; call inside `catch (...)`. Broken connections and
// shutdowns are kUnavailable, as are statements and locks that took too long (DATABASE_TIMEOUT) and
// sessions that the server ended because they were idle;
// deadlocks and serialization failures kAborted, unique violations kAlreadyExists (reason: the
// constraint's name), check and foreign-key violations and bad values kInvalidArgument, a full disk
// kResourceExhausted; all else kInternal. Messages are our own sentences; what PostgreSQL said is
// in the log.
absl::Status CurrentExceptionToStatus();

// Thread-safe. Connects on first use; a broken connection is thrown away.
class Pool {
 public:
  explicit Pool(PoolOptions options);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Runs `body` in one transaction (read committed) on a connection of the pool and commits if it
  // returns OK. `body` may run twice: once more if the connection turned out to be dead at its
  // first statement. kUnavailable may mean that a commit's outcome is unknown: make it repeatable.
  absl::Status Transact(const std::function<absl::Status(pqxx::work&)>& body);

  // The same for a body that yields a value.
  template <class T>
  absl::StatusOr<T> Read(const std::function<absl::StatusOr<T>(pqxx::work&)>& body) {
    absl::StatusOr<T> result = absl::InternalError("not run");
    const absl::Status status = Transact([&](pqxx::work& tx) {
      result = body(tx);
      return result.status();
    });
    if (!status.ok()) return status;
    return result;
  }

  // OK if the database answers.
  absl::Status Ping();

 private:
  class Lease;
  absl::StatusOr<std::unique_ptr<pqxx::connection>> Acquire(bool& reused);
  void Release(std::unique_ptr<pqxx::connection> connection);

  const PoolOptions options_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<pqxx::connection>> idle_;
  int open_ = 0;
};

}  // namespace parley::postgres
