// What surrounds the replicas: Twilio with its ledger, and Kafka's topics as far as they matter
// here. Also what is broken just now.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tables.h"
#include "world.h"

namespace parley::sender::simulation {

// How often what goes wrong; all zero once a run is healed.
struct Faults {
  double strike = 0;         // A replica is killed or paused at a step of a send.
  double store_fails = 0;    // A transaction fails, or its answer is lost.
  double answer_lost = 0;    // Twilio took it, and nobody hears of it.
  double server_error = 0;   // 5xx, taken or not.
  double busy = 0;           // 429.
  double refused = 0;        // Another 4xx.
  double no_connection = 0;  // Not a byte leaves.
  bool store_down = false;
  bool twilio_down = false;
  Micros store_delay_max = 4 * kMilli;
  Micros connect_delay_max = 5 * kMilli;
};

// A creation that Twilio took.
struct Taken {
  Head head;
  Job job;
  Micros planned_at = 0;  // When its journal transaction was begun.
  Micros written_at = 0;
  bool paused = false;  // Its process was stopped between its last look at the clock and the write.
  bool cut_off = false;  // Its replica had heard nothing of Kafka for 5 s.
};

class Twilio {
 public:
  Twilio(World& world, Tables& tables, const Faults& faults)
      : world_(world), tables_(tables), faults_(faults) {}

  // The request's bytes arrive. `answer` is told what the client sees, now or later.
  void Arrive(const Taken& request, Micros timeout,
              std::function<void(twilio::SendOutcome)> answer);

  const std::vector<Taken>& ledger() const { return ledger_; }
  // Its list of messages, as far as it knows of them by now.
  void SetListLag(Micros lag) { list_lag_ = lag; }
  std::vector<twilio::MessageResource> List(const Pair& pair, Time since) const;
  std::optional<Time> Newest(const Lane& lane) const;
  // Of the nth message of the ledger.
  static std::string Sid(std::size_t nth);
  // Requests after which nobody could know: they may end unconfirmed.
  int doubtful() const { return doubtful_; }
  // Customers that Twilio knows as opted out.
  std::set<std::string> unsubscribed;

 private:
  void CallBack(const Taken& request, const std::string& sid);
  bool IsListed(const Taken& taken) const;

  World& world_;
  Tables& tables_;
  const Faults& faults_;
  std::vector<Taken> ledger_;
  std::map<std::string, int> unfinished_;
  int doubtful_ = 0;
  Micros list_lag_ = 0;
};

struct ConsentRecord {
  std::string customer;
  bool stopped = false;
  Micros at = 0;  // When Kafka had it.
  // Of the gateway's runs: out of its store, by its clock.
  Micros given_at = -1;  // -1: just then.
  std::int64_t run_us = 0;
  std::optional<std::int64_t> records = {};  // The last one of the run, of no customer.
  Micros GivenAt() const { return given_at < 0 ? at : given_at; }
};

// Topics with several readers; a partition of commands is read by one replica at a time, or by two
// for a moment after a rebalance.
struct Kafka {
  static constexpr int kPartitions = 3;
  std::vector<Tables::Command> commands[kPartitions];
  std::size_t committed[kPartitions] = {};
  std::vector<ConsentRecord> consents;
};

}  // namespace parley::sender::simulation
