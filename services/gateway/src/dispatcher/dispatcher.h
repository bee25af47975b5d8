// The role `dispatcher`: does what is due. Emits AI turns and closes those that got no answer,
// emits messages that were planned, and Send commands again that the sender has not accepted, and
// applies the organizations' policies to unconfirmed messages.
//
// Replicas share the work (FOR UPDATE SKIP LOCKED). It wakes at the next due time, or when a
// transaction says that there is an earlier one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <stop_token>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/postgres/listener.h"
#include "libs/postgres/pool.h"
#include "store/decisions.h"
#include "store/inbox.h"

namespace parley::gateway::dispatcher {

struct DispatcherOptions {
  postgres::PoolOptions database;  // For the listener's own connection; gateway_worker.
  store::AppendPolicy append;      // With both keys; `now` is set for each round.
  int batch_max = 200;
  // Deadlines and repeats need no precision: they are looked at this often at least.
  std::chrono::milliseconds wait_max{2'000};
  // How often policies are applied and what waits is counted.
  std::chrono::milliseconds look_every{5'000};
  // A row that waits for Kafka longer means that Kafka is away.
  std::chrono::seconds outbox_stuck_after{10};
};

class Dispatcher {
 public:
  // `pool` is gateway_worker's. References outlive this.
  Dispatcher(DispatcherOptions options, postgres::Pool& pool, const Clock& clock);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  void Start();
  void Stop();

  // Parts of a round, each one transaction; public for tests. They return how many rows they took.
  absl::StatusOr<int> CloseOverdueTurns();
  absl::StatusOr<int> EmitDueTurns();
  absl::StatusOr<int> EmitPlanned();
  // Sends that the sender has accepted: their outcome is missed later.
  absl::StatusOr<int> PutOffAccepted();
  absl::StatusOr<int> EmitSendsAgain();
  absl::StatusOr<int> ApplyPolicies();
  absl::Status CountWaiting();

 private:
  void Run(const std::stop_token& stop);
  // True if something may be left to do at once.
  absl::StatusOr<bool> Round();
  absl::StatusOr<std::chrono::milliseconds> UntilNextDue();
  absl::StatusOr<bool> OutboxStuck(pqxx::work& tx);
  struct Lost;
  static absl::Status GiveUp(pqxx::work& tx, const Lost& lost, Time now);
  store::AppendPolicy Policy() const;
  store::DecisionPolicy Deciding() const;

  const DispatcherOptions options_;
  postgres::Pool& pool_;
  const Clock& clock_;
  postgres::Listener listener_;
  std::chrono::steady_clock::time_point look_at_;
  std::optional<std::chrono::steady_clock::time_point> outbox_moves_at_;
  std::minstd_rand random_{std::random_device()()};
  std::uniform_real_distribution<double> jitter_{0, 1};
  std::jthread thread_;
};

}  // namespace parley::gateway::dispatcher
