// The sender's tables in PostgreSQL (schema `sender`). One class for all ports: they share a pool
// and the cache of lanes.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <unordered_map>

#include "libs/postgres/pool.h"
#include "ports.h"

namespace parley::sender {

// The channel on which replicas are told of lanes with new rows (payload: lane id) or of free
// leases (payload: "leases").
inline constexpr char kWakeChannel[] = "sender_wake";
inline constexpr char kLeasesPayload[] = "leases";

// `url` with the planner settings that the hot statements rely on: they are prepared while the
// tables may still be empty, and must never become scans.
std::string WithPlannerSettings(const std::string& url);

class PostgresStore final : public CommandStore,
                            public QueueStore,
                            public EvidenceStore,
                            public DirectoryStore {
 public:
  explicit PostgresStore(postgres::Pool& pool) : pool_(pool) {}

  absl::StatusOr<CommandResult> Apply(const CommandBatch& batch, const ShardSet& owned) override;

  absl::StatusOr<std::vector<LaneRow>> QueuedLanes(const ShardSet& shards) override;
  absl::StatusOr<std::vector<LaneRow>> FindLanes(std::span<const std::int64_t> ids) override;
  absl::StatusOr<std::vector<LoadedRows>> LoadHeads(std::span<const LoadRequest> requests,
                                                    std::chrono::milliseconds horizon) override;
  absl::StatusOr<std::vector<JournalResult>> Journal(const JournalRequest& request) override;
  absl::StatusOr<SettledBatch> Settle(std::span<const SettleEntry> entries) override;
  absl::StatusOr<std::vector<Change>> ApplyEvidence(std::span<const Evidence> evidence) override;
  absl::StatusOr<std::vector<Change>> SweepDeadlines(int rows_max) override;
  absl::StatusOr<std::vector<Change>> SweepExpired(int rows_max) override;
  absl::StatusOr<std::vector<Change>> SweepCanceledCampaigns(int rows_max) override;
  absl::StatusOr<int> SweepResumedCampaigns(int rows_max) override;
  absl::StatusOr<int> Prune() override;
  absl::StatusOr<std::int64_t> CountUnconfirmed() override;
  absl::Status WakeOwners(std::span<const std::int64_t> lanes) override;
  absl::StatusOr<std::vector<Change>> Unpublished(std::chrono::milliseconds age,
                                                  int rows_max) override;
  absl::Status MarkPublished(std::span<const Change> changes) override;
  absl::StatusOr<std::vector<Publication>> OpenPublications(std::chrono::milliseconds age,
                                                            int changes_max) override;
  absl::Status ForgetPublications(std::span<const std::int64_t> ids) override;

  absl::StatusOr<std::vector<Pair>> DueLooks(const ShardSet& shards,
                                             const std::set<std::string>& skip,
                                             int pairs_max) override;
  absl::StatusOr<PairRows> LoadPair(const Pair& pair) override;
  absl::StatusOr<std::vector<Change>> SaveLooks(const Pair& pair,
                                                std::span<const Look> looks) override;

  absl::StatusOr<DirectoryRows> Load() override;
  absl::Status Save(const DirectoryRows& rows) override;
  absl::Status SaveConsents(std::span<const ConsentRow> rows, const LogPositions& next) override;
  absl::StatusOr<LogPositions> ConsentPositions() override;

 private:
  absl::Status ResolveLanes(const std::vector<NewDelivery>& sends);
  Lane LaneOf(const NewDelivery& send) const;
  absl::Status InsertSends(pqxx::work& tx, const std::vector<NewDelivery>& sends,
                           const ShardSet& owned, CommandResult& result);

  // kUnavailable: this connection is to another database than the sender works with, and its leases
  // say nothing. Asks once for each connection.
  absl::Status CheckDatabase(pqxx::work& tx);

  postgres::Pool& pool_;
  std::atomic<std::int64_t> checked_connection_{0};  // As CheckDatabase names it.
  std::atomic<std::int64_t> prune_page_{0};          // Where the next Prune begins.
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Lane> lanes_;  // By account, medium and number.
};

// `url` with limits by which a connection whose server is gone, or whose network swallows all, is
// found out within seconds.
std::string WithShortTimeouts(const std::string& url);

// Leases, on a pool of their own with short time limits.
class PostgresLeases final : public LeaseStore {
 public:
  explicit PostgresLeases(postgres::Pool& pool) : pool_(pool) {}
  absl::StatusOr<Leases> Renew(const std::string& replica,
                               std::chrono::milliseconds lease) override;
  absl::Status Release(const std::string& replica, const ShardSet& shards,
                       std::span<const LaneBusy> busy) override;
  absl::Status Leave(const std::string& replica) override;
  absl::Status Ping() override { return pool_.Ping(); }

 private:
  postgres::Pool& pool_;
};

}  // namespace parley::sender
