// Writes outcomes in batches: what came in while the last batch was written is the next one.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "pipeline/publisher.h"
#include "ports.h"

namespace parley::sender {

class Settler {
 public:
  using OnSettled = std::function<void(std::vector<Settled>)>;
  Settler(QueueStore& store, Publisher& publisher, OnSettled on_settled)
      : store_(store), publisher_(publisher), on_settled_(std::move(on_settled)) {}

  // Thread-safe. Bounded by the requests that are in flight.
  void Push(SettleEntry entry);
  std::size_t pending() const;

  // Runs until `stop` and nothing is pending; while the store is away it tries on, after `stop`
  // for at most 5 s. What the store refuses for good is taken out of its batch and ends as failed
  // or unconfirmed, visibly, without what the store does not take.
  void Run(std::stop_token stop);

 private:
  void Write(std::span<SettleEntry> entries, const std::stop_token& stop);
  // One that the store refuses for good.
  void Bury(SettleEntry& entry, const absl::Status& refused, const std::stop_token& stop);
  void Tell(std::span<const SettleEntry> entries, const SettledBatch& batch);

  QueueStore& store_;
  Publisher& publisher_;
  const OnSettled on_settled_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<SettleEntry> entries_;
  std::size_t writing_ = 0;
};

}  // namespace parley::sender
