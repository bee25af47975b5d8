// Carries out what the engine decides: reads the table for it, journals what may go, and hands it
// to the workers. One thread runs it; everything else reaches it through a mailbox that wakes it
// at once.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "domain/engine.h"
#include "pipeline/dispatch.h"
#include "pipeline/leases.h"
#include "pipeline/publisher.h"
#include "pipeline/settler.h"
#include "pipeline/workers.h"
#include "ports.h"

namespace parley::sender {

class Pump final : public Brake, public ShardHolder {
 public:
  Pump(QueueStore& store, const LaneRules& rules, Settler& settler, Publisher& publisher,
       std::function<Permission()> permission, const EngineOptions& options);

  // Not before Run.
  void SetWorkers(Workers<Dispatch>* workers) { workers_ = workers; }

  // Runs until `stop`: then nothing new is journalled.
  void Run(std::stop_token stop);

  // Everything below is thread-safe and never blocks.
  void Offer(std::vector<StoredHead> heads);          // Rows that were just stored.
  void Poke(const std::vector<std::int64_t>& lanes);  // The table has new rows of these lanes.
  void Search();                                      // It may have new rows anywhere.
  // Returns the lanes of what goes on elsewhere: their owners are to be told.
  std::vector<std::int64_t> Tell(std::vector<Settled> settled);
  void WorkerDone();
  void Wake();
  void DirectoryChanged();  // Or a pause: lanes may be closed now, or open.
  void PauseLane(std::int64_t lane_id, SteadyTime until) override;
  void PauseAccount(const std::string& account_sid, SteadyTime until) override;
  void LimitAccount(const std::string& account_sid, int limit) override;

  void Grant(const std::vector<OwnedShard>& shards) override;
  void Revoke(const ShardSet& shards) override;
  bool IsQuiet(const ShardSet& shards) const override { return engine_.handover().IsQuiet(shards); }
  std::vector<LaneBusy> TakeBusy(const ShardSet& shards) override;
  ShardSet Owned() const;

 private:
  Mail Wait(const std::stop_token& stop);
  bool HasMail() const;
  bool RulesChanged() const;
  void FindLanes();
  void FindQueues();
  void Load();
  void Send(const std::stop_token& stop);
  void ReportMetrics();

  QueueStore& store_;
  Settler& settler_;
  Publisher& publisher_;
  const std::function<Permission()> permission_;
  const std::chrono::milliseconds horizon_;
  Workers<Dispatch>* workers_ = nullptr;
  Engine engine_;  // Of the pump's thread only, but for its handover.

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Mail mail_;
  bool woken_ = false;
  bool waiting_for_worker_ = false;
  ShardSet owned_;
};

}  // namespace parley::sender
