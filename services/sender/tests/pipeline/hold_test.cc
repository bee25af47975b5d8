#include "pipeline/hold.h"

#include <gtest/gtest.h>

#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "parley/events/v1/consent.pb.h"
#include "pipeline/consent.h"

namespace parley::sender {
namespace {

constexpr SteadyTime kNow{std::chrono::hours(1)};
constexpr std::int64_t kSince = 5'000;

class FakeHold final : public HoldStore {
 public:
  absl::StatusOr<Hold> Look() override {
    if (away) return Unavailable("DATABASE_UNAVAILABLE", "away");
    return hold;
  }
  absl::Status Lift(std::int64_t number, std::int64_t lifts_from_us) override {
    if (hold.number == number && hold.lifts_from_us == lifts_from_us) {
      hold.held_by = HeldBy::kNobody;
    }
    return absl::OkStatus();
  }
  absl::Status HoldAll(const std::string&) override { return absl::OkStatus(); }
  absl::StatusOr<Hold> Release(bool) override { return hold; }

  Hold hold;
  bool away = false;
};

class FakeSource final : public SuppressionSource {
 public:
  void RequestSuppressions(std::int64_t since_us) override { asked.push_back(since_us); }
  std::vector<std::int64_t> asked;
};

kafka::Record Republished(std::int32_t partition, std::int64_t offset, std::int64_t records = -1) {
  events::v1::ConsentRecord consent;
  consent.set_republication_us(kSince + 1);
  if (records >= 0) {
    consent.set_republication_complete(true);
    consent.set_republication_records(records);
  }
  kafka::Record record;
  record.partition = partition;
  record.offset = offset;
  record.value = consent.SerializeAsString();
  return record;
}

TEST(HoldKeeper, ARunThatBeginsAfterItsRecordIsNone) {
  kafka::Record record = Republished(0, 1);
  record.time = FromMicros(kSince);
  EXPECT_TRUE(RunOf(record).has_value());
  events::v1::ConsentRecord tomorrow;
  tomorrow.set_republication_us(kSince + 24 * 3'600'000'000);
  record.value = tomorrow.SerializeAsString();
  EXPECT_FALSE(RunOf(record).has_value());
}

TEST(HoldKeeper, HoldsReadsAllAgainAndLifts) {
  FakeHold store;
  FakeSource source;
  int changes = 0;
  HoldKeeper keeper(store, source, [&] { ++changes; });
  EXPECT_FALSE(keeper.Allows()) << "nothing is known";
  ASSERT_TRUE(keeper.Look(kNow).ok());
  EXPECT_TRUE(keeper.Allows());
  EXPECT_EQ(changes, 1);
  HoldKeeper::Reading reading = keeper.BeginReading();
  EXPECT_FALSE(reading.from_beginning);

  store.hold = {
      .number = 1, .held_by = HeldBy::kRestore, .since_us = kSince, .lifts_from_us = kSince};
  ASSERT_TRUE(keeper.Look(kNow).ok());
  EXPECT_FALSE(keeper.Allows());
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(source.asked, std::vector<std::int64_t>{kSince});
  EXPECT_TRUE(reading.end.stop_requested());
  reading = keeper.BeginReading();
  EXPECT_TRUE(reading.from_beginning);
  EXPECT_FALSE(reading.end.stop_requested());

  keeper.Stored({Republished(0, 1), Republished(3, 8), {}});
  keeper.AtEnd();
  ASSERT_TRUE(keeper.Look(kNow).ok());
  EXPECT_TRUE(store.hold.IsHeld());
  keeper.Stored({Republished(3, 9, /*records=*/2)});
  ASSERT_TRUE(keeper.Look(kNow).ok());
  EXPECT_FALSE(store.hold.IsHeld());
  ASSERT_TRUE(keeper.Look(kNow).ok());
  EXPECT_TRUE(keeper.Allows());
  EXPECT_EQ(changes, 3);
}

TEST(HoldKeeper, AStoreThatIsAwayChangesNothing) {
  FakeHold store;
  FakeSource source;
  HoldKeeper keeper(store, source, [] {});
  store.away = true;
  EXPECT_FALSE(keeper.Look(kNow).ok());
  EXPECT_FALSE(keeper.Allows());
  store.away = false;
  ASSERT_TRUE(keeper.Look(kNow).ok());
  store.away = true;
  EXPECT_FALSE(keeper.Look(kNow).ok());
  EXPECT_TRUE(keeper.Allows()) << "the journal needs the store in any case";
}

}  // namespace
}  // namespace parley::sender
