#include "domain/rate_limit.h"

#include <gtest/gtest.h>

namespace parley::gateway {
namespace {

using namespace std::chrono_literals;

const RateBuckets::Steady kStart{1'000'000s};

TEST(TakeOne, LetsABurstInAndThenTheRate) {
  const RateLimit limit{.per_second = 4, .burst = 3};
  Debt debt{0};
  const struct {
    const char* label;
    std::chrono::milliseconds later;
    bool allowed;
    int remaining;
    std::chrono::seconds until_full;
    std::chrono::milliseconds retry_after;
  } cases[] = {
      {"a full bucket", 0ms, true, 2, 1s, 0ms},
      {"the second at once", 0ms, true, 1, 1s, 0ms},
      {"the last of the burst", 0ms, true, 0, 1s, 0ms},
      {"one too many", 0ms, false, 0, 1s, 250ms},
      {"refused ones cost nothing", 0ms, false, 0, 1s, 250ms},
      {"a little too early", 240ms, false, 0, 1s, 10ms},
      {"as soon as told", 10ms, true, 0, 1s, 0ms},
      {"two slots later", 500ms, true, 1, 1s, 0ms},
      {"full again, and no fuller", 60'000ms, true, 2, 1s, 0ms},
  };
  for (const auto& c : cases) {
    debt = std::max(Debt(0), debt - Debt(c.later));
    const RateVerdict verdict = TakeOne(limit, debt);
    EXPECT_EQ(verdict.allowed, c.allowed) << c.label;
    EXPECT_EQ(verdict.limit, 3) << c.label;
    EXPECT_EQ(verdict.remaining, c.remaining) << c.label;
    EXPECT_EQ(verdict.until_full, c.until_full) << c.label;
    EXPECT_EQ(verdict.retry_after, c.retry_after) << c.label;
  }
}

TEST(TakeOne, MoreDebtThanTheLimitAllowsForCountsAsEmpty) {
  Debt debt = 1h;
  const RateVerdict verdict = TakeOne({.per_second = 10, .burst = 5}, debt);
  EXPECT_FALSE(verdict.allowed);
  EXPECT_EQ(verdict.retry_after, 100ms);
  EXPECT_EQ(debt, Debt(500ms));
}

TEST(RateBuckets, KeepTheRateOverTimeAndAreApart) {
  RateBuckets buckets({.per_second = 50, .burst = 10});
  int allowed = 0;
  for (int ms = 0; ms < 10'000; ++ms) {
    allowed += buckets.Take("busy", kStart + std::chrono::milliseconds(ms)).allowed ? 1 : 0;
  }
  EXPECT_EQ(allowed, 10 + 499);
  EXPECT_EQ(buckets.Take("other", kStart + 10s).remaining, 9);
}

TEST(RateBuckets, ForgetFullOnesFirst) {
  RateBuckets buckets({.per_second = 1, .burst = 2}, /*keys_max=*/2);
  buckets.Take("a", kStart);
  buckets.Take("b", kStart + 5s);
  buckets.Take("c", kStart + 5s);  // "a" is full again.
  EXPECT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets.Take("b", kStart + 5s).remaining, 0) << "it was kept";
  buckets.Take("d", kStart + 5s);
  EXPECT_EQ(buckets.size(), 1u);
}

}  // namespace
}  // namespace parley::gateway
