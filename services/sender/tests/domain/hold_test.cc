#include "domain/hold.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kNow{1h};
constexpr std::int64_t kSince = 5'000;

Hold Restored(std::int64_t number = 1) {
  return {
      .number = number, .held_by = HeldBy::kRestore, .since_us = kSince, .lifts_from_us = kSince};
}
Hold Over(Hold hold) {
  hold.held_by = HeldBy::kNobody;
  return hold;
}

class HoldingTest : public testing::Test {
 protected:
  void ReadRun(std::int64_t run) {
    holding_.Read({run, std::nullopt, 0, ++offset_});
    holding_.Read({run, 1, 0, ++offset_});
  }
  Holding holding_;
  std::int64_t offset_ = 0;
};

TEST_F(HoldingTest, NothingGoesBeforeTheFirstLook) {
  EXPECT_FALSE(holding_.Allows());
  const auto steps = holding_.Look({}, kNow);
  EXPECT_TRUE(holding_.Allows());
  EXPECT_FALSE(steps.began || steps.ask || steps.lift);
  EXPECT_FALSE(holding_.WantsReading());
}

TEST_F(HoldingTest, AHoldThatEndedBeforeTheStartIsPast) {
  holding_.Look(Over(Restored(7)), kNow);
  EXPECT_TRUE(holding_.Allows());
}

TEST_F(HoldingTest, AsksReadsAllAgainAndLifts) {
  holding_.Look({}, kNow);
  auto steps = holding_.Look(Restored(), kNow);
  EXPECT_TRUE(steps.began);
  EXPECT_EQ(steps.ask, kSince);
  EXPECT_FALSE(holding_.Allows());
  ASSERT_TRUE(holding_.WantsReading());
  // What the old reader says does not count.
  ReadRun(kSince);
  holding_.AtEnd();
  EXPECT_FALSE(holding_.Look(Restored(), kNow).lift);
  holding_.StartedOver();
  offset_ = 0;
  EXPECT_FALSE(holding_.WantsReading());
  holding_.AtEnd();
  EXPECT_FALSE(holding_.Look(Restored(), kNow).lift) << "no run is complete";
  ReadRun(kSince - 1);
  EXPECT_FALSE(holding_.Look(Restored(), kNow).lift) << "it began before the hold";
  ReadRun(kSince + 1);
  steps = holding_.Look(Restored(), kNow);
  EXPECT_EQ(steps.lift, kSince);
  EXPECT_FALSE(holding_.Allows()) << "until the store says so";
  steps = holding_.Look(Over(Restored()), kNow);
  EXPECT_TRUE(steps.ended);
  EXPECT_TRUE(holding_.Allows());
}

TEST_F(HoldingTest, LiftsOnlyOnceAllIsRead) {
  holding_.Look(Restored(), kNow);
  holding_.StartedOver();
  ReadRun(kSince);
  EXPECT_FALSE(holding_.Look(Restored(), kNow).lift) << "there may be more in other partitions";
  holding_.AtEnd();
  EXPECT_TRUE(holding_.Look(Restored(), kNow).lift);
}

TEST_F(HoldingTest, AsksAgainEvery30Seconds) {
  EXPECT_TRUE(holding_.Look(Restored(), kNow).ask);
  EXPECT_FALSE(holding_.Look(Restored(), kNow + 29s).ask);
  EXPECT_TRUE(holding_.Look(Restored(), kNow + 30s).ask);
  EXPECT_FALSE(holding_.Look(Restored(), kNow + 31s).ask);
}

TEST_F(HoldingTest, GoesOnWhenAnotherLiftedItAndAllIsReadHere) {
  holding_.Look({}, kNow);
  holding_.Look(Restored(), kNow);
  holding_.Look(Over(Restored()), kNow);
  EXPECT_FALSE(holding_.Allows());
  holding_.StartedOver();
  holding_.AtEnd();
  EXPECT_TRUE(holding_.Look(Over(Restored()), kNow).ended);
  EXPECT_TRUE(holding_.Allows());
}

TEST_F(HoldingTest, AHoldBetweenTwoLooksCounts) {
  holding_.Look({}, kNow);
  EXPECT_TRUE(holding_.Look(Over(Restored()), kNow).began);
  EXPECT_FALSE(holding_.Allows());
  EXPECT_TRUE(holding_.WantsReading());
}

TEST_F(HoldingTest, ByHandItWaitsForTheRelease) {
  Hold hold{.number = 1, .held_by = HeldBy::kOperator, .since_us = kSince};
  holding_.Look({}, kNow);
  auto steps = holding_.Look(hold, kNow);
  EXPECT_TRUE(steps.began);
  EXPECT_FALSE(steps.ask);
  holding_.StartedOver();
  holding_.AtEnd();
  ReadRun(kSince + 1);
  EXPECT_FALSE(holding_.Look(hold, kNow + 1h).lift);
  hold.lifts_from_us = kSince + 10;
  steps = holding_.Look(hold, kNow + 1h);
  EXPECT_EQ(steps.ask, kSince + 10);
  EXPECT_FALSE(steps.lift) << "that run began before the release";
  ReadRun(kSince + 11);
  EXPECT_EQ(holding_.Look(hold, kNow + 1h).lift, kSince + 10);
}

TEST_F(HoldingTest, ReleasedAtOnceItDoesNotWait) {
  Hold hold{.number = 1, .held_by = HeldBy::kOperator, .since_us = kSince};
  holding_.Look({}, kNow);
  holding_.Look(hold, kNow);
  hold.held_by = HeldBy::kNobody;
  hold.forced = true;
  EXPECT_TRUE(holding_.Look(hold, kNow).ended);
  EXPECT_TRUE(holding_.Allows());
}

TEST_F(HoldingTest, AnotherRestoreBeginsAnew) {
  holding_.Look({}, kNow);
  holding_.Look(Restored(), kNow);
  holding_.StartedOver();
  ReadRun(kSince);
  holding_.AtEnd();
  Hold again = Restored();  // A backup had the count that this one had.
  again.since_us = again.lifts_from_us.emplace(kSince + 100);
  const auto steps = holding_.Look(again, kNow);
  EXPECT_TRUE(steps.began);
  EXPECT_FALSE(steps.lift);
  EXPECT_EQ(steps.ask, kSince + 100);
  EXPECT_TRUE(holding_.WantsReading());
}

}  // namespace
}  // namespace parley::sender
