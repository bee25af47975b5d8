#include "domain/retry.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <ctime>
#include <string>

#include "libs/base/text.h"

namespace parley::ai {

using std::chrono::milliseconds;

std::optional<milliseconds> NextAttemptIn(const RetryPolicy& policy, const FailedAttempt& failed) {
  assert(failed.attempt >= 1);
  if (failed.attempt >= policy.attempts_max) return std::nullopt;
  const int doublings = std::min(failed.attempt - 1, 16);  // Bounds the shift below.
  const milliseconds ceiling = std::min(policy.delay_max, policy.delay_min * (1 << doublings));
  milliseconds wait(
      static_cast<std::int64_t>(static_cast<double>(ceiling.count()) * failed.jitter));
  if (failed.retry_after) wait = std::max(wait, *failed.retry_after);
  if (wait >= failed.time_left) return std::nullopt;
  return wait;
}

std::optional<milliseconds> ParseRetryAfter(std::string_view header, Time now) {
  header = Trim(header);
  if (header.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error == std::errc() && end == header.data() + header.size()) {
    constexpr std::int64_t kSecondsMax = 24 * 3600;
    return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kSecondsMax));
  }
  std::tm date{};
  const std::string text(header);
  const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  const auto at = std::chrono::sys_seconds(std::chrono::seconds(timegm(&date)));
  return std::max(std::chrono::ceil<milliseconds>(at - now), milliseconds(0));
}

}  // namespace parley::ai
