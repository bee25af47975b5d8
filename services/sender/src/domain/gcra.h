// The generic cell rate algorithm with a burst of one: after a message of n segments the number is
// busy for n intervals. Missed slots are not caught up; but one that is taken a little late, as
// every sleep ends a little late, does not move those behind it. So a second never holds more than
// the rate and one message. Pure; not thread-safe.
#pragma once

#include <chrono>

#include "domain/delivery.h"

namespace parley::sender {

class Gcra {
 public:
  // What a slot may be late without moving the next; never more than an interval.
  static constexpr std::chrono::microseconds kLateMax{5'000};

  // `interval` is one segment's; zero means no limit. Nothing is allowed before `first`.
  explicit Gcra(std::chrono::microseconds interval, SteadyTime first = SteadyTime::min())
      : interval_(interval), next_(first) {}

  // Zero if `cost` segments may be written at `now`, and then they are taken. Otherwise how long
  // to wait before asking again.
  std::chrono::microseconds Take(SteadyTime now, int cost);

  // The earliest time at which something may be written.
  SteadyTime next() const { return next_; }
  std::chrono::microseconds interval() const { return interval_; }

  // Another rate from now on; what was taken stays taken.
  void SetInterval(std::chrono::microseconds interval) { interval_ = interval; }

 private:
  std::chrono::microseconds interval_;
  SteadyTime next_;
};

// The interval of a rate in segments per second; 0 or less means no limit.
std::chrono::microseconds IntervalOf(double segments_per_second);

}  // namespace parley::sender
