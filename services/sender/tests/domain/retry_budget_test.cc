#include "domain/retry_budget.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kNow{1h};

TEST(RetryBudget, AFewGoAtOnceAndTheRestWaitsForItsTurn) {
  RetryBudget budget({.at_once = 2, .interval = 10s});
  EXPECT_EQ(budget.Spend("a", kNow), 0ms);
  EXPECT_EQ(budget.Spend("a", kNow), 0ms);
  EXPECT_EQ(budget.Spend("a", kNow), 10s);
  EXPECT_EQ(budget.Spend("a", kNow), 20s);
  EXPECT_EQ(budget.Spend("b", kNow), 0ms) << "each account has its own";
  EXPECT_EQ(budget.Spend("a", kNow + 30s), 0ms);
}

TEST(RetryBudget, ATenthOfTheRequestsMayBeRetries) {
  RetryBudget budget({.share = 0.1, .at_once = 2, .interval = 10s});
  int at_once = 0;
  for (int i = 0; i < 1'000; ++i) {
    budget.Earn("a", kNow);
    if (i % 2 == 0) at_once += budget.Spend("a", kNow) == 0ms ? 1 : 0;
  }
  EXPECT_LE(at_once, 2 + 100);
  RetryBudget calm;
  for (int i = 0; i < 500; ++i) calm.Earn("a", kNow);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(calm.Spend("a", kNow), 0ms) << i;
}

TEST(RetryBudget, AQuietTimeSavesTheMinimumOnly) {
  RetryBudget budget({.at_once = 2, .interval = 10s});
  EXPECT_EQ(budget.Spend("a", kNow), 0ms);
  EXPECT_EQ(budget.Spend("a", kNow + 1h), 0ms);
  EXPECT_EQ(budget.Spend("a", kNow + 1h), 0ms);
  EXPECT_EQ(budget.Spend("a", kNow + 1h), 10s);
}

}  // namespace
}  // namespace parley::sender
