#include "pipeline/pauses.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "pipeline/standstill_report.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kNow{1h};
const std::string kAccount = "AC" + std::string(32, '1');
const Lane kLane{1, 1, kAccount, Medium::kSms, "+15005550006"};

class FakeOperatorStore final : public OperatorStore {
 public:
  absl::StatusOr<PauseSet> LoadPauses() override {
    if (away) return Unavailable("DATABASE_UNAVAILABLE", "away");
    return pauses;
  }
  absl::Status SaveStandstills(const std::string& replica, std::span<const Standstill> standstills,
                               SteadyTime) override {
    if (away) return Unavailable("DATABASE_UNAVAILABLE", "away");
    EXPECT_EQ(replica, "replica");
    ++saves;
    saved.assign(standstills.begin(), standstills.end());
    return absl::OkStatus();
  }

  bool away = false;
  PauseSet pauses;
  int saves = 0;
  std::vector<Standstill> saved;
};

class OpenRules final : public LaneRules {
 public:
  std::chrono::microseconds Interval(const Lane&) const override { return 7us; }
  bool IsOpen(const Lane&) const override { return known; }
  std::int64_t AccountVersion(const std::string&) const override { return 8; }
  bool known = true;
};

TEST(Pauses, CloseWhatTheyCoverAndTellOfEachChangeOnce) {
  FakeOperatorStore store;
  OpenRules rules;
  int changes = 0;
  Pauses pauses(rules, store, [&] { ++changes; });
  ASSERT_TRUE(pauses.Load().ok());
  EXPECT_TRUE(pauses.IsOpen(kLane));
  EXPECT_EQ(changes, 0);
  store.pauses = PauseSet({{{kAccount, kLane.number}, "somebody"}});
  ASSERT_TRUE(pauses.Load().ok());
  ASSERT_TRUE(pauses.Load().ok());
  EXPECT_FALSE(pauses.IsOpen(kLane));
  EXPECT_EQ(changes, 1);
  store.pauses = {};
  ASSERT_TRUE(pauses.Load().ok());
  EXPECT_TRUE(pauses.IsOpen(kLane));
  EXPECT_EQ(changes, 2);
  rules.known = false;
  EXPECT_FALSE(pauses.IsOpen(kLane)) << "the directory's word counts as before";
  EXPECT_EQ(pauses.Interval(kLane), 7us);
  EXPECT_EQ(pauses.AccountVersion(kAccount), 8);
}

TEST(Pauses, GoOnWhileTheStoreIsAway) {
  FakeOperatorStore store;
  OpenRules rules;
  Pauses pauses(rules, store, [] {});
  store.pauses = PauseSet({{{kAccount, ""}, "somebody"}});
  ASSERT_TRUE(pauses.Load().ok());
  store.away = true;
  EXPECT_FALSE(pauses.Load().ok());
  EXPECT_FALSE(pauses.IsOpen(kLane));
}

TEST(StandstillReport, StoresWhatChangedAndRepeatsItNowAndThen) {
  FakeOperatorStore store;
  StandstillReport report(store, "replica");
  ASSERT_TRUE(report.Tell({}, kNow).ok());
  EXPECT_EQ(store.saves, 0);
  const std::vector<Standstill> some = {
      {kAccount, "", Standstill::State::kOpen, "TWILIO_20003", kNow, kNow + 10min}};
  store.away = true;
  EXPECT_FALSE(report.Tell(some, kNow).ok());
  store.away = false;
  ASSERT_TRUE(report.Tell(some, kNow + 1s).ok()) << "what was not stored is told again";
  ASSERT_TRUE(report.Tell(some, kNow + 2s).ok());
  EXPECT_EQ(store.saves, 1);
  EXPECT_EQ(store.saved, some);
  ASSERT_TRUE(report.Tell(some, kNow + 2min).ok());
  EXPECT_EQ(store.saves, 2);
  ASSERT_TRUE(report.Tell({}, kNow + 2min).ok());
  EXPECT_TRUE(store.saved.empty());
}

}  // namespace
}  // namespace parley::sender
