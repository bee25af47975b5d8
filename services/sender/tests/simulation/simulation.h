// One run: a seed decides the work, the faults and their times; then everything heals, and what is
// left must settle. DESIGN §6's promises are checked on Twilio's ledger and the tables.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "replica.h"

namespace parley::sender::simulation {

struct Totals {
  std::int64_t messages = 0;
  std::int64_t taken = 0;
  std::int64_t unconfirmed = 0;
  std::int64_t listed = 0;  // Settled by Twilio's list.
  std::int64_t kills = 0;
  std::int64_t lifted = 0;  // Holds after a restore.
  std::int64_t events = 0;
};

class Simulation {
 public:
  // Tells what happens to `trace`, if given.
  explicit Simulation(std::uint64_t seed, std::ostream* trace = nullptr);
  // The first promise that was broken, or nothing.
  std::string Run(Totals& totals);

 private:
  void MakeLanes();
  void MakeWork();
  void MakeFaults();
  void Emit(const Tables::Command& command, int partition);
  void StartReplica();
  void Rebalance();
  void Heal();
  void MakeRestore();
  // The gateway's relay, asked for its suppressions.
  void Republish(std::int64_t since_us);
  void PublishRun();
  bool IsSettled() const;
  // True for one that Twilio took, and whose own answer and callbacks said nothing yet.
  bool IsToBeFound(const Row& row) const;
  void WatchDeaths();

  void CheckOnce();
  void CheckEnds();
  void CheckUnconfirmed();
  void CheckEvidence();
  void CheckOrder();
  void CheckRates();
  void CheckConsent();
  void CheckLateness();
  void CheckHold();

  World world_;
  Tables tables_;
  Faults faults_;
  Kafka kafka_;
  Twilio twilio_;
  std::map<std::string, Micros> intervals_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::set<const Replica*> buried_;
  int in_flight_at_deaths_ = 0;
  int replicas_wanted_ = 0;
  int names_ = 0;
  std::size_t messages_ = 0;
  Micros healed_at_ = 0;
  Micros restored_at_ = -1;
  std::string gateways_own_;      // Opted out in the gateway's store alone; or nobody.
  std::int64_t last_run_us_ = 0;  // The last that the gateway began and ended.
  bool publishing_ = false;
  bool healed_ = false;
  bool patient_ = false;  // It ends only when the list has settled what it can.
};

}  // namespace parley::sender::simulation
