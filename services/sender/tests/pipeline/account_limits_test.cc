#include "pipeline/account_limits.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::sender {
namespace {

const std::string kAccount = "AC" + std::string(32, '1');

class FakeExchange final : public LimitExchange {
 public:
  absl::StatusOr<std::map<std::string, AccountUses>> Exchange(const AccountUses& own) override {
    told = own;
    if (away) return Unavailable("REDIS_UNAVAILABLE", "away");
    return others;
  }
  AccountUses told;
  std::map<std::string, AccountUses> others;
  bool away = false;
};

class FakeBrake final : public Brake {
 public:
  void PauseLane(std::int64_t, SteadyTime) override { ++pauses; }
  void PauseAccount(const std::string&, SteadyTime) override { ++pauses; }
  void LimitAccount(const std::string&, int limit) override { limits.push_back(limit); }
  int pauses = 0;
  std::vector<int> limits;
};

class AccountLimitsTest : public testing::Test {
 protected:
  void Round(AccountLimits& limits) {
    limits.Round(
        {[this] { return uses_; }, [this](const std::string&, int use) { others_use_ = use; }});
  }
  FakeExchange exchange_;
  FakeBrake brake_;
  AccountUses uses_{{kAccount, {.peak = 4}}};
  int others_use_ = -1;
};

TEST_F(AccountLimitsTest, FollowsWhatTheOthersUse) {
  AccountLimits limits(exchange_, brake_, "b", 10);
  Round(limits);
  EXPECT_EQ(brake_.limits, std::vector<int>{10});
  Round(limits);
  EXPECT_FALSE(exchange_.told.at(kAccount).wants_more) << "4 of 10";
  exchange_.others["a"][kAccount] = {.peak = 6, .wants_more = true};
  Round(limits);
  EXPECT_EQ(brake_.limits.back(), 5);
  EXPECT_EQ(others_use_, 6);
  Round(limits);
  EXPECT_TRUE(exchange_.told.at(kAccount).wants_more) << "4 of 5";
  exchange_.others["a"][kAccount] = {.peak = 2};
  Round(limits);
  EXPECT_EQ(brake_.limits.back(), 8);
  exchange_.away = true;
  Round(limits);
  EXPECT_EQ(brake_.limits.back(), 5) << "an even part of two";
  exchange_.away = false;
  exchange_.others.clear();
  Round(limits);
  EXPECT_EQ(brake_.limits.back(), 10);
}

TEST_F(AccountLimitsTest, A429CountsAtOnceAndAsLongAsItIsRemembered) {
  AccountLimits limits(exchange_, brake_, "b", 0);
  Round(limits);
  EXPECT_TRUE(brake_.limits.empty()) << "nothing limits";
  exchange_.others["a"][kAccount] = {.peak = 4, .wants_more = true};
  Round(limits);
  limits.LimitAccount(kAccount, 6);
  EXPECT_EQ(brake_.limits, std::vector<int>{3});
  uses_[kAccount].adapted = 8;
  Round(limits);
  EXPECT_EQ(brake_.limits.back(), 4);
  uses_[kAccount].adapted = 0;
  Round(limits);
  EXPECT_EQ(brake_.limits.back(), 0);
  const std::size_t told = brake_.limits.size();
  Round(limits);
  EXPECT_EQ(brake_.limits.size(), told) << "no limit is told once";
}

TEST_F(AccountLimitsTest, HandsPausesOn) {
  AccountLimits limits(exchange_, brake_, "b", 0);
  limits.PauseLane(1, SteadyTime::max());
  limits.PauseAccount(kAccount, SteadyTime::max());
  EXPECT_EQ(brake_.pauses, 2);
}

}  // namespace
}  // namespace parley::sender
