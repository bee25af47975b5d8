#include "domain/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr SteadyTime kNow{1h};

class SchedulerTest : public testing::Test {
 protected:
  void AddLane(std::int64_t id, std::chrono::microseconds interval = 0us, bool open = true,
               int shard = 1) {
    scheduler_.AddLane({id, shard, "account", Medium::kSms, "number" + std::to_string(id)},
                       std::make_shared<Limiter>(Gcra(interval)), open);
  }

  static Head MakeHead(std::int64_t ord, std::int64_t lane = 1) {
    Head head;
    head.ord = ord;
    head.key = {"organization", "message" + std::to_string(ord), 0};
    head.lane_id = lane;
    head.due = kNow;
    return head;
  }
  static Head InConversation(std::int64_t ord, std::int64_t seq) {
    Head head = MakeHead(ord);
    head.conversation_id = "conversation";
    head.conversation_seq = seq;
    return head;
  }

  std::vector<std::int64_t> Pick(SteadyTime now = kNow, std::size_t count = 100) {
    std::vector<std::int64_t> ords;
    for (const Head& head : scheduler_.Pick(now, count)) ords.push_back(head.ord);
    return ords;
  }

  Scheduler scheduler_{{.heads_max = 20, .interactive_heads_max = 0, .feed_heads_max = 8}};
};

TEST_F(SchedulerTest, InteractiveGoesBeforeBulkAndEarlierBeforeLater) {
  AddLane(1);
  Head bulk = MakeHead(1);
  bulk.priority = Priority::kBulk;
  scheduler_.Offer(bulk, kNow);
  scheduler_.Offer(MakeHead(3), kNow);
  scheduler_.Offer(MakeHead(2), kNow);
  EXPECT_THAT(Pick(), ElementsAre(2, 3, 1));
  EXPECT_EQ(scheduler_.in_flight(), 3U);
}

TEST_F(SchedulerTest, OrganizationsTakeTurns) {
  AddLane(1);
  AddLane(2);
  for (int i = 1; i <= 3; ++i) scheduler_.Offer(MakeHead(i), kNow);
  Head other = MakeHead(10, 2);
  other.key.organization_id = "other";
  scheduler_.Offer(other, kNow);
  EXPECT_THAT(Pick(), ElementsAre(1, 10, 2, 3));
}

TEST_F(SchedulerTest, AConversationHasOneInFlightAndKeepsItsOrder) {
  AddLane(1);
  scheduler_.Offer(InConversation(1, 12), kNow);
  scheduler_.Offer(InConversation(2, 11), kNow);
  EXPECT_THAT(Pick(), ElementsAre(2)) << "the lower number goes first, though it came later";
  EXPECT_THAT(Pick(), IsEmpty());
  // A retry keeps its place.
  scheduler_.Requeue(2, kNow + 1s, 1, kNow);
  EXPECT_THAT(Pick(), IsEmpty());
  EXPECT_THAT(Pick(kNow + 1s), ElementsAre(2));
  scheduler_.Finish(2, kNow + 1s);
  EXPECT_THAT(Pick(kNow + 1s), ElementsAre(1));
}

TEST_F(SchedulerTest, AReplyPassesWaitingBulkOfItsConversation) {
  AddLane(1);
  Head bulk = InConversation(1, 5);
  bulk.priority = Priority::kBulk;
  bulk.due = kNow + 2s;
  scheduler_.Offer(bulk, kNow);
  scheduler_.Offer(InConversation(2, 6), kNow);
  EXPECT_THAT(Pick(), ElementsAre(2));
}

TEST_F(SchedulerTest, ALaneIsNotPickedFasterThanItsRate) {
  AddLane(1, 100ms);
  for (int i = 1; i <= 3; ++i) scheduler_.Offer(MakeHead(i), kNow);
  EXPECT_THAT(Pick(), ElementsAre(1));
  EXPECT_EQ(scheduler_.LimiterOf(1)->Take(kNow, 1), 0us);
  EXPECT_THAT(Pick(kNow + 80ms), IsEmpty());
  EXPECT_LE(scheduler_.NextWake(), kNow + 91ms) << "a little ahead of the slot";
  EXPECT_THAT(Pick(kNow + 91ms), ElementsAre(2));
  EXPECT_THAT(Pick(kNow + 91ms), IsEmpty()) << "one slot, one message";
}

TEST_F(SchedulerTest, PausedAndUnknownAccountsWait) {
  AddLane(1, 0us, /*open=*/false);
  scheduler_.Offer(MakeHead(1), kNow);
  EXPECT_THAT(Pick(), IsEmpty());
  EXPECT_THAT(scheduler_.TakeLoads(kNow), IsEmpty()) << "nor does it take room in memory";
  EXPECT_EQ(scheduler_.heads(), 0U);
  scheduler_.SetOpen(1, true, kNow);
  ASSERT_THAT(scheduler_.TakeLoads(kNow), SizeIs(1));
  scheduler_.Loaded({1, Priority::kInteractive, {MakeHead(1)}, /*complete=*/true, {}}, kNow);
  scheduler_.PauseAccount("account", kNow + 1s, kNow);
  EXPECT_THAT(Pick(), IsEmpty());
  EXPECT_EQ(scheduler_.NextWake(), kNow + 1s);
  scheduler_.PauseLane(1, kNow + 2s, kNow);
  EXPECT_THAT(Pick(kNow + 1s), IsEmpty());
  EXPECT_THAT(Pick(kNow + 2s), ElementsAre(1));
}

TEST_F(SchedulerTest, WhatIsNotAllowedWaits) {
  AddLane(1);
  Head bulk = MakeHead(1);
  bulk.priority = Priority::kBulk;
  scheduler_.Offer(bulk, kNow);
  scheduler_.Offer(MakeHead(2), kNow);
  scheduler_.Allow(true, false);
  EXPECT_THAT(Pick(), ElementsAre(2));
  scheduler_.Allow(true, true);
  EXPECT_THAT(Pick(), ElementsAre(1));
}

TEST_F(SchedulerTest, ReadsTheTableWhenMemoryRunsLow) {
  AddLane(1);
  for (int i = 1; i <= 9; ++i) scheduler_.Offer(MakeHead(i), kNow);
  EXPECT_EQ(scheduler_.heads(), 8U) << "the ninth stays in the table";
  EXPECT_THAT(scheduler_.TakeLoads(kNow), IsEmpty());
  EXPECT_THAT(Pick(kNow, 6), SizeIs(6));
  const auto requests = scheduler_.TakeLoads(kNow);
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].rows_max, 10U) << "eight new ones, and the two that memory has";
  // A new row goes behind what the table has.
  scheduler_.Offer(MakeHead(10), kNow);
  LoadedRows rows{1, Priority::kInteractive, {MakeHead(7), MakeHead(8), MakeHead(9), MakeHead(10)}};
  rows.complete = true;
  scheduler_.Loaded(rows, kNow);
  EXPECT_THAT(Pick(), ElementsAre(7, 8, 9, 10));
}

TEST_F(SchedulerTest, MemoryIsBounded) {
  for (int lane = 1; lane <= 5; ++lane) AddLane(lane);
  for (int i = 1; i <= 40; ++i) scheduler_.Offer(MakeHead(i, i % 5 + 1), kNow);
  EXPECT_LE(scheduler_.heads(), 20U);
}

TEST_F(SchedulerTest, WhatIsDueLateStaysInTheTableUntilThen) {
  AddLane(1);
  Head late = MakeHead(1);
  late.due = kNow + 1min;
  scheduler_.Offer(late, kNow);
  EXPECT_EQ(scheduler_.heads(), 0U);
  EXPECT_LE(scheduler_.NextWake(), kNow + 1min);
  EXPECT_GT(scheduler_.NextWake(), kNow + 50s);
  EXPECT_THAT(scheduler_.TakeLoads(kNow), IsEmpty());
  EXPECT_THAT(scheduler_.TakeLoads(kNow + 1min), SizeIs(1));
}

TEST_F(SchedulerTest, AFailedReadIsTriedAgain) {
  AddLane(1);
  scheduler_.MarkMore(1);
  const auto requests = scheduler_.TakeLoads(kNow);
  ASSERT_THAT(requests, SizeIs(2)) << "one for each priority";
  for (const auto& request : requests) scheduler_.LoadFailed(request, kNow + 200ms);
  EXPECT_THAT(scheduler_.TakeLoads(kNow), IsEmpty());
  EXPECT_EQ(scheduler_.NextWake(), kNow + 200ms);
  EXPECT_THAT(scheduler_.TakeLoads(kNow + 200ms), SizeIs(2));
}

TEST_F(SchedulerTest, AShardThatIsGivenUpIsForgotten) {
  AddLane(1, 0us, true, /*shard=*/7);
  AddLane(2, 0us, true, /*shard=*/8);
  scheduler_.Offer(InConversation(1, 1), kNow);
  EXPECT_THAT(Pick(), ElementsAre(1));
  scheduler_.Offer(InConversation(2, 2), kNow);
  scheduler_.Offer(MakeHead(3, 1), kNow);
  scheduler_.Offer(MakeHead(4, 2), kNow);
  scheduler_.RemoveShard(7, kNow);
  EXPECT_THAT(Pick(), ElementsAre(4));
  scheduler_.Requeue(1, kNow, 1, kNow);  // Its answer came after that: it is the next owner's.
  EXPECT_THAT(Pick(), IsEmpty());
  EXPECT_EQ(scheduler_.heads(), 0U);
}

TEST_F(SchedulerTest, AConversationGoesOnWhenItsNextMessageMovesAway) {
  AddLane(1, 0us, true, /*shard=*/7);
  AddLane(2, 0us, true, /*shard=*/8);
  scheduler_.Offer(InConversation(1, 1), kNow);
  Head behind = InConversation(2, 2);
  behind.lane_id = 2;
  scheduler_.Offer(behind, kNow);
  scheduler_.RemoveShard(7, kNow);
  EXPECT_THAT(Pick(), ElementsAre(2)) << "the gate knows whether the other replica sent the first";
}

TEST_F(SchedulerTest, AnAccountHasNoMoreInFlightThanItsLimit) {
  AddLane(1);
  AddLane(2);
  for (int i = 1; i <= 4; ++i) scheduler_.Offer(MakeHead(i, i % 2 + 1), kNow);
  scheduler_.LimitAccount("account", 2, kNow);
  EXPECT_THAT(Pick(), SizeIs(2));
  EXPECT_FALSE(scheduler_.HasReady());
  scheduler_.Finish(1, kNow);
  EXPECT_THAT(Pick(), SizeIs(1));
  scheduler_.LimitAccount("account", 0, kNow);
  EXPECT_THAT(Pick(), SizeIs(1));
}

TEST(Scheduler, AnAccountBeginsWithTheLimitOfTheSettings) {
  constexpr char kName[] = "account";
  Scheduler scheduler({.account_limit = 2});
  scheduler.AddLane({1, 1, kName, Medium::kSms, "number"}, std::make_shared<Limiter>(Gcra(0us)),
                    true);
  for (int i = 1; i <= 4; ++i) {
    Head head;
    head.ord = i;
    head.key = {"organization", "message" + std::to_string(i), 0};
    head.lane_id = 1;
    head.due = kNow;
    scheduler.Offer(head, kNow);
  }
  EXPECT_THAT(scheduler.Pick(kNow, 100), SizeIs(2));
  scheduler.LimitAccount(kName, 3, kNow);
  EXPECT_THAT(scheduler.Pick(kNow, 100), SizeIs(1));
  scheduler.ResumeAccount(kName, kNow);
  scheduler.Finish(1, kNow);
  EXPECT_THAT(scheduler.Pick(kNow, 100), SizeIs(0)) << "two are still on their way";
}

TEST_F(SchedulerTest, LooksFurtherAheadWhileTheJournalIsSlow) {
  AddLane(1, 100ms);
  for (int i = 1; i <= 3; ++i) scheduler_.Offer(MakeHead(i), kNow);
  scheduler_.SetLookahead(100ms);
  EXPECT_THAT(Pick(), ElementsAre(1, 2)) << "the second one's slot is 100 ms away";
}

}  // namespace
}  // namespace parley::sender
