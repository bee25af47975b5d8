#include "libs/base/status.h"

#include "absl/strings/cord.h"

namespace parley {
namespace {
constexpr char kReasonUrl[] = "parley/reason";
}

absl::Status ErrorStatus(absl::StatusCode code, std::string_view reason, std::string_view message) {
  absl::Status status(code, ToAbsl(message));
  status.SetPayload(kReasonUrl, absl::Cord(ToAbsl(reason)));
  return status;
}

std::string ErrorReason(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kReasonUrl)) return std::string(*payload);
  return absl::StatusCodeToString(status.code());
}

absl::Status InvalidArgument(std::string_view reason, std::string_view message) {
  return ErrorStatus(absl::StatusCode::kInvalidArgument, reason, message);
}
absl::Status NotFound(std::string_view reason, std::string_view message) {
  return ErrorStatus(absl::StatusCode::kNotFound, reason, message);
}
absl::Status FailedPrecondition(std::string_view reason, std::string_view message) {
  return ErrorStatus(absl::StatusCode::kFailedPrecondition, reason, message);
}
absl::Status Unavailable(std::string_view reason, std::string_view message) {
  return ErrorStatus(absl::StatusCode::kUnavailable, reason, message);
}
absl::Status Internal(std::string_view message) {
  return ErrorStatus(absl::StatusCode::kInternal, "INTERNAL", message);
}

bool IsRetryable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsAborted(status) || absl::IsResourceExhausted(status);
}

}  // namespace parley
