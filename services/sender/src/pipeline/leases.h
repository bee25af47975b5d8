// Holds this replica's leases: renews them, takes its fair share, and makes sure that nothing is
// written once they may have lapsed.
//
// Three things guard that, from soft to hard: the journal's transaction checks the lease; the guard
// gives everything up when renewals fail; and the dead man's timer kills the process if it was
// paused through both.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "domain/lease_state.h"
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
  // After Revoke: nothing of them is about to be written any more.
  virtual bool IsQuiet(const ShardSet& shards) const = 0;
  // Then: for how long their lanes are busy; once.
  virtual std::vector<LaneBusy> TakeBusy(const ShardSet& shards) = 0;
};

class LeaseKeeper {
 public:
  LeaseKeeper(LeaseStore& store, DeadMansTimer& timer, ShardHolder& holder,
              const LeaseOptions& options)
      : store_(store), timer_(timer), holder_(holder), options_(options), state_(options) {}

  // Renews until `stop`. One thread.
  void Renew(std::stop_token stop);
  // One round of it; waits a little after a failure or before giving something back.
  void RenewOnce(const std::stop_token& stop);
  // Watches the renewals until `stop`. Another thread.
  void Guard(std::stop_token stop);
  // Gives all leases back as soon as what was journalled is written or given up. Call once both
  // have ended; the timer is disarmed before the store is asked, which may hang.
  void Leave();

  // Somebody gave leases up: look now.
  void Wake();
  // kUnavailable if the leases were not renewed lately.
  absl::Status Ready() const;

 private:
  // What was journalled for them is written, or never will be.
  void WaitUntilQuiet(const ShardSet& shards);

  LeaseStore& store_;
  DeadMansTimer& timer_;
  ShardHolder& holder_;
  const LeaseOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;
  LeaseState state_;
};

}  // namespace parley::sender
