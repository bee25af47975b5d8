// One leader among all replicas, by an advisory lock on a connection of its own: who loses the
// connection has lost the lock, and all of the leader's work goes through that connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::relay {

struct LeaderOptions {
  std::string name;  // For logs.
  std::int64_t lock = 0;
  std::chrono::milliseconds retry_wait{500};  // For the lock, and after an error.
  // A leader that runs nothing on its connection for this long has lost the lock, as one whose
  // process is paused. 0: never, for what may wait longer for something else.
  std::chrono::milliseconds idle_max{0};
};

// Calls `lead` whenever this process holds the lock, until `stop`. `lead` works until `stop` is
// requested or something fails; then the connection is dropped, and the lock with it.
void RunAsLeader(const LeaderOptions& options, const postgres::PoolOptions& database,
                 const std::function<absl::Status(pqxx::connection&, const std::stop_token&)>& lead,
                 const std::stop_token& stop);

}  // namespace parley::gateway::relay
