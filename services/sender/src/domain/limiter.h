// A lane's rate, shared by the scheduler, which plans ahead, and the workers, which decide at the
// write. Thread-safe; no I/O and no clock of its own.
#pragma once

#include <algorithm>
#include <mutex>

#include "domain/gcra.h"

namespace parley::sender {

class Limiter {
 public:
  explicit Limiter(Gcra gcra) : gcra_(gcra) {}

  // When one more message would be written if everything that is reserved goes as fast as it may.
  SteadyTime Expected(SteadyTime now) const {
    const std::lock_guard lock(mutex_);
    return std::max(now, gcra_.next()) + gcra_.interval() * reserved_;
  }

  // `cost` segments were picked and will be written soon, or given up.
  void Reserve(int cost) {
    const std::lock_guard lock(mutex_);
    reserved_ += cost;
  }
  void GiveUp(int cost) {
    const std::lock_guard lock(mutex_);
    reserved_ -= cost;
  }

  // Asks at the write. Zero: write now, the reservation is used up. Else how long to wait.
  std::chrono::microseconds Take(SteadyTime now, int cost) {
    const std::lock_guard lock(mutex_);
    const auto wait = gcra_.Take(now, cost);
    if (wait.count() == 0) reserved_ -= cost;
    return wait;
  }

  // As Take, for a message whose first slot passed unused.
  std::chrono::microseconds TakeAnother(SteadyTime now, int cost) {
    const std::lock_guard lock(mutex_);
    return gcra_.Take(now, cost);
  }

  // The earliest time at which something may be written.
  SteadyTime next() const {
    const std::lock_guard lock(mutex_);
    return gcra_.next();
  }

  void SetInterval(std::chrono::microseconds interval) {
    const std::lock_guard lock(mutex_);
    gcra_.SetInterval(interval);
  }
  std::chrono::microseconds interval() const {
    const std::lock_guard lock(mutex_);
    return gcra_.interval();
  }

 private:
  mutable std::mutex mutex_;
  Gcra gcra_;
  int reserved_ = 0;
};

}  // namespace parley::sender
