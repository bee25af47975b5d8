// Writes outcomes in batches: what came in while the last batch was written is the next one.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <vector>

#include "pipeline/publisher.h"
#include "ports.h"

namespace parley::sender {

// What the scheduler is told once an outcome is stored.
struct Settled {
  std::int64_t ord = 0;
  std::int64_t lane_id = 0;
  bool requeue = false;  // Due again after `wait`, with `attempt` requests so far.
  std::chrono::milliseconds wait{0};
  int attempt = 0;
  bool unclear = false;  // The row was not as expected: read the lane again.
};

class Settler {
 public:
  using OnSettled = std::function<void(std::vector<Settled>)>;
  Settler(QueueStore& store, Publisher& publisher, OnSettled on_settled)
      : store_(store), publisher_(publisher), on_settled_(std::move(on_settled)) {}

  // Thread-safe. Bounded by the requests that are in flight.
  void Push(SettleEntry entry);
  std::size_t pending() const;

  // Runs until `stop` and nothing is pending; while the store is away it tries on, after `stop`
  // for at most 5 s.
  void Run(std::stop_token stop);

 private:
  void Write(std::vector<SettleEntry> entries, const std::stop_token& stop);

  QueueStore& store_;
  Publisher& publisher_;
  const OnSettled on_settled_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<SettleEntry> entries_;
  std::size_t writing_ = 0;
};

}  // namespace parley::sender
