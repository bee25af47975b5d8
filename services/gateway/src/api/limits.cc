#include "api/limits.h"

#include <algorithm>
#include <string>

#include "libs/base/status.h"
#include "libs/rpc/retry_delay.h"
#include "libs/telemetry/metrics.h"

namespace parley::gateway::api {
namespace {

constexpr char kLimitHeader[] = "RateLimit-Limit";

bool WasCounted(const rpc::CallContext& call) {
  return std::any_of(call.response_headers.begin(), call.response_headers.end(),
                     [](const auto& header) { return header.first == kLimitHeader; });
}

absl::Status Refuse(rpc::CallContext& call, const RateVerdict& verdict) {
  static prometheus::Counter& refused = telemetry::Counter(
      "parley_gateway_api_rate_limited_total",
      "Requests beyond their organization's limit; if they are meant, raise PARLEY_API_RATE.");
  refused.Increment();
  const auto wait = std::chrono::ceil<std::chrono::seconds>(verdict.retry_after);
  call.response_headers.emplace_back("Retry-After", std::to_string(wait.count()));
  absl::Status status =
      ErrorStatus(absl::StatusCode::kResourceExhausted, "RATE_LIMITED",
                  "Your organization sends more requests than its limit allows; try again in " +
                      std::to_string(wait.count()) + " s.");
  rpc::SetRetryDelay(status, verdict.retry_after);
  return status;
}

}  // namespace

void AddLimit(rpc::MethodTable& table, ApiLimit& limit) {
  table.AddInterceptor([&limit](rpc::CallContext& call, const rpc::Message&,
                                const rpc::Next& next) -> rpc::MessageResult {
    // Logging in has a throttle of its own.
    if (call.organization_id.empty() || WasCounted(call)) return next();
    const RateVerdict verdict = limit.Take(call.organization_id);
    call.response_headers.emplace_back(kLimitHeader, std::to_string(verdict.limit));
    call.response_headers.emplace_back("RateLimit-Remaining", std::to_string(verdict.remaining));
    call.response_headers.emplace_back("RateLimit-Reset",
                                       std::to_string(verdict.until_full.count()));
    if (!verdict.allowed) return Refuse(call, verdict);
    return next();
  });
}

}  // namespace parley::gateway::api
