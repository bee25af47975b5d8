// The organizations' API limits, shared by all replicas through Redis. While Redis is away each
// replica counts by itself, from full buckets on.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "api/limits.h"
#include "domain/rate_limit.h"
#include "libs/base/clock.h"
#include "libs/redis/redis.h"

namespace parley::gateway {

class RedisApiLimit final : public api::ApiLimit {
 public:
  // A request waits for Redis for this long at most, and nobody does for a second after that.
  static constexpr std::chrono::milliseconds kRedisWait{25};

  // `clock` outlives this.
  RedisApiLimit(RateLimit limit, std::string redis_url, const Clock& clock);
  RateVerdict Take(const std::string& organization_id) override;

 private:
  // True if Redis is to be asked. While it is away one caller a second tries.
  bool MayAsk();
  absl::StatusOr<RateVerdict> Ask(const std::string& organization_id);

  const RateLimit limit_;
  const std::string interval_us_, full_us_;
  const Clock& clock_;
  redis::Client redis_;
  std::atomic<std::chrono::steady_clock::duration>
      ask_after_{};  // Since the clock's start; 0: now.
  std::mutex mutex_;
  RateBuckets own_;  // Under mutex_.
};

}  // namespace parley::gateway
