// What time does to rows: requests without outcome become unconfirmed, late ones expire, campaigns
// resume or end, old rows go. Any replica does it for all.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "pipeline/publisher.h"
#include "ports.h"

namespace parley::sender {

struct SweeperOptions {
  std::chrono::milliseconds interval{1'000};
  std::chrono::milliseconds prune_interval{60'000};
  int rows_max = 500;
};

class Sweeper {
 public:
  Sweeper(QueueStore& store, Publisher& publisher, const SweeperOptions& options)
      : store_(store), publisher_(publisher), options_(options) {}

  void Run(std::stop_token stop);
  void Wake();  // Thread-safe: a campaign changed.

 private:
  // True if there may be more.
  bool SweepOnce();
  bool Publish(absl::StatusOr<std::vector<Change>> changes, const char* event);

  QueueStore& store_;
  Publisher& publisher_;
  const SweeperOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;
};

}  // namespace parley::sender
