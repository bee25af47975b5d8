// Tells the gateway of every change: publishes, and marks what Kafka acknowledged. What is lost by
// a crash or while Kafka is away is found again in the store, so nothing waits for it.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include "ports.h"

namespace parley::sender {

struct PublisherOptions {
  std::size_t queued_max = 50'000;     // Beyond it changes are left to the search of the store.
  std::size_t in_flight_max = 20'000;  // Towards Kafka; the rest is left to the search as well.
  int rows_max = 1'000;                // Of one statement.
  std::chrono::milliseconds search_interval{2'000};
  std::chrono::milliseconds search_age{3'000};  // Younger changes are still on their way.
  // That a request is under way is told only if its outcome takes longer.
  std::chrono::milliseconds sending_hold{250};
};

class Publisher {
 public:
  Publisher(QueueStore& store, ResultSink& sink, const PublisherOptions& options)
      : store_(store), sink_(sink), options_(options) {}

  // Thread-safe; never block. Changes of `sending` are held back, others are marked on their rows
  // once Kafka has them; those of a publication are forgotten with it.
  void Enqueue(std::vector<Change> changes);
  void Enqueue(Publication publication);

  // Runs until `stop`, then until all that was queued is acknowledged and marked, at most 5 s.
  void Run(std::stop_token stop);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Item {
    Change change;
    std::int64_t publication = 0;  // 0: marked on its row.
    std::uint64_t round = 0;       // Of the publication, which may be published again.
  };
  struct Open {
    std::uint64_t round = 0;
    std::size_t left = 0;  // Changes of this round that Kafka has not acknowledged.
  };

  void Add(Change change, std::int64_t publication, std::uint64_t round);
  // Moves what was held for long enough to the queue. Returns when to look again.
  Time ReleaseHeld(Time now);
  void Publish(std::deque<Item> items);
  void Mark();
  // True if there may be more.
  bool Search();
  void Acknowledged(const Item& item, const absl::Status& status);
  void LeaveToSearch(const Item& item);
  bool Marking() const { return !acknowledged_.empty() || !done_.empty(); }

  QueueStore& store_;
  ResultSink& sink_;
  const PublisherOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Item> queued_;
  std::unordered_map<std::int64_t, Change> held_;  // Requests under way, by order of arrival.
  std::deque<std::pair<Time, std::int64_t>> held_until_;
  bool first_held_ = false;
  std::vector<Change> acknowledged_;
  std::unordered_map<std::int64_t, Open> open_;  // Publications.
  std::uint64_t rounds_ = 0;
  std::vector<std::int64_t> done_;  // Publications that Kafka has.
  std::size_t in_flight_ = 0;
};

}  // namespace parley::sender
