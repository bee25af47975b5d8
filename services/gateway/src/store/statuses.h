// Writes what becomes of outgoing messages: the sender's results and Twilio's reports, in batches,
// with history, attempts and live updates. Runs as gateway_worker, in the caller's transaction.
//
// Locks in one order: attempts by SID, then messages by id.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/status.h"
#include "libs/base/clock.h"
#include "libs/postgres/pool.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/send_result.pb.h"

namespace parley::gateway::store {

// The reason of a message that a person marked as failed; evidence overrides it.
inline constexpr char kMarkedFailed[] = "MARKED_FAILED";

// A status that changed, for the log.
struct StatusChange {
  std::string organization_id;
  std::string message_id;
  std::string message_sid;  // May be empty.
  Status status = v1::Message::STATUS_UNSPECIFIED;
  int error_code = 0;
};

// Applies what a batch of the sender says. The commands of `accepted` it has stored: they are not
// emitted again, and their outcome is waited for. `outcomes` are applied in their order, with what
// Twilio has reported early of the SIDs that they name. Messages that do not exist are ignored.
absl::StatusOr<std::vector<StatusChange>> ApplySendResults(
    pqxx::work& tx, std::span<const events::v1::AcceptedBatch::Item* const> accepted,
    std::span<const events::v1::SendOutcome> outcomes, Time now);

struct ReportResults {
  std::vector<StatusChange> changes;
  int early = 0;    // Kept until the sender names their SIDs.
  int foreign = 0;  // Of an account that is not connected: ignored.
};

// Applies Twilio's reports, each only to messages of the account that signed it.
absl::StatusOr<ReportResults> ApplyReports(
    pqxx::work& tx, std::span<const events::v1::DeliveryStatusRecord> reports, Time now);

}  // namespace parley::gateway::store
