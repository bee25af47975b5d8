#include "domain/lease_state.h"

#include <algorithm>

namespace parley::sender {

LeaseState::Renewed LeaseState::Finish(const absl::StatusOr<Leases>& leases, BootTime started,
                                       bool was_holding, BootTime now) {
  Renewed renewed;
  asking_since_.reset();
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
  ShardSet died;
  int count = 0;
  for (const OwnedShard& shard : leases->owned) {
    const auto index = static_cast<std::size_t>(shard.shard);
    // What is given back may be given away at any moment from then on, however late the store reads
    // it: it is not used again before it comes with another epoch.
    if (epochs_[index] == -shard.epoch || ++count > leases->fair_share) {
      renewed.surplus.set(index);
      owned[index] = -shard.epoch;
    } else {
      owned[index] = shard.epoch;
      died.set(index, shard.owner_died);
    }
  }
  for (int shard = 0; shard < kShards; ++shard) {
    const auto index = static_cast<std::size_t>(shard);
    if (owned[index] == epochs_[index]) continue;
    if (epochs_[index] > 0) renewed.revoked.set(index);
    if (owned[index] > 0) renewed.granted.push_back({shard, owned[index], died.test(index)});
    epochs_[index] = owned[index];
  }
  renewed.held = std::min(count, leases->fair_share);
  return renewed;
}

void LeaseState::GaveUp() {
  holding_ = false;
  asking_since_.reset();
  for (std::int64_t& epoch : epochs_) epoch = std::min<std::int64_t>(epoch, 0);
}

}  // namespace parley::sender
