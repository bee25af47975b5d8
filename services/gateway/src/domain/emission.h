// When a Send command is emitted again that the sender has not accepted. Pure.
#pragma once

#include <algorithm>
#include <chrono>

namespace parley::gateway {

// Emissions are at most this far apart, so that a sender that comes back is not waited for long.
inline constexpr std::chrono::minutes kEmissionDelayMax{20};

// How long after the end of its time the outcome of an accepted send is missed.
inline constexpr std::chrono::hours kOutcomeWait{1};

// After the `emissions`-th repeat (1-based): the first delay doubled each time, up to the maximum,
// and up to half as much again, so that what was emitted together does not come together for ever.
// `jitter` is of [0, 1).
inline std::chrono::milliseconds EmissionDelay(std::chrono::milliseconds first, int emissions,
                                               double jitter) {
  const int doublings = std::clamp(emissions, 0, 10);  // Bounds the shift.
  const auto delay =
      std::min<std::chrono::milliseconds>(first * (1 << doublings), kEmissionDelayMax);
  return delay + std::chrono::milliseconds(
                     static_cast<std::int64_t>(static_cast<double>(delay.count()) * jitter / 2));
}

}  // namespace parley::gateway
