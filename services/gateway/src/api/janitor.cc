#include "api/janitor.h"

#include "libs/base/shutdown.h"
#include "libs/telemetry/log.h"

namespace parley::gateway::api {
namespace {

// A statement at a time takes at most this many rows, so that none holds locks for long.
constexpr int kRowsMax = 10'000;

constexpr const char* kStatements[] = {
    "DELETE FROM sessions WHERE token_hash IN"
    " (SELECT token_hash FROM sessions WHERE expires_at < now() LIMIT $1)",
    "DELETE FROM live_tickets WHERE (organization_id, token_hash) IN"
    " (SELECT organization_id, token_hash FROM live_tickets WHERE expires_at < now() LIMIT $1)",
    "DELETE FROM idempotency_keys WHERE (organization_id, key) IN"
    " (SELECT organization_id, key FROM idempotency_keys"
    "  WHERE created_at < now() - interval '24 hours' LIMIT $1)",
};

}  // namespace

absl::Status Janitor::Sweep(postgres::Pool& worker) {
  for (const char* statement : kStatements) {
    bool more = true;
    while (more) {
      const absl::Status status = worker.Transact([&](pqxx::work& tx) -> absl::Status {
        more = tx.exec_params0(statement, kRowsMax).affected_rows() == kRowsMax;
        return absl::OkStatus();
      });
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

Janitor::Janitor(postgres::Pool& worker, std::chrono::seconds every)
    : thread_([&worker, every](const std::stop_token& stop) {
        while (SleepFor(stop, every)) {
          const absl::Status status = Sweep(worker);
          if (!status.ok()) telemetry::Warning("sweep_failed", status);
        }
      }) {}

}  // namespace parley::gateway::api
