// What the scheduler holds of long queues: nobody's starves another's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "domain/scheduler.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kNow{1h};
constexpr int kLanes = 100;

// A table with long queues of bulk, and a clock.
class SchedulerMemoryTest : public testing::Test {
 protected:
  void AddLanes(int from, int to, bool open = true, int rows = 1'000) {
    for (int lane = from; lane <= to; ++lane) {
      const std::string account = "account" + std::to_string(lane);
      scheduler_.AddLane({lane, 1, account, Medium::kSms, "number" + std::to_string(lane)},
                         std::make_shared<Limiter>(Gcra(1s)), open);
      for (int i = 0; i < rows; ++i) {
        Head head;
        head.ord = ++ords_;
        head.key = {"organization", "message" + std::to_string(head.ord), 0};
        head.lane_id = lane;
        head.priority = Priority::kBulk;
        head.due = kNow;
        table_[lane].emplace(head.ord, head);
      }
      scheduler_.MarkMore(lane);
    }
  }

  Head Reply(int lane) {
    Head head;
    head.ord = ++ords_;
    head.key = {"other", "reply" + std::to_string(head.ord), 0};
    head.lane_id = lane;
    head.due = now_;
    return head;
  }

  void Load() {
    for (const LoadRequest& request : scheduler_.TakeLoads(now_)) {
      LoadedRows rows{request.lane_id, request.priority, {}, false, {}};
      if (request.priority == Priority::kBulk) {
        for (const auto& [ord, head] : table_[request.lane_id]) {
          if (rows.heads.size() == request.rows_max) break;
          rows.heads.push_back(head);
        }
      }
      rows.complete = rows.heads.size() < request.rows_max;
      scheduler_.Loaded(rows, now_);
    }
  }

  // Sends what may go until `end`; notes who did.
  void RunUntil(SteadyTime end) {
    for (; now_ < end; now_ += 5ms) {
      Load();
      for (const Head& head : scheduler_.Pick(now_, 1'000)) {
        scheduler_.LimiterOf(head.lane_id)->Take(now_, head.segments);
        table_[head.lane_id].erase(head.ord);
        scheduler_.Finish(head.ord, now_);
        sent_[head.lane_id].push_back(head.ord);
      }
    }
  }

  Scheduler scheduler_{{.lookahead = 0us}};
  SteadyTime now_ = kNow;
  std::int64_t ords_ = 0;
  std::map<std::int64_t, std::map<std::int64_t, Head>> table_;
  std::map<std::int64_t, std::vector<std::int64_t>> sent_;
};

TEST_F(SchedulerMemoryTest, EveryLaneOfManySends) {
  AddLanes(1, kLanes);
  RunUntil(kNow + 2s);
  EXPECT_EQ(sent_.size(), kLanes);
  const Head reply = Reply(kLanes);
  scheduler_.Offer(reply, now_);
  RunUntil(now_ + 1s);
  EXPECT_THAT(sent_[kLanes], testing::Contains(reply.ord)) << "within one slot";
}

TEST_F(SchedulerMemoryTest, WhatCannotGoTakesNoRoom) {
  AddLanes(1, 64, /*open=*/false);
  AddLanes(65, 64 + kLanes);
  RunUntil(kNow + 2s);
  EXPECT_EQ(sent_.size(), kLanes);
  const Head reply = Reply(65);
  scheduler_.Offer(reply, now_);
  RunUntil(now_ + 1s);
  EXPECT_THAT(sent_[65], testing::Contains(reply.ord));
  scheduler_.SetOpen(1, true, now_);
  RunUntil(now_ + 2s);
  EXPECT_TRUE(sent_.contains(1)) << "what was closed goes once it may";
}

TEST_F(SchedulerMemoryTest, APauseBeyondTheHorizonGivesItsRoomBack) {
  AddLanes(1, 64);
  RunUntil(kNow + 500ms);
  EXPECT_GT(scheduler_.heads(), 64U * 250U);
  for (int lane = 1; lane <= 63; ++lane) {
    scheduler_.PauseAccount("account" + std::to_string(lane), now_ + 60s, now_);
  }
  Load();
  EXPECT_LE(scheduler_.heads(), 512U);
  AddLanes(65, 65);
  sent_.clear();
  RunUntil(now_ + 1s);
  EXPECT_EQ(sent_.size(), 2U);
  now_ += 60s;
  RunUntil(now_ + 2s);
  EXPECT_EQ(sent_.size(), 65U);
}

TEST_F(SchedulerMemoryTest, WhoComesLateFindsRoom) {
  AddLanes(1, 64);
  RunUntil(kNow + 500ms);
  AddLanes(65, kLanes);
  RunUntil(now_ + 2s);
  EXPECT_EQ(sent_.size(), kLanes);
}

TEST_F(SchedulerMemoryTest, RepliesHaveRoomOfTheirOwn) {
  AddLanes(1, 64);
  RunUntil(kNow + 500ms);
  const Head reply = Reply(64);
  scheduler_.Offer(reply, now_);
  RunUntil(now_ + 1s);
  EXPECT_THAT(sent_[64], testing::Contains(reply.ord));
}

TEST_F(SchedulerMemoryTest, OneWithManyDoesNotDelayAnothersReply) {
  AddLanes(1, 10, true, 10'000);
  scheduler_.AddLane({11, 1, "account", Medium::kSms, "number"},
                     std::make_shared<Limiter>(Gcra(0us)), true);
  Load();
  ASSERT_EQ(scheduler_.Pick(now_, 5).size(), 5U);
  const Head reply = Reply(11);
  scheduler_.Offer(reply, now_);
  std::vector<std::int64_t> next;
  for (const Head& head : scheduler_.Pick(now_, 2)) next.push_back(head.ord);
  EXPECT_THAT(next, testing::Contains(reply.ord)) << "after one send of the other at most";
}

TEST_F(SchedulerMemoryTest, ABusyConversationIsParkedAsAWhole) {
  scheduler_.AddLane({1, 1, "account", Medium::kSms, "number"},
                     std::make_shared<Limiter>(Gcra(0us)), true);
  for (int i = 1; i <= 5; ++i) {
    Head head = Reply(1);
    head.conversation_id = i < 5 ? "busy" : "free";
    head.conversation_seq = i;
    scheduler_.Offer(head, now_);
  }
  ASSERT_EQ(scheduler_.Pick(now_, 10).size(), 2U) << "the first of each conversation";
  scheduler_.Park(1, now_ + 1s, now_);
  scheduler_.Finish(5, now_);
  EXPECT_EQ(scheduler_.heads(), 0U);
  EXPECT_TRUE(scheduler_.Pick(now_, 10).empty()) << "nothing behind it is asked for meanwhile";
  // What the table has of it is passed over, and what is behind that is found.
  scheduler_.MarkMore(1);
  std::vector<Head> rows;
  for (int ord = 2; ord <= 4; ++ord) {
    Head head = Reply(1);
    head.ord = ord;
    head.conversation_id = "busy";
    head.conversation_seq = ord;
    rows.push_back(head);
  }
  ASSERT_EQ(scheduler_.TakeLoads(now_).size(), 2U);
  scheduler_.Loaded({1, Priority::kInteractive, rows, /*complete=*/false, {}}, now_);
  scheduler_.Loaded({1, Priority::kBulk, {}, /*complete=*/true, {}}, now_);
  EXPECT_EQ(scheduler_.heads(), 0U);
  const auto again = scheduler_.TakeLoads(now_);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].rows_max, 512U + 3U);
  scheduler_.Loaded({1, Priority::kInteractive, rows, /*complete=*/true, {}}, now_);
  EXPECT_EQ(scheduler_.NextWake(), now_ + 1s);
  now_ += 1s;
  ASSERT_EQ(scheduler_.TakeLoads(now_).size(), 2U);
  scheduler_.Loaded({1, Priority::kInteractive, rows, /*complete=*/true, {}}, now_);
  EXPECT_EQ(scheduler_.Pick(now_, 10).size(), 1U);
}

}  // namespace
}  // namespace parley::sender
