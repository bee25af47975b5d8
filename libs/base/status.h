// absl::Status with the two things that Debian's Abseil (20220623) lacks here: the
// macros, and a machine-readable reason that travels to the API's ErrorInfo.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace parley {

// Debian's absl::string_view is its own type and does not convert from std's.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view FromAbsl(absl::string_view text) { return {text.data(), text.size()}; }

// An error that a client can act on. `reason` is UPPER_SNAKE and stable (google.rpc.ErrorInfo);
// `message` is a sentence for a person: what happened, why, what to do.
absl::Status ErrorStatus(absl::StatusCode code, std::string_view reason, std::string_view message);

// The reason given to ErrorStatus, or the code's own name ("NOT_FOUND") if there is none.
std::string ErrorReason(const absl::Status& status);

// Shorthands for the codes that handlers use most.
absl::Status InvalidArgument(std::string_view reason, std::string_view message);
absl::Status NotFound(std::string_view reason, std::string_view message);
absl::Status FailedPrecondition(std::string_view reason, std::string_view message);
absl::Status Unavailable(std::string_view reason, std::string_view message);
absl::Status Internal(std::string_view message);

// True for errors of infrastructure that a later try may not meet: kUnavailable,
// kDeadlineExceeded, kAborted, kResourceExhausted. Everything else is final.
bool IsRetryable(const absl::Status& status);

namespace internal {
inline absl::Status AsStatus(absl::Status status) { return status; }
template <class T>
absl::Status AsStatus(const absl::StatusOr<T>& value) {
  return value.status();
}
}  // namespace internal
}  // namespace parley

#define PARLEY_CONCAT_INNER(a, b) a##b
#define PARLEY_CONCAT(a, b) PARLEY_CONCAT_INNER(a, b)

// Returns from the enclosing function if `expression` (Status or StatusOr) is an error.
#define PARLEY_RETURN_IF_ERROR(expression)                                                  \
  do {                                                                                      \
    if (auto parley_status = ::parley::internal::AsStatus(expression); !parley_status.ok()) \
      return parley_status;                                                                 \
  } while (false)

// PARLEY_ASSIGN_OR_RETURN(const Turn turn, ParseTurn(value));
#define PARLEY_ASSIGN_OR_RETURN(target, expression) \
  PARLEY_ASSIGN_OR_RETURN_INNER(PARLEY_CONCAT(parley_or_, __LINE__), target, expression)
#define PARLEY_ASSIGN_OR_RETURN_INNER(holder, target, expression) \
  auto holder = (expression);                                     \
  if (!holder.ok()) return holder.status();                       \
  target = std::move(holder).value()
