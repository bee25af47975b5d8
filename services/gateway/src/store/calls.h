// What becomes of calls after their first report: status, length, recordings. Runs as
// gateway_worker, in the caller's transaction.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/message.h"
#include "libs/base/clock.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::store {

// A report about one call. Texts must be clean UTF-8.
struct CallReport {
  std::string account_sid;
  std::string call_sid;
  CallStatus status = v1::Message::CALL_STATUS_UNSPECIFIED;  // Unspecified says nothing.
  int seconds = 0;                                           // 0 says nothing.
  // Of a recording: where its sound is; empty while it has none.
  std::string recording_sid;
  std::string recording_url;
  // What it says beside that, as a JSON object; may be empty.
  std::string parameters;
  Time at;
};

struct CallResults {
  int changed = 0;
  int early = 0;    // Recordings kept until their call is stored.
  int foreign = 0;  // Of an account that is not connected, or without anything to keep: ignored.
};

// Applies reports in their order to the calls of the account that signed them: a status only moves
// forward by rank, a recording is added once. Call it after Append in the transaction that may have
// stored the calls: recordings that came earlier are applied then.
absl::StatusOr<CallResults> ApplyCallReports(pqxx::work& tx, std::span<const CallReport> reports);

}  // namespace parley::gateway::store
