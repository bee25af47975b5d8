// How many requests an organization may make: a bucket of `burst` that fills evenly, by GCRA. What
// a bucket lacks to be full is one number, its `debt`, in the time that filling it takes. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <unordered_map>

namespace parley::gateway {

using Debt = std::chrono::duration<double, std::micro>;

struct RateLimit {
  double per_second = 200;  // More than 0.
  int burst = 1'000;        // At least 1.

  Debt Interval() const { return Debt(1e6 / per_second); }
  Debt Full() const { return Interval() * burst; }
};

// An answer to one request, and what its headers say.
struct RateVerdict {
  bool allowed = true;
  int limit = 0;      // The bucket's size.
  int remaining = 0;  // Requests that would be let in at once.
  std::chrono::seconds until_full{0};
  std::chrono::milliseconds retry_after{0};  // 0 if allowed.
};

// Takes one request out of a bucket that lacks `debt`, and says what it lacks then. More than the
// limit allows for, out of a clock that stepped or a limit that was lowered, counts as empty.
RateVerdict TakeOne(const RateLimit& limit, Debt& debt);

// What follows from a decision that was taken elsewhere by the same rule.
RateVerdict Describe(const RateLimit& limit, bool allowed, Debt debt);

// One bucket for each key. Beyond `keys_max` full ones are forgotten, or, if there are none, all.
// Not thread-safe.
class RateBuckets {
 public:
  using Steady = std::chrono::steady_clock::time_point;

  explicit RateBuckets(RateLimit limit, std::size_t keys_max = 10'000)
      : limit_(limit), keys_max_(keys_max) {}

  RateVerdict Take(const std::string& key, Steady now);
  std::size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    Debt debt{0};
    Steady at;
  };
  Debt DebtAt(const Bucket& bucket, Steady now) const;

  const RateLimit limit_;
  const std::size_t keys_max_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace parley::gateway
