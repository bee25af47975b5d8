#include "pipeline/pauses.h"

#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

void Report(const PauseSet& pauses) {
  static constexpr char kName[] = "parley_sender_pauses";
  static constexpr char kHelp[] =
      "Accounts and numbers that an operator paused: nothing of them is sent, and what waits ends "
      "when its time is over. See sender breakers for who and why, and end it with sender resume.";
  static auto& accounts = telemetry::Gauge(kName, kHelp, {{"of", "account"}});
  static auto& numbers = telemetry::Gauge(kName, kHelp, {{"of", "number"}});
  double whole = 0;
  for (const auto& [what, by] : pauses.entries()) whole += what.second.empty() ? 1 : 0;
  accounts.Set(whole);
  numbers.Set(static_cast<double>(pauses.entries().size()) - whole);
}

// Those of `some` that `others` has not.
void LogNew(const char* event, const PauseSet& some, const PauseSet& others) {
  for (const auto& [what, by] : some.entries()) {
    if (others.entries().contains(what)) continue;
    telemetry::Info(
        event,
        {{"account_sid", what.first}, {"number", MaskNumber(what.second)}, {"paused_by", by}});
  }
}

}  // namespace

absl::Status Pauses::Load() {
  auto loaded = store_.LoadPauses();
  if (!loaded.ok()) return loaded.status();
  Report(*loaded);
  PauseSet before;
  {
    const std::lock_guard lock(mutex_);
    if (pauses_ == *loaded) return absl::OkStatus();
    before = std::exchange(pauses_, *loaded);
  }
  LogNew("pause_began", *loaded, before);
  LogNew("pause_ended", before, *loaded);
  on_change_();
  return absl::OkStatus();
}

bool Pauses::IsOpen(const Lane& lane) const {
  {
    const std::lock_guard lock(mutex_);
    if (pauses_.Covers(lane)) return false;
  }
  return rules_.IsOpen(lane);
}

}  // namespace parley::sender
