#include "pipeline/leases.h"

#include <algorithm>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {
constexpr std::chrono::milliseconds kRetry{250};
constexpr std::chrono::milliseconds kQuietLook{2};

ShardSet All() { return ShardSet().set(); }
}  // namespace

void LeaseKeeper::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

absl::Status LeaseKeeper::Ready() const {
  const std::lock_guard lock(mutex_);
  if (state_.renewed_at().count() != 0 && timer_.Now() - state_.renewed_at() < options_.timer) {
    return absl::OkStatus();
  }
  return Unavailable("LEASES_STALE", "The leases were not renewed lately; is the database up?");
}

void LeaseKeeper::Renew(std::stop_token stop) {
  while (!stop.stop_requested()) {
    RenewOnce(stop);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, options_.renew_interval, [this] { return woken_; });
    woken_ = false;
  }
}

void LeaseKeeper::RenewOnce(const std::stop_token& stop) {
  static auto& held = telemetry::Gauge(
      "parley_sender_leases_held",
      "Shards that this replica sends for; all replicas together should have 256.");
  const BootTime started = timer_.Now();
  bool was_holding = false;
  {
    const std::lock_guard lock(mutex_);
    if (const auto fires_at = state_.Begin(started)) {
      const absl::Status armed = timer_.Arm(*fires_at);
      if (!armed.ok()) {
        telemetry::Error("timer_not_armed", armed);
        return;
      }
    }
    was_holding = state_.holding();
  }
  const auto leases = store_.Renew(options_.replica, options_.lease);
  LeaseState::Renewed renewed;
  {
    const std::lock_guard lock(mutex_);
    renewed = state_.Finish(leases, started, was_holding, timer_.Now());
    if (renewed.disarm) timer_.Disarm();
    if (renewed.arm) timer_.Arm(*renewed.arm).IgnoreError();
    if (renewed.revoked.any()) holder_.Revoke(renewed.revoked);
    if (!renewed.granted.empty()) holder_.Grant(renewed.granted);
  }
  if (!leases.ok()) {
    telemetry::Warning("leases_not_renewed", leases.status());
    SleepFor(stop, kRetry);
    Wake();
    return;
  }
  if (renewed.arm) held.Set(renewed.held);
  if (renewed.revoked.any() || !renewed.granted.empty()) {
    telemetry::Info("leases_changed", {{"held", renewed.held},
                                       {"granted", renewed.granted.size()},
                                       {"revoked", renewed.revoked.count()}});
  }
  if (renewed.surplus.none()) return;
  WaitUntilQuiet(renewed.surplus);
  const absl::Status released =
      store_.Release(options_.replica, renewed.surplus, holder_.TakeBusy(renewed.surplus));
  if (!released.ok()) telemetry::Warning("leases_not_released", released);
}

// At most the write window: after it nothing is written any more in any case.
void LeaseKeeper::WaitUntilQuiet(const ShardSet& shards) {
  const auto end = std::chrono::steady_clock::now() + options_.write_window;
  while (!holder_.IsQuiet(shards) && std::chrono::steady_clock::now() < end) {
    SleepFor({}, kQuietLook);
  }
}

void LeaseKeeper::Guard(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::optional<BootTime> give_up_at;
    {
      const std::lock_guard lock(mutex_);
      give_up_at = state_.GiveUpAt();
      if (give_up_at && timer_.Now() >= *give_up_at && !state_.holding()) {
        // The store does not answer, and nothing is held: nothing to die for.
        timer_.Disarm();
        state_.GaveUp();
        continue;
      }
    }
    const auto now = timer_.Now();
    if (!give_up_at || now < *give_up_at) {
      const auto wait = give_up_at ? *give_up_at - now : BootTime(options_.give_up);
      if (!SleepFor(stop, std::max<std::chrono::nanoseconds>(wait, kRetry))) return;
      continue;
    }
    telemetry::Warning("leases_given_up");
    holder_.Revoke(All());
    SleepFor({}, options_.write_window);
    const std::lock_guard lock(mutex_);
    timer_.Disarm();
    state_.GaveUp();
  }
}

void LeaseKeeper::Leave() {
  holder_.Revoke(All());
  WaitUntilQuiet(All());
  {
    const std::lock_guard lock(mutex_);
    timer_.Disarm();
    state_.GaveUp();
  }
  // First, so that those whom the release wakes share without this one, and take all of it at once.
  store_.Leave(options_.replica).IgnoreError();
  const absl::Status released = store_.Release(options_.replica, All(), holder_.TakeBusy(All()));
  if (!released.ok()) telemetry::Warning("leases_not_released", released);
}

}  // namespace parley::sender
