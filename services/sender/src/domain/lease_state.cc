#include "domain/lease_state.h"

#include <algorithm>

namespace parley::sender {

LeaseState::Renewed LeaseState::Finish(const absl::StatusOr<Leases>& leases, BootTime started,
                                       bool was_holding, BootTime now) {
  Renewed renewed;
  const bool given_up = was_holding && !holding_;  // The guard was first.
  const bool in_time = now < started + options_.give_up;
  if (!leases.ok() || given_up || !in_time) {
    renewed.disarm = !holding_;
    return renewed;
  }
  renewed.arm = started + options_.timer;
  holding_ = true;
  renewed_at_ = started;
  std::array<std::int64_t, kShards> owned{};
  int count = 0;
  for (const OwnedShard& shard : leases->owned) {
    const auto index = static_cast<std::size_t>(shard.shard);
    if (++count > leases->fair_share) {
      renewed.surplus.set(index);
    } else {
      owned[index] = shard.epoch;
    }
  }
  for (int shard = 0; shard < kShards; ++shard) {
    const auto index = static_cast<std::size_t>(shard);
    if (owned[index] == epochs_[index]) continue;
    if (epochs_[index] != 0) renewed.revoked.set(index);
    if (owned[index] != 0) renewed.granted.push_back({shard, owned[index]});
    epochs_[index] = owned[index];
  }
  renewed.held = std::min(count, leases->fair_share);
  return renewed;
}

void LeaseState::GaveUp() {
  holding_ = false;
  epochs_ = {};
}

}  // namespace parley::sender
