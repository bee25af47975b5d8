#include "domain/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace parley::gateway {

RateVerdict TakeOne(const RateLimit& limit, Debt& debt) {
  debt = std::clamp(debt, Debt(0), limit.Full());
  const Debt after = debt + limit.Interval();
  // A millionth of a request is only rounding.
  const bool allowed = after <= limit.Full() + limit.Interval() * 1e-6;
  if (allowed) debt = after;
  return Describe(limit, allowed, debt);
}

RateVerdict Describe(const RateLimit& limit, bool allowed, Debt debt) {
  RateVerdict verdict;
  verdict.allowed = allowed;
  verdict.limit = limit.burst;
  const double left = (limit.Full() - debt) / limit.Interval();
  verdict.remaining = std::clamp(static_cast<int>(std::floor(left + 1e-6)), 0, limit.burst);
  verdict.until_full = std::chrono::ceil<std::chrono::seconds>(std::max(debt, Debt(0)));
  if (!allowed) {
    const Debt wait = debt + limit.Interval() - limit.Full();
    verdict.retry_after =
        std::max(std::chrono::milliseconds(1), std::chrono::ceil<std::chrono::milliseconds>(wait));
  }
  return verdict;
}

Debt RateBuckets::DebtAt(const Bucket& bucket, Steady now) const {
  return std::max(Debt(0), bucket.debt - Debt(now - bucket.at));
}

RateVerdict RateBuckets::Take(const std::string& key, Steady now) {
  if (buckets_.size() >= keys_max_ && !buckets_.contains(key)) {
    std::erase_if(buckets_,
                  [&](const auto& entry) { return DebtAt(entry.second, now) <= Debt(0); });
    if (buckets_.size() >= keys_max_) buckets_.clear();
  }
  Bucket& bucket = buckets_[key];
  bucket.debt = DebtAt(bucket, now);
  bucket.at = now;
  return TakeOne(limit_, bucket.debt);
}

}  // namespace parley::gateway
