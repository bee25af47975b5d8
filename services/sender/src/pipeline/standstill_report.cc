#include "pipeline/standstill_report.h"

#include <algorithm>

#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

// Others may have thrown out what a replica said that was away for long.
constexpr std::chrono::seconds kRepeat{60};

}  // namespace

absl::Status StandstillReport::Tell(std::vector<Standstill> standstills, SteadyTime now) {
  static auto& breakers = telemetry::Gauge(
      "parley_sender_breakers_open",
      "Accounts whose breaker is open or half-open at this replica: Twilio refuses the account or "
      "does not answer. See sender breakers for the reason, then mend the account's settings.");
  breakers.Set(static_cast<double>(std::count_if(
      standstills.begin(), standstills.end(),
      [](const Standstill& one) { return one.state != Standstill::State::kWaiting; })));
  if (standstills == told_ && (told_.empty() || now < told_at_ + kRepeat)) return absl::OkStatus();
  const absl::Status saved = store_.SaveStandstills(replica_, standstills, now);
  if (!saved.ok()) return saved;
  told_ = std::move(standstills);
  told_at_ = now;
  return absl::OkStatus();
}

}  // namespace parley::sender
