// Tells the gateway of every change: publishes, and marks what Kafka acknowledged. What is lost by
// a crash or while Kafka is away is found again in the store, so nothing waits for it.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <vector>

#include "ports.h"

namespace parley::sender {

struct PublisherOptions {
  std::size_t queued_max = 50'000;  // Beyond it changes are left to the search of the store.
  int rows_max = 1'000;             // Of one statement.
  std::chrono::milliseconds search_interval{2'000};
  std::chrono::milliseconds search_age{3'000};  // Younger changes are still on their way.
};

class Publisher {
 public:
  Publisher(QueueStore& store, ResultSink& sink, const PublisherOptions& options)
      : store_(store), sink_(sink), options_(options) {}

  // Thread-safe; never blocks.
  void Enqueue(std::vector<Change> changes);
  void Enqueue(Change change);

  // Runs until `stop`, then until all that was queued is acknowledged and marked, at most 5 s.
  void Run(std::stop_token stop);

 private:
  void Publish(std::deque<Change> changes);
  void Mark();
  // True if there may be more.
  bool Search();
  void Acknowledged(const Change& change, const absl::Status& status);

  QueueStore& store_;
  ResultSink& sink_;
  const PublisherOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Change> queued_;
  std::vector<Change> acknowledged_;
  std::size_t in_flight_ = 0;
};

}  // namespace parley::sender
