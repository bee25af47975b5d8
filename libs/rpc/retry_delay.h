// When a refused call may be repeated: travels with its status, and becomes google.rpc.RetryInfo.
#pragma once

#include <chrono>
#include <optional>

#include "absl/status/status.h"

namespace parley::rpc {

void SetRetryDelay(absl::Status& status, std::chrono::milliseconds delay);
std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status);

}  // namespace parley::rpc
