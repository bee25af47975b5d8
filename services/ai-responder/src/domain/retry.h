// When a provider is asked again. Pure: the caller draws the jitter and reads the clock.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "libs/base/clock.h"

namespace parley::ai {

struct RetryPolicy {
  int attempts_max = 3;
  std::chrono::milliseconds delay_min{500};
  std::chrono::milliseconds delay_max{8'000};
};

// What is known when attempt number `attempt` (1-based) failed in a way that may pass.
struct FailedAttempt {
  int attempt = 1;
  double jitter = 0;                                     // From [0, 1).
  std::optional<std::chrono::milliseconds> retry_after;  // As the provider asked.
  std::chrono::milliseconds time_left{0};                // Until the turn's deadline.
};

// How long to wait before the next attempt: full jitter below a ceiling that doubles, and at
// least as long as the provider asked. nullopt: give up, because the attempts are used up or the
// turn would be over.
std::optional<std::chrono::milliseconds> NextAttemptIn(const RetryPolicy& policy,
                                                       const FailedAttempt& failed);

// The wait that a Retry-After header asks for: seconds, or an HTTP date. nullopt if it is neither.
std::optional<std::chrono::milliseconds> ParseRetryAfter(std::string_view header, Time now);

}  // namespace parley::ai
