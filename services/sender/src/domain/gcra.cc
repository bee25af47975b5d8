#include "domain/gcra.h"

#include <algorithm>
#include <cmath>

namespace parley::sender {

using std::chrono::microseconds;

microseconds Gcra::Take(SteadyTime now, int cost) {
  if (now < next_) return std::chrono::ceil<microseconds>(next_ - now);
  const bool missed = now >= next_ + interval_;  // Was idle: the next slots count from now.
  const SteadyTime from = missed ? now : std::max(next_, now - std::min(interval_, kLateMax));
  next_ = from + interval_ * cost;
  return microseconds(0);
}

microseconds IntervalOf(double segments_per_second) {
  if (!(segments_per_second > 0)) return microseconds(0);
  // Rounded up, so that the rate is never exceeded.
  return microseconds(static_cast<std::int64_t>(std::ceil(1e6 / segments_per_second)));
}

}  // namespace parley::sender
