// What must be known before a shard may be given to another replica: whether something that was
// journalled for it may still be written, and for how long its lanes are busy with what was.
// Thread-safe: the pump plans, the workers write, and the keeper of the leases asks.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <mutex>
#include <vector>

#include "domain/delivery.h"
#include "domain/shard_set.h"

namespace parley::sender {

// A lane that may not be written to for that long.
struct LaneBusy {
  std::int64_t lane_id = 0;
  std::chrono::microseconds busy{0};
};

class Handover {
 public:
  // Ours from now on. What was written before says nothing any more: others may have had it since.
  void Open(int shard) {
    const std::lock_guard lock(mutex_);
    closed_.reset(static_cast<std::size_t>(shard));
    next_[static_cast<std::size_t>(shard)].clear();
  }
  // Not ours any more: nothing of it is begun from now on.
  void Close(const ShardSet& shards) {
    const std::lock_guard lock(mutex_);
    closed_ |= shards;
  }

  // One request is planned, or begun once more because not a byte had left; False: not any more.
  // Else Written or GivenUp follows.
  bool Begin(int shard) {
    const std::lock_guard lock(mutex_);
    const auto index = static_cast<std::size_t>(shard);
    if (closed_.test(index)) return false;
    ++unwritten_[index];
    return true;
  }
  void GivenUp(int shard) {
    const std::lock_guard lock(mutex_);
    --unwritten_[static_cast<std::size_t>(shard)];
  }
  // It is written now; the next of its lane may be at `next`.
  void Written(int shard, std::int64_t lane_id, SteadyTime next) {
    const std::lock_guard lock(mutex_);
    --unwritten_[static_cast<std::size_t>(shard)];
    SteadyTime& known = next_[static_cast<std::size_t>(shard)][lane_id];
    known = std::max(known, next);
  }

  // Nothing of these shards is about to be written.
  bool IsQuiet(const ShardSet& shards) const {
    const std::lock_guard lock(mutex_);
    for (std::size_t shard = 0; shard < shards.size(); ++shard) {
      if (shards.test(shard) && unwritten_[shard] > 0) return false;
    }
    return true;
  }
  // The lanes of these shards that were written to since they are ours; then forgets them. Ask once
  // they are closed and quiet.
  std::vector<LaneBusy> TakeBusy(const ShardSet& shards, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    std::vector<LaneBusy> busy;
    for (std::size_t shard = 0; shard < shards.size(); ++shard) {
      if (!shards.test(shard)) continue;
      for (const auto& [lane, next] : next_[shard]) {
        const auto left = std::chrono::ceil<std::chrono::microseconds>(next - now);
        busy.push_back({lane, std::max(left, std::chrono::microseconds(0))});
      }
      next_[shard].clear();
    }
    return busy;
  }

 private:
  mutable std::mutex mutex_;
  ShardSet closed_;
  std::array<int, kShards> unwritten_{};
  std::array<std::map<std::int64_t, SteadyTime>, kShards> next_;  // By lane.
};

}  // namespace parley::sender
