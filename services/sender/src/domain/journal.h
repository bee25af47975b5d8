// What passes between the sender's decisions and its store: rows in, journal entries and outcomes
// out, and who owns which shard. Pure.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/delivery.h"
#include "domain/gate.h"
#include "domain/handover.h"
#include "domain/limiter.h"
#include "domain/settlement.h"
#include "domain/shard_set.h"
#include "domain/write_slot.h"

namespace parley::sender {

struct OwnedShard {
  int shard = 0;
  std::int64_t epoch = 0;
  bool owner_died = false;  // The last owner's process is gone, and writes no more.
};

struct Leases {
  std::vector<OwnedShard> owned;
  int fair_share = kShards;  // How many each living replica should own, rounded up.
};

struct StoredHead {
  Head head;
  Lane lane;
};

struct LaneRow {
  Lane lane;
  std::optional<std::chrono::microseconds> last_request_age;  // None: it never sent.
  int last_segments = 0;
  // What the last replica that sent over it said when it gave it away: it may not be written to for
  // that long. None: it did not give it away.
  std::optional<std::chrono::microseconds> busy;
};

struct JournalEntry {
  Head head;
  int shard = 0;
  std::int64_t epoch = 0;
  bool begun = false;  // At the handover.
};

struct JournalRequest {
  std::vector<JournalEntry> entries;
  std::string replica;
  std::int64_t token = 0;              // Random: marks the rows as this entry's.
  std::chrono::milliseconds deadline;  // From now until a request without outcome is unconfirmed.
  SteadyTime write_by;                 // Copied into the jobs.
};

struct JournalResult {
  Verdict verdict = Verdict::kNotOurs;
  Job job;                   // With kSend; its lane is the caller's.
  std::int64_t version = 0;  // With kSend: of the row, and when it was marked.
  Time at;
  std::optional<Change> change;  // With kEnd and kHold.
};

struct SettleEntry {
  Head head;
  int shard = 0;
  std::int64_t journal = 0;
  bool in_doubt = false;  // The journal's commit may still happen.
  Settlement settlement;
  // The pair to block with settlement.block_pair.
  std::string account_sid;
  std::string sender_number;
  std::string customer_number;
};

// What Settle found, for each entry in order.
struct SettleResult {
  bool applied = false;  // False: the row was not ours any more (evidence or a sweep was first).
  int attempt = 0;       // The row's, afterwards.
  std::int64_t version = 0;
  Time at;
  Time due_at;
};

// What the scheduler is told once an outcome is stored.
struct Settled {
  std::int64_t ord = 0;
  std::int64_t lane_id = 0;
  int shard = 0;
  bool requeue = false;  // Due again after `wait`, with `attempt` requests so far.
  std::chrono::milliseconds wait{0};
  int attempt = 0;
  bool unclear = false;  // The row was not as expected: read the lane again.
};
Settled ToSettled(const SettleEntry& entry, const SettleResult& result);

// What the gateway is told of a request that leaves, and of its outcome.
Change SendingChange(const Job& job, const JournalResult& result);
Change OutcomeChange(const SettleEntry& entry, const SettleResult& result);

// The outcomes of one transaction, and the note of it that is kept until all are published.
struct SettledBatch {
  std::vector<SettleResult> results;  // For each entry, in order.
  std::int64_t publication = 0;
};

// A journalled request with what its worker needs.
struct Dispatch {
  Job job;
  std::shared_ptr<Limiter> limiter;
  WriteTicket ticket;
};

// The outcome of a request, without its settlement.
SettleEntry EntryOf(const Job& job);
// For a request that was journalled and will not be written.
SettleEntry Abandoned(const Job& job);

}  // namespace parley::sender
