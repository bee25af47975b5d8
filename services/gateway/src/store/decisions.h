// What people, the organization's policy and the clock decide about outgoing messages: "send
// again", "mark failed", cancel, and emitting what was planned. Evidence (statuses.h) overrides
// them.
//
// All runs in the caller's transaction, as gateway_api or gateway_worker, under the messages' row
// locks, which are taken in the order of their ids.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::store {

enum class Decision { kSendAgain, kMarkFailed };

// Who decides; for the history.
struct Decider {
  std::string source = "api";  // Or "policy".
  std::string actor;           // As in audit_events; empty with "policy".
};

struct DecisionPolicy {
  Time now;
  std::chrono::seconds send_valid{23 * 3600 + 50 * 60};
  std::chrono::seconds emit_again_after{30};
  // Also messages that failed or were undelivered may be sent again.
  bool failed_too = false;
};

// A condition on `messages m`, beginning with AND: what Decide would not refuse to send again. Keep
// both together.
extern const char kMaySendAgainSql[];

// One status for each message that exists. kFailedPrecondition NOT_UNCONFIRMED, OPTED_OUT,
// MESSAGE_ERASED, CHANNEL_DELETED, CHANNEL_CANNOT_SEND or RECIPIENT_NOT_SENDABLE: it stays as it
// is.
absl::StatusOr<std::map<std::string, absl::Status>> Decide(
    pqxx::work& tx, const std::string& organization_id, const std::vector<std::string>& message_ids,
    Decision decision, const Decider& decider, const DecisionPolicy& policy);

// True: it is canceled. False: the sender was told, and its result decides; should it expire first,
// it is canceled and not planned again. kNotFound
// MESSAGE_NOT_FOUND; kFailedPrecondition TOO_LATE_TO_CANCEL or UNCONFIRMED.
absl::StatusOr<bool> Cancel(pqxx::work& tx, const std::string& organization_id,
                            const std::string& message_id, const Decider& decider, Time now);

// Emits what was planned for now or earlier, and ends what may not be sent any more: its customer
// opted out, its channel was deleted, it was canceled. Returns how many rows were taken, at most
// `rows_max`.
absl::StatusOr<int> EmitPlanned(pqxx::work& tx, int rows_max, const DecisionPolicy& policy);

// Sends again, for organizations with the policy "resend", what evidence speaks against and nobody
// wanted canceled. Returns how many rows were taken.
absl::StatusOr<int> ApplyPolicies(pqxx::work& tx, int rows_max, const DecisionPolicy& policy);

}  // namespace parley::gateway::store
