// Pauses and resumes an account, or one number of it. Every replica takes it up within 2 s.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/postgres/pool.h"

namespace parley::sender {

inline constexpr std::size_t kPauseReasonCharsMax = 200;

struct PauseOrder {
  std::string account_sid;
  std::string number;  // Empty: the whole account.
  std::string reason;  // For other operators; may be empty.
  std::string by;      // Who asks.
};

// Errors, also of the two below: kInvalidArgument PAUSE_INVALID, and what to write instead.
absl::Status CheckOrder(const PauseOrder& order);

// A sentence that says what is so now. Pausing what is paused renews its reason. Errors: kNotFound
// ACCOUNT_UNKNOWN or NUMBER_UNKNOWN, so that a slip of the pen does not look like a pause; those of
// the pool.
absl::StatusOr<std::string> Pause(const PauseOrder& order, postgres::Pool& pool);

// The same for its end. Errors: kNotFound NOT_PAUSED; those of the pool.
absl::StatusOr<std::string> Resume(const PauseOrder& order, postgres::Pool& pool);

}  // namespace parley::sender
