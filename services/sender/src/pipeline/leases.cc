#include "pipeline/leases.h"

#include <algorithm>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {
constexpr std::chrono::milliseconds kRetry{250};

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
  if (renewed_at_.count() != 0 && timer_.Now() - renewed_at_ < options_.timer) {
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
  // The timer always counts from before a renewal, so that it fires before the lease ends. It is
  // set forward only once the renewal succeeded: until then the old lease is what counts.
  const DeadMansTimer::BootTime started = timer_.Now();
  bool holding = false;
  {
    const std::lock_guard lock(mutex_);
    if (!holding_) {
      const absl::Status armed = timer_.Arm(started + options_.timer);
      if (!armed.ok()) {
        telemetry::Error("timer_not_armed", armed);
        return;
      }
    }
    holding = holding_;
  }
  const auto leases = store_.Renew(options_.replica, options_.lease);
  ShardSet surplus;
  {
    const std::lock_guard lock(mutex_);
    const bool given_up = holding && !holding_;  // The guard was first.
    const bool in_time = timer_.Now() < started + options_.give_up;
    if (!leases.ok() || given_up || !in_time) {
      if (!leases.ok()) telemetry::Warning("leases_not_renewed", leases.status());
      if (!holding_) timer_.Disarm();
      woken_ = false;
    } else {
      timer_.Arm(started + options_.timer).IgnoreError();
      holding_ = true;
      renewed_at_ = started;
      surplus = Adopt(*leases);
    }
  }
  if (!leases.ok()) {
    SleepFor(stop, kRetry);
    Wake();
    return;
  }
  if (surplus.none()) return;
  // What was journalled for them is written by now, or never: then others may have them.
  SleepFor(stop, options_.write_window);
  const absl::Status released = store_.Release(options_.replica, surplus);
  if (!released.ok()) telemetry::Warning("leases_not_released", released);
}

ShardSet LeaseKeeper::Adopt(const Leases& leases) {
  static auto& held = telemetry::Gauge(
      "parley_sender_leases_held",
      "Shards that this replica sends for; all replicas together should have 256.");
  std::array<std::int64_t, kShards> owned{};
  int count = 0;
  ShardSet surplus;
  for (const OwnedShard& shard : leases.owned) {
    const auto index = static_cast<std::size_t>(shard.shard);
    if (++count > leases.fair_share) {
      surplus.set(index);
    } else {
      owned[index] = shard.epoch;
    }
  }
  ShardSet revoked;
  std::vector<OwnedShard> granted;
  for (int shard = 0; shard < kShards; ++shard) {
    const auto index = static_cast<std::size_t>(shard);
    if (owned[index] == epochs_[index]) continue;
    if (epochs_[index] != 0) revoked.set(index);
    if (owned[index] != 0) granted.push_back({shard, owned[index]});
    epochs_[index] = owned[index];
  }
  if (revoked.any()) holder_.Revoke(revoked);
  if (!granted.empty()) holder_.Grant(granted);
  held.Set(std::min(count, leases.fair_share));
  if (revoked.any() || !granted.empty()) {
    telemetry::Info("leases_changed", {{"held", std::min(count, leases.fair_share)},
                                       {"granted", granted.size()},
                                       {"revoked", revoked.count()}});
  }
  return surplus;
}

void LeaseKeeper::Guard(std::stop_token stop) {
  while (!stop.stop_requested()) {
    DeadMansTimer::BootTime give_up_at{0};
    bool holding = false;
    {
      const std::lock_guard lock(mutex_);
      holding = holding_;
      give_up_at = renewed_at_ + options_.give_up;
    }
    const auto now = timer_.Now();
    if (!holding || now < give_up_at) {
      const auto wait = holding ? give_up_at - now : DeadMansTimer::BootTime(options_.give_up);
      if (!SleepFor(stop, std::max<std::chrono::nanoseconds>(wait, kRetry))) return;
      continue;
    }
    telemetry::Warning("leases_given_up");
    holder_.Revoke(All());
    SleepFor({}, options_.write_window);
    const std::lock_guard lock(mutex_);
    timer_.Disarm();
    holding_ = false;
    epochs_ = {};
  }
}

void LeaseKeeper::Leave() {
  holder_.Revoke(All());
  const absl::Status released = store_.Release(options_.replica, All());
  if (!released.ok()) telemetry::Warning("leases_not_released", released);
  store_.Leave(options_.replica).IgnoreError();
  const std::lock_guard lock(mutex_);
  timer_.Disarm();
  holding_ = false;
}

}  // namespace parley::sender
