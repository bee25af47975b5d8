#include "domain/retry.h"

#include <algorithm>
#include <cassert>

namespace parley::sender {

using std::chrono::milliseconds;

milliseconds Backoff(milliseconds min, milliseconds max, int step, double jitter) {
  assert(step >= 1);
  const int doublings = std::min(step - 1, 16);  // Bounds the shift below.
  const milliseconds ceiling = std::min(max, milliseconds(min.count() << doublings));
  const auto drawn = static_cast<std::int64_t>(static_cast<double>(ceiling.count()) * jitter);
  return std::max(milliseconds(50), milliseconds(drawn));
}

std::optional<milliseconds> RetryDelay(const RetryPolicy& policy, Patience patience, int errors,
                                       double jitter) {
  assert(errors >= 1);
  if (errors >= policy.errors_max) return std::nullopt;
  return patience == Patience::kSoon
             ? Backoff(policy.delay_min, policy.delay_max, errors, jitter)
             : Backoff(policy.later_delay_min, policy.later_delay_max, errors, jitter);
}

}  // namespace parley::sender
