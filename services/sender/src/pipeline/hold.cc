#include "pipeline/hold.h"

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "pipeline/consent.h"

namespace parley::sender {
namespace {
constexpr std::chrono::milliseconds kLookInterval{1'000};
}  // namespace

void HoldKeeper::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const absl::Status looked = Look(std::chrono::steady_clock::now());
    if (!looked.ok()) telemetry::Warning("hold_unknown", looked);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, kLookInterval, [this] { return woken_; });
    woken_ = false;
  }
}

void HoldKeeper::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

absl::Status HoldKeeper::Look(SteadyTime now) {
  static auto& held = telemetry::Gauge(
      "parley_sender_held",
      "1 while sends are held, after a restore or by `sender hold`. It ends by itself once the "
      "gateway has republished all suppressions, or by `sender release`; if it stays, look whether "
      "the gateway's relay and Kafka are up.");
  PARLEY_ASSIGN_OR_RETURN(const Hold hold, store_.Look());
  Holding::Steps steps;
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    steps = holding_.Look(hold, now);
    changed = allows_.exchange(holding_.Allows()) != holding_.Allows();
    if (steps.began) reading_.request_stop();
  }
  held.Set(Allows() ? 0 : 1);
  Log(hold, steps);
  if (changed) on_change_();
  if (steps.ask) source_.RequestSuppressions(*steps.ask);
  return steps.lift ? store_.Lift(hold.number, *steps.lift) : absl::OkStatus();
}

void HoldKeeper::Log(const Hold& hold, const Holding::Steps& steps) const {
  const char* const what_to_do =
      hold.lifts_from_us ? "Sends go again once the gateway has republished all suppressions; "
                           "`sender release --now` does not wait for it."
                         : "Sends wait for `sender release`.";
  if (steps.began) {
    telemetry::Warning(
        "held", {{"number", hold.number}, {"reason", hold.reason}, {"what_to_do", what_to_do}});
  }
  if (steps.ask) telemetry::Warning("suppressions_requested", {{"what_to_do", what_to_do}});
  if (steps.lift) telemetry::Info("suppressions_complete", {{"number", hold.number}});
  if (steps.ended) telemetry::Info("released", {{"forced", hold.forced}});
}

HoldKeeper::Reading HoldKeeper::BeginReading() {
  const std::lock_guard lock(mutex_);
  reading_ = std::stop_source();
  const bool again = holding_.WantsReading();
  if (again) holding_.StartedOver();
  return {again, reading_.get_token()};
}

void HoldKeeper::Stored(const std::vector<kafka::Record>& records) {
  if (Allows()) return;
  for (const kafka::Record& record : records) {
    const auto of_run = RunOf(record);
    if (!of_run) continue;
    const std::lock_guard lock(mutex_);
    holding_.Read(*of_run);
  }
}

void HoldKeeper::AtEnd() {
  if (Allows()) return;
  const std::lock_guard lock(mutex_);
  holding_.AtEnd();
}

}  // namespace parley::sender
