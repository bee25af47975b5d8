// The sender's tables as PostgreSQL keeps them: each call is one transaction. What the statements
// of src/adapters/postgres_*.cc decide by SQL is decided here by the same rules; the gate itself is
// the one that ships.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ports.h"
#include "world.h"

namespace parley::sender::simulation {

struct Row {
  NewDelivery send;
  std::int64_t ord = 0;
  std::int64_t lane_id = 0;
  State state = State::kQueued;
  bool held = false;
  int attempt = 0;
  int errors = 0;
  std::int64_t journal = 0;
  Micros not_before = 0;  // By the tables' clock, as all times here.
  Micros due = 0;
  Micros not_after = 0;
  Micros deadline = 0;
  Micros changed_at = 0;
  std::int64_t version = 0;
  std::string reason;
  std::string sid;
  Micros requested_at = 0;
  std::int64_t look_journal = 0;  // The other look fields speak of this entry.
  int looks = 0;
  std::optional<Micros> look_due;  // None: it is not looked for any more.
  std::vector<Finding> findings;
};

class Tables {
 public:
  static constexpr Micros kClockStart = 1'000 * kSecond;
  explicit Tables(World& world) : world_(world) {}

  // The clock of the server, which somebody may set.
  Micros Now() const { return world_.now() + offset_; }
  void StepClock(Micros by) {
    offset_ += by;
    stepped_ = true;
  }
  bool stepped() const { return stepped_; }

  std::int64_t AddLane(const std::string& account_sid, const std::string& number, int shard);

  struct Command {
    NewDelivery send;
    std::int64_t lane_id = 0;
    Micros not_before_in = 0;
    Micros not_after_in = 0;
  };
  std::vector<StoredHead> Apply(std::span<const Command> commands);
  void Cancel(const DeliveryKey& key);
  void SetCampaign(const std::string& campaign_id, CampaignState state);
  void SetPauses(PauseSet pauses) { pauses_ = std::move(pauses); }
  const PauseSet& pauses() const { return pauses_; }

  std::vector<LaneRow> QueuedLanes(const ShardSet& shards);
  std::vector<LaneRow> FindLanes(std::span<const std::int64_t> ids);
  std::vector<LoadedRows> LoadHeads(std::span<const LoadRequest> requests,
                                    std::chrono::milliseconds horizon);
  std::vector<JournalResult> Journal(const JournalRequest& request);
  std::vector<SettleResult> Settle(std::span<const SettleEntry> entries);
  void ApplyEvidence(const Evidence& evidence);
  std::vector<Pair> DueLooks(const ShardSet& shards, const std::set<std::string>& skip);
  PairRows LoadPair(const Pair& pair);
  void SaveLooks(const Pair& pair, std::span<const Look> looks);
  void SaveConsent(const std::string& customer, bool stopped, Micros given_at);
  // Deadlines, expiry, campaigns; lanes to wake.
  std::vector<std::int64_t> Sweep();

  // It becomes another database, which knows of nobody's consent.
  void Restore() {
    ++identity_;
    consents_.clear();
  }
  Hold LookAtHold();
  void Lift(std::int64_t number, std::int64_t lifts_from_us);
  // In the world's time; of the last hold. -1: it is not lifted.
  Micros lifted_at() const { return lifted_at_; }

  Leases Renew(const std::string& replica, std::chrono::milliseconds lease);
  void Release(const std::string& replica, const ShardSet& shards, std::span<const LaneBusy> busy);
  void Leave(const std::string& replica);
  // Its process is known to be dead: its leases are free.
  void Bury(const std::string& replica) { dead_.insert(replica); }

  const std::vector<Row>& rows() const { return rows_; }
  const Row* Find(const DeliveryKey& key) const;
  const Lane& lane(std::int64_t id) const { return lanes_[static_cast<std::size_t>(id) - 1].lane; }

 private:
  struct LaneState {
    Lane lane;
    Micros last_request_at = -1;
    int last_segments = 0;
    Micros busy = -1;  // -1: unknown.
  };
  struct Shard {
    std::string owner;
    std::int64_t epoch = 0;
    Micros lease_until = -1;
  };
  Row* Get(const DeliveryKey& key);
  bool IsDue(const Row& row) const;
  std::set<std::string> Claimed(const Pair& pair) const;
  GateFacts Facts(const Row& row, const JournalEntry& entry, const std::string& replica) const;
  bool IsConversationBusy(const Row& row) const;
  Change Moved(Row& row, State state, std::string reason);
  LaneRow ToLaneRow(const LaneState& lane) const;

  World& world_;
  Micros offset_ = kClockStart;
  bool stepped_ = false;
  std::vector<Row> rows_;
  std::map<DeliveryKey, std::size_t> by_key_;
  std::vector<LaneState> lanes_;
  std::array<Shard, kShards> shards_;
  std::map<std::string, Micros> replicas_;
  std::set<std::string> dead_;
  std::map<std::string, std::pair<Micros, bool>> consents_;
  std::set<std::pair<std::string, std::int64_t>> blocked_;
  std::map<std::string, CampaignState> campaigns_;
  PauseSet pauses_;
  std::map<std::string, int> cancellations_;
  std::int64_t identity_ = 1;
  std::int64_t known_identity_ = 1;
  Hold hold_;
  Micros lifted_at_ = -1;
};

}  // namespace parley::sender::simulation
