#include "relay/leader.h"

#include <memory>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::gateway::relay {
namespace {

absl::StatusOr<bool> TryLock(pqxx::connection& connection, std::int64_t lock) {
  try {
    pqxx::nontransaction tx(connection);
    return tx.exec("SELECT pg_try_advisory_lock(" + std::to_string(lock) + ")")[0][0].as<bool>();
  } catch (...) {
    return postgres::CurrentExceptionToStatus();
  }
}

}  // namespace

void RunAsLeader(const LeaderOptions& options, const postgres::PoolOptions& database,
                 const std::function<absl::Status(pqxx::connection&, const std::stop_token&)>& lead,
                 const std::stop_token& stop) {
  prometheus::Gauge& leads = telemetry::Gauge(
      "parley_gateway_relay_leader",
      "1 where this replica leads the lane; over all replicas the sum must be 1 for each lane.",
      {{"lane", options.name}});
  postgres::PoolOptions own = database;
  own.session_idle_max = options.idle_max;
  std::unique_ptr<pqxx::connection> connection;
  while (!stop.stop_requested()) {
    if (connection == nullptr) {
      absl::StatusOr<std::unique_ptr<pqxx::connection>> fresh = postgres::Connect(own);
      if (!fresh.ok()) {
        telemetry::Warning("relay_disconnected", fresh.status(), {{"lane", options.name}});
        SleepFor(stop, options.retry_wait);
        continue;
      }
      connection = *std::move(fresh);
    }
    const absl::StatusOr<bool> locked = TryLock(*connection, options.lock);
    if (!locked.ok()) connection.reset();
    if (!locked.ok() || !*locked) {
      SleepFor(stop, options.retry_wait);
      continue;
    }
    telemetry::Info("relay_leads", {{"lane", options.name}});
    leads.Set(1);
    const absl::Status status = lead(*connection, stop);
    leads.Set(0);
    connection.reset();
    if (status.ok()) continue;
    telemetry::Warning("relay_failed", status, {{"lane", options.name}});
    SleepFor(stop, options.retry_wait);
  }
}

}  // namespace parley::gateway::relay
