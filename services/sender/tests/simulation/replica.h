// One replica: the decisions that ship (src/domain), carried out on simulated threads. What the
// pipelines do with threads and waits is done here with events; each may be the last one before a
// kill, or be held up by a pause.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/consent_freshness.h"
#include "domain/engine.h"
#include "domain/hold.h"
#include "domain/lease_state.h"
#include "domain/retry_budget.h"
#include "domain/throttle.h"
#include "domain/write_slot.h"
#include "outside.h"

namespace parley::sender::simulation {

class Replica final : public LaneRules {
 public:
  static constexpr std::size_t kWorkers = 6;
  static constexpr Micros kTimeout = 2 * kSecond;

  Replica(World& world, Tables& tables, Twilio& twilio, Kafka& kafka, const Faults& faults,
          const std::map<std::string, Micros>& intervals, std::string name);

  void Start();
  // As SIGKILL. What it had sent to the store may still be done there.
  void Kill();
  // As SIGSTOP; the kernel's timer goes on.
  void Pause(Micros time);
  // As SIGTERM.
  void Stop();

  bool alive() const { return alive_; }
  const std::string& name() const { return name_; }
  // Requests that were journalled, or may be, and have no stored outcome.
  int InFlight() const;
  // Of an account that it asked Twilio for: first ones and retries.
  static constexpr RetryBudget::Options kRetries{.at_once = 1,
                                                 .interval = std::chrono::milliseconds(5'000)};

  // Kafka cannot be reached from here.
  void SetCutOff(bool cut_off) { cut_off_ = cut_off; }
  // Partitions of the commands.
  void Assign(std::vector<int> partitions) { partitions_ = std::move(partitions); }
  // Tells whoever owns the lane that it has new rows, unless that is lost.
  std::function<void(std::int64_t)> on_foreign;
  // Asks the gateway for its suppressions.
  std::function<void(std::int64_t)> on_request;
  // A notification of the store.
  void Poke(const std::vector<std::int64_t>& lanes);

  std::chrono::microseconds Interval(const Lane& lane) const override {
    return std::chrono::microseconds(intervals_.at(lane.number));
  }
  bool IsOpen(const Lane& lane) const override { return !pauses_.Covers(lane); }
  std::int64_t AccountVersion(const std::string&) const override { return 0; }

 private:
  // On this process: not after its death, and not while it is paused.
  void At(Micros at, std::function<void()> what);
  void In(Micros delay, std::function<void()> what) { At(world_.now() + delay, std::move(what)); }
  // A transaction: `run` at the store, then `done` here with its result or an error.
  template <class Result>
  void Call(std::function<Result()> run, std::function<void(absl::StatusOr<Result>)> done);
  void Leave();
  void End();
  // Perhaps the end of this process, or a pause, right here.
  void MayStrike();

  void WakePump();
  void Round();
  void FindLanes();
  void FindQueues();
  void Load();
  void Journal();
  void Handle(const JournalRequest& request, absl::StatusOr<std::vector<JournalResult>> results,
              SteadyTime started);
  void CheckTurns(const std::optional<JournalRequest>& request);
  void CheckPauses(const std::optional<JournalRequest>& request);
  void Rest();

  void StartWork();
  struct Work;
  void AskForTurn(const std::shared_ptr<Work>& work);
  void Write(const std::shared_ptr<Work>& work);
  void Conclude(const std::shared_ptr<Work>& work, const twilio::SendOutcome& outcome);

  void Push(SettleEntry entry);
  void SettleNext();
  void Renew();
  void Guard();
  void Revoke(const ShardSet& shards);
  // As soon as what was journalled is written or given up; then `done`.
  void ReleaseQuiet(const ShardSet& shards, Micros latest, std::function<void()> done);
  void Arm(std::optional<BootTime> at);
  void LookAtHold();
  void LookForConsent();
  void TakeCommands();
  void Sweep();
  void LookForEvidence();
  void ReadPauses();
  void LookFor(std::vector<Pair> pairs);

  World& world_;
  Tables& tables_;
  Twilio& twilio_;
  Kafka& kafka_;
  const Faults& faults_;
  const std::map<std::string, Micros>& intervals_;
  const std::string name_;
  bool alive_ = true;
  bool leaving_ = false;  // Nothing new is begun.
  bool left_ = false;     // Nothing is on its way either.
  Micros paused_until_ = 0;
  Micros last_pause_ = -1;  // Ended then.

  Engine engine_;
  Mail mail_;
  ShardSet owned_;
  bool pump_busy_ = false;
  bool pump_woken_ = false;
  std::uint64_t pump_wake_ = 0;
  std::size_t journalling_ = 0;
  int ahead_ = 0;  // Segments of o0 more than of o1 while both waited.

  std::size_t running_ = 0;
  struct Task {
    Dispatch dispatch;
    Micros planned_at = 0;
    bool cut_off = false;
  };
  std::vector<Task> tasks_;
  bool planned_cut_off_ = false;  // Kafka was not heard for 5 s when the last batch was planned.
  Throttle throttle_;
  RetryBudget retries_;

  std::vector<SettleEntry> outcomes_;
  std::size_t settling_ = 0;

  LeaseState leases_;
  std::uint64_t timer_ = 0;  // The one that counts; 0: disarmed.
  std::uint64_t timers_ = 0;

  PauseSet pauses_;  // As the store had them when it was read last.
  Holding holding_;
  int reading_ = 0;  // Rises when consent is read from the beginning again.
  ConsentFreshness consent_;
  std::size_t consents_read_ = 0;
  bool cut_off_ = false;
  Micros heard_at_ = 0;
  std::vector<int> partitions_;
};

}  // namespace parley::sender::simulation
