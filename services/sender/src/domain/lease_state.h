// What a replica does about its leases: when its dead man's timer fires, what it may send for, and
// when it gives everything up. The keeper carries it out; so does the simulation. Times are since
// boot, suspended time included. Pure; not thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/journal.h"

namespace parley::sender {

using BootTime = std::chrono::nanoseconds;

struct LeaseOptions {
  std::string replica;
  std::chrono::milliseconds lease{6'000};
  std::chrono::milliseconds renew_interval{1'500};
  std::chrono::milliseconds timer{5'000};    // Shorter than a lease: it fires before that ends.
  std::chrono::milliseconds give_up{3'500};  // Without a renewal; leaves time to finish writes.
  // What was journalled before a Revoke is written within it, or never.
  std::chrono::milliseconds write_window{600};
};

class LeaseState {
 public:
  explicit LeaseState(const LeaseOptions& options) : options_(options) {}

  // When the timer must fire from before a renewal is asked for. None: it is armed already, and
  // until the renewal succeeded the old lease is what counts.
  std::optional<BootTime> Begin(BootTime now) {
    if (holding_) return std::nullopt;
    asking_since_ = now;
    return now + options_.timer;
  }

  struct Renewed {
    std::optional<BootTime> arm;  // Set the timer to this.
    bool disarm = false;
    ShardSet revoked;                 // No longer ours, or with another epoch.
    std::vector<OwnedShard> granted;  // After what is revoked.
    ShardSet surplus;                 // To be released after the write window.
    int held = 0;
  };
  // The store's answer to a renewal that was asked for at `started`, when `was_holding` was true if
  // anything was held.
  Renewed Finish(const absl::StatusOr<Leases>& leases, BootTime started, bool was_holding,
                 BootTime now);

  bool holding() const { return holding_; }
  BootTime renewed_at() const { return renewed_at_; }
  // Without an answer by then everything is given up: if something is held, revoke all and wait for
  // the write window; then call GaveUp and disarm the timer. None: the timer is not armed.
  std::optional<BootTime> GiveUpAt() const {
    if (holding_) return renewed_at_ + options_.give_up;
    if (asking_since_) return *asking_since_ + options_.give_up;
    return std::nullopt;
  }
  void GaveUp();

 private:
  const LeaseOptions options_;
  bool holding_ = false;  // The timer is armed.
  BootTime renewed_at_{0};
  std::optional<BootTime> asking_since_;        // While nothing is held.
  std::array<std::int64_t, kShards> epochs_{};  // As granted.
};

}  // namespace parley::sender
