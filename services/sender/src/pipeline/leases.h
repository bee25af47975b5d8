// Holds this replica's leases: renews them, takes its fair share, and makes sure that nothing is
// written once they may have lapsed.
//
// Three things guard that, from soft to hard: the journal's transaction checks the lease; the guard
// gives everything up when renewals fail; and the dead man's timer kills the process if it was
// paused through both.
#pragma once

#include <array>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "ports.h"

namespace parley::sender {

// Who sends for the shards.
class ShardHolder {
 public:
  virtual ~ShardHolder() = default;
  virtual void Grant(const std::vector<OwnedShard>& shards) = 0;
  // After it returns nothing of these shards is journalled any more; what was journalled before is
  // written within the write window, or never.
  virtual void Revoke(const ShardSet& shards) = 0;
};

struct LeaseOptions {
  std::string replica;
  std::chrono::milliseconds lease{6'000};
  std::chrono::milliseconds renew_interval{1'500};
  std::chrono::milliseconds timer{5'000};    // Shorter than a lease: it fires before that ends.
  std::chrono::milliseconds give_up{3'500};  // Without a renewal; leaves time to finish writes.
  // What was journalled before a Revoke is written within it, or never.
  std::chrono::milliseconds write_window{600};
};

class LeaseKeeper {
 public:
  LeaseKeeper(LeaseStore& store, DeadMansTimer& timer, ShardHolder& holder,
              const LeaseOptions& options)
      : store_(store), timer_(timer), holder_(holder), options_(options) {}

  // Renews until `stop`. One thread.
  void Renew(std::stop_token stop);
  // One round of it; waits a little after a failure or before giving something back.
  void RenewOnce(const std::stop_token& stop);
  // Watches the renewals until `stop`. Another thread.
  void Guard(std::stop_token stop);
  // Gives all leases back, after the last request was written. Call once both have ended.
  void Leave();

  // Somebody gave leases up: look now.
  void Wake();
  // kUnavailable if the leases were not renewed lately.
  absl::Status Ready() const;

 private:
  // What to give back so that others get their share.
  ShardSet Adopt(const Leases& leases);

  LeaseStore& store_;
  DeadMansTimer& timer_;
  ShardHolder& holder_;
  const LeaseOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;
  bool holding_ = false;  // The timer is armed.
  DeadMansTimer::BootTime renewed_at_{0};
  std::array<std::int64_t, kShards> epochs_{};  // As granted.
};

}  // namespace parley::sender
