// How long to wait before a request is tried again. Pure: the caller draws `jitter` from [0, 1).
#pragma once

#include <chrono>
#include <optional>

namespace parley::sender {

struct RetryPolicy {
  int errors_max = 3;  // Requests answered with a retryable error, the first one included.
  std::chrono::milliseconds delay_min{500};
  std::chrono::milliseconds delay_max{30'000};
  // For errors that pass over minutes or hours.
  std::chrono::milliseconds later_delay_min{60'000};
  std::chrono::milliseconds later_delay_max{900'000};
};

enum class Patience { kSoon, kLater };

// The wait after the `errors`-th (1-based) retryable answer; none: give up.
std::optional<std::chrono::milliseconds> RetryDelay(const RetryPolicy& policy, Patience patience,
                                                    int errors, double jitter);

// Full jitter: between zero and a ceiling that doubles from `min` to `max` with each `step` (from
// 1). At least 50 ms, so that nothing spins.
std::chrono::milliseconds Backoff(std::chrono::milliseconds min, std::chrono::milliseconds max,
                                  int step, double jitter);

}  // namespace parley::sender
