// What an operator's pause does to the decisions of a replica.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/engine.h"
#include "domain/pause_set.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr SteadyTime kNow{1h};
const std::string kAccount = "AC" + std::string(32, '1');
const std::string kOther = "AC" + std::string(32, '2');

const Lane kFirst{1, 1, kAccount, Medium::kSms, "+15005550001"};
const Lane kFirstWhatsApp{2, 1, kAccount, Medium::kWhatsApp, "+15005550001"};
const Lane kSecond{3, 1, kAccount, Medium::kSms, "+15005550002"};
const Lane kOthers{4, 1, kOther, Medium::kSms, "+15005550001"};

TEST(PauseSet, CoversANumberOnEveryMediumOrAWholeAccount) {
  const PauseSet number({{{kAccount, "+15005550001"}, "somebody"}});
  EXPECT_TRUE(number.Covers(kFirst));
  EXPECT_TRUE(number.Covers(kFirstWhatsApp));
  EXPECT_FALSE(number.Covers(kSecond));
  EXPECT_FALSE(number.Covers(kOthers)) << "the same number of another account";
  const PauseSet account({{{kAccount, ""}, "somebody"}});
  EXPECT_TRUE(account.Covers(kFirst));
  EXPECT_TRUE(account.Covers(kSecond));
  EXPECT_FALSE(account.Covers(kOthers));
}

class PauseTest : public testing::Test, public LaneRules {
 protected:
  std::chrono::microseconds Interval(const Lane&) const override { return 0us; }
  bool IsOpen(const Lane& lane) const override { return !pauses_.Covers(lane); }
  std::int64_t AccountVersion(const std::string&) const override { return 1; }

  void SetUp() override {
    Mail mail;
    mail.granted = {{1, 1, false}};
    engine_.handover().Open(1);
    engine_.Read(std::move(mail), kNow);
    engine_.TakeSearch(kNow);
    for (const Lane& lane : {kFirst, kSecond, kOthers}) {
      LaneRow row;
      row.lane = lane;
      engine_.FoundLanes({&row, 1});
    }
    Load(kNow);
  }

  void SetPauses(PauseSet pauses, SteadyTime now) {
    pauses_ = std::move(pauses);
    Mail mail;
    mail.directory_changed = true;
    engine_.Read(std::move(mail), now);
  }

  // The table has one row of each lane and priority that was not sent yet.
  void Load(SteadyTime now) {
    for (const LoadRequest& request : engine_.TakeLoads(now)) {
      LoadedRows rows{request.lane_id, request.priority, {}, /*complete=*/true, {}};
      const Head head = MakeHead(request.lane_id, request.priority);
      if (!sent_.contains(head.ord)) rows.heads.push_back(head);
      engine_.Loaded({&rows, 1}, now);
    }
  }

  static Head MakeHead(std::int64_t lane, Priority priority) {
    Head head;
    head.ord = lane * 10 + static_cast<int>(priority);
    head.key = {"organization", "message" + std::to_string(head.ord), 0};
    head.lane_id = lane;
    head.priority = priority;
    head.due = kNow;
    return head;
  }

  // The orders of what is journalled.
  std::vector<std::int64_t> Plan(SteadyTime now) {
    std::vector<std::int64_t> ords;
    Load(now);
    const auto request = engine_.Plan(now, 100, ShardSet().set(), {true, true}, 1);
    if (!request) return ords;
    for (const JournalEntry& entry : request->entries) {
      ords.push_back(entry.head.ord);
      sent_.insert(entry.head.ord);
    }
    return ords;
  }

  PauseSet pauses_;
  std::set<std::int64_t> sent_;
  Engine engine_{*this, {}, kNow};
};

TEST_F(PauseTest, NothingOfAPausedNumberIsJournalledUntilItIsResumed) {
  SetPauses(PauseSet({{{kAccount, kFirst.number}, "somebody"}}), kNow);
  EXPECT_THAT(Plan(kNow), UnorderedElementsAre(31, 32, 41, 42)) << "bulk and interactive";
  EXPECT_THAT(Plan(kNow + 1min), IsEmpty());
  Mail mail;  // New rows wait as well.
  mail.offered = {{MakeHead(1, Priority::kInteractive), kFirst}};
  engine_.Read(std::move(mail), kNow + 1min);
  EXPECT_THAT(Plan(kNow + 1min), IsEmpty());
  SetPauses({}, kNow + 2min);
  EXPECT_THAT(Plan(kNow + 2min), ElementsAre(11, 12)) << "nothing was lost";
}

TEST_F(PauseTest, APausedAccountWaitsWithAllItsNumbers) {
  SetPauses(PauseSet({{{kAccount, ""}, "somebody"}}), kNow);
  EXPECT_THAT(Plan(kNow), UnorderedElementsAre(41, 42));
  SetPauses({}, kNow + 1s);
  EXPECT_THAT(Plan(kNow + 1s), UnorderedElementsAre(11, 12, 31, 32));
}

TEST_F(PauseTest, ARetryOfAPausedNumberWaitsForItsEnd) {
  ASSERT_THAT(Plan(kNow), testing::SizeIs(6));
  SetPauses(PauseSet({{{kAccount, kFirst.number}, "somebody"}}), kNow);
  Mail mail;
  Settled refused;
  refused.ord = 11;
  refused.lane_id = 1;
  refused.shard = 1;
  refused.requeue = true;
  refused.attempt = 1;
  mail.settled = {refused};
  engine_.Read(std::move(mail), kNow);
  sent_.erase(11);
  EXPECT_THAT(Plan(kNow + 1s), IsEmpty());
  SetPauses({}, kNow + 2s);
  EXPECT_THAT(Plan(kNow + 2s), ElementsAre(11));
}

TEST_F(PauseTest, ALaneThatIsFoundDuringItsPauseStaysClosed) {
  pauses_ = PauseSet({{{kAccount, kFirst.number}, "somebody"}});
  LaneRow row;
  row.lane = kFirstWhatsApp;
  engine_.FoundLanes({&row, 1});
  EXPECT_THAT(Plan(kNow), testing::Not(testing::Contains(21)));
  SetPauses({}, kNow + 1s);
  EXPECT_THAT(Plan(kNow + 1s), ElementsAre(21, 22));
}

}  // namespace
}  // namespace parley::sender
