// What one replica decides about its queue: what to read from the table, what to journal, and what
// follows. It holds no thread, no clock and no connection: the pump carries its wishes out and
// tells it what came of them, and so does the simulation (tests/simulation).
//
// One round: Read the mail; answer TakeUnknownLanes, TakeSearch and TakeLoads from the store; then
// Plan, journal, and Journaled, until Plan has nothing. Pure; not thread-safe.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/consent_freshness.h"
#include "domain/journal.h"
#include "domain/scheduler.h"

namespace parley::sender {

// What the directory says of lanes.
class LaneRules {
 public:
  virtual ~LaneRules() = default;
  // Of one segment; zero: no limit.
  virtual std::chrono::microseconds Interval(const Lane& lane) const = 0;
  // False: its account is not known, or its token does not open; its sends wait.
  virtual bool IsOpen(const Lane& lane) const = 0;
  // Rises when the account's credentials change.
  virtual std::int64_t AccountVersion(const std::string& account_sid) const = 0;
};

struct EngineOptions {
  std::string replica;
  std::size_t batch_max = 200;  // Of one journal transaction.
  std::chrono::milliseconds send_timeout{10'000};
  std::chrono::milliseconds write_window{500};  // From the journal to the first byte.
  // Queues that a lost notification left unseen are found within this time.
  std::chrono::milliseconds search_interval{30'000};
  Scheduler::Options scheduler;
};

// What happened since the last round.
struct Mail {
  std::vector<StoredHead> offered;  // Rows that were just stored.
  std::set<std::int64_t> poked;     // The table has new rows of these lanes.
  std::vector<Settled> settled;
  std::vector<OwnedShard> granted;
  ShardSet revoked;  // Before what is granted.
  std::vector<std::pair<std::int64_t, SteadyTime>> lane_pauses;
  std::vector<std::pair<std::string, SteadyTime>> account_pauses;
  std::vector<std::pair<std::string, int>> account_limits;  // Parallel requests; 0: any number.
  bool directory_changed = false;
  bool search = false;  // The table may have new rows anywhere.
};

// What follows a journal transaction.
struct Journaled {
  std::vector<Dispatch> dispatches;    // To be written.
  std::vector<SettleEntry> abandoned;  // To be settled; never written.
  std::vector<Change> changes;         // To be published.
};

class Engine {
 public:
  Engine(const LaneRules& rules, const EngineOptions& options, SteadyTime now);

  void Read(Mail mail, SteadyTime now);

  // Lanes to look up. Answer with FoundLanes, or LostLanes if the store was away.
  std::vector<std::int64_t> TakeUnknownLanes();
  void FoundLanes(std::span<const LaneRow> rows);
  void LostLanes(std::span<const std::int64_t> ids, SteadyTime now);

  // Shards whose queued lanes are to be found. Answer with FoundLanes, or LostSearch.
  ShardSet TakeSearch(SteadyTime now);
  void LostSearch(const ShardSet& shards, SteadyTime now);

  // Rows to read. Answer with Loaded, or LostLoads.
  std::vector<LoadRequest> TakeLoads(SteadyTime now) { return scheduler_.TakeLoads(now); }
  void Loaded(std::span<const LoadedRows> rows, SteadyTime now);
  void LostLoads(std::span<const LoadRequest> requests, SteadyTime now);

  // What to journal now, at most `free` sends. `owned` is looked up after `now`, so that nothing is
  // planned of a shard that was revoked before. `token` is random. None: nothing may go.
  std::optional<JournalRequest> Plan(SteadyTime now, std::size_t free, const ShardSet& owned,
                                     Permission permission, std::int64_t token);
  // What came of it. An error leaves the commit in doubt: all of it is settled as unwritten.
  Journaled Finish(const JournalRequest& request,
                   absl::StatusOr<std::vector<JournalResult>> results, SteadyTime started,
                   SteadyTime now);

  // When to begin a round if nothing else happens.
  SteadyTime NextWake() const;
  // True: more could go if a worker were free.
  bool saturated() const { return saturated_; }
  const Scheduler& scheduler() const { return scheduler_; }
  // Told at once when shards are granted and revoked, before Read.
  Handover& handover() { return handover_; }
  const Handover& handover() const { return handover_; }

 private:
  void AddLane(const LaneRow& row);
  SteadyTime FirstSlot(const LaneRow& row, std::chrono::microseconds interval) const;
  void ReadDirectory(SteadyTime now);
  void Adapt(std::chrono::microseconds journal_took);
  void Hand(const JournalEntry& entry, JournalResult& result, bool late, SteadyTime now,
            Journaled& journaled);

  const LaneRules& rules_;
  const EngineOptions options_;
  Handover handover_;
  Scheduler scheduler_;
  std::array<std::int64_t, kShards> epochs_{};  // 0: not ours.
  std::array<SteadyTime, kShards> granted_at_{};
  ShardSet owner_died_;  // Before it was granted.
  std::map<std::string, std::int64_t> account_versions_;
  ShardSet to_search_;
  std::set<std::int64_t> unknown_lanes_;
  SteadyTime search_at_;
  SteadyTime retry_at_ = SteadyTime::max();
  bool saturated_ = false;
  std::size_t batch_limit_;                    // Below batch_max while the store is slow.
  std::chrono::microseconds journal_time_{0};  // Of the last transactions, smoothed.
};

}  // namespace parley::sender
