// The heart: keeps the scheduler fed, journals what may go, and hands it to the workers. One
// thread runs it; everything else reaches it through a mailbox that wakes it at once.
#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "domain/scheduler.h"
#include "pipeline/directory.h"
#include "pipeline/dispatch.h"
#include "pipeline/leases.h"
#include "pipeline/publisher.h"
#include "pipeline/settler.h"
#include "pipeline/workers.h"
#include "ports.h"

namespace parley::sender {

struct PumpOptions {
  std::string replica;
  std::size_t batch_max = 200;  // Of one journal transaction.
  std::chrono::milliseconds send_timeout{10'000};
  std::chrono::milliseconds write_window{500};  // From the journal to the first byte.
  // Queues that a lost notification left unseen are found within this time.
  std::chrono::milliseconds search_interval{30'000};
};

// Which priorities may be sent, as consent is known.
struct Permission {
  bool interactive = true;
  bool bulk = true;
};

class Pump final : public Brake, public ShardHolder {
 public:
  Pump(QueueStore& store, const Directory& directory, Settler& settler, Publisher& publisher,
       std::function<Permission()> permission, const PumpOptions& options);

  // Not before Run.
  void SetWorkers(Workers<Dispatch>* workers) { workers_ = workers; }

  // Runs until `stop`: then nothing new is journalled.
  void Run(std::stop_token stop);

  // Everything below is thread-safe and never blocks.
  void Offer(std::vector<StoredHead> heads);          // Rows that were just stored.
  void Poke(const std::vector<std::int64_t>& lanes);  // The table has new rows of these lanes.
  void Search();                                      // It may have new rows anywhere.
  void Tell(std::vector<Settled> settled);
  void WorkerDone();
  void Wake();
  void DirectoryChanged();
  void PauseLane(std::int64_t lane_id, SteadyTime until) override;
  void PauseAccount(const std::string& account_sid, SteadyTime until) override;

  void Grant(const std::vector<OwnedShard>& shards) override;
  void Revoke(const ShardSet& shards) override;
  ShardSet Owned() const;

 private:
  struct Mailbox {
    std::vector<StoredHead> offered;
    std::set<std::int64_t> poked;
    std::vector<Settled> settled;
    std::vector<OwnedShard> granted;
    ShardSet revoked;
    std::vector<std::pair<std::int64_t, SteadyTime>> lane_pauses;
    std::vector<std::pair<std::string, SteadyTime>> account_pauses;
    bool directory_changed = false;
    bool search = false;
    bool woken = false;
  };

  Mailbox Wait(const std::stop_token& stop);
  void Read(Mailbox mail);
  void AddLane(const LaneRow& row);
  void EnsureLanes(const std::set<std::int64_t>& ids);
  void FindQueues();
  void Load();
  void Send(const std::stop_token& stop);
  std::vector<JournalEntry> ToEntries(std::vector<Head> heads);
  void Abandon(const std::vector<JournalEntry>& entries, std::int64_t token);
  void Adapt(std::chrono::milliseconds journal_took);
  void Hand(const JournalEntry& entry, JournalResult& result, bool late);
  void ReportMetrics();

  QueueStore& store_;
  const Directory& directory_;
  Settler& settler_;
  Publisher& publisher_;
  const std::function<Permission()> permission_;
  const PumpOptions options_;
  Workers<Dispatch>* workers_ = nullptr;

  // Of the pump's thread only.
  Scheduler scheduler_;
  ShardSet to_search_;
  SteadyTime search_at_;
  SteadyTime retry_at_ = SteadyTime::max();
  std::set<std::int64_t> unknown_lanes_;
  bool saturated_ = false;
  std::size_t batch_limit_;  // Below batch_max while the store is slow.

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Mailbox mailbox_;
  bool waiting_for_worker_ = false;
  std::array<std::int64_t, kShards> epochs_{};  // 0: not ours.
};

}  // namespace parley::sender
