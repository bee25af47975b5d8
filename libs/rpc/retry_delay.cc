#include "libs/rpc/retry_delay.h"

#include <charconv>
#include <string>

#include "absl/strings/cord.h"

namespace parley::rpc {
namespace {
constexpr char kDelayUrl[] = "parley/retry-delay-ms";
}

void SetRetryDelay(absl::Status& status, std::chrono::milliseconds delay) {
  status.SetPayload(kDelayUrl, absl::Cord(std::to_string(delay.count())));
}

std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status) {
  const auto payload = status.GetPayload(kDelayUrl);
  if (!payload) return std::nullopt;
  const std::string text(*payload);
  std::int64_t ms = 0;
  std::from_chars(text.data(), text.data() + text.size(), ms);
  return std::chrono::milliseconds(ms);
}

}  // namespace parley::rpc
