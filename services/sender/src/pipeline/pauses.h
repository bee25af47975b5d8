// What operators stopped, as this replica knows it: the lanes of it are closed, as those of an
// account that is not known. Thread-safe, but for Load.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "domain/engine.h"
#include "domain/pause_set.h"
#include "ports.h"

namespace parley::sender {

class Pauses final : public LaneRules {
 public:
  // `rules`: those of the directory. `on_change` is told on the thread of Load.
  Pauses(const LaneRules& rules, OperatorStore& store, std::function<void()> on_change)
      : rules_(rules), store_(store), on_change_(std::move(on_change)) {}

  // Reads all of them, and logs who paused what and what was resumed. After an error, which is the
  // store's, those that were known last go on. For one thread.
  absl::Status Load();

  std::chrono::microseconds Interval(const Lane& lane) const override {
    return rules_.Interval(lane);
  }
  bool IsOpen(const Lane& lane) const override;
  std::int64_t AccountVersion(const std::string& account_sid) const override {
    return rules_.AccountVersion(account_sid);
  }

 private:
  const LaneRules& rules_;
  OperatorStore& store_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_;
  PauseSet pauses_;
};

}  // namespace parley::sender
