#include "pipeline/leases.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "libs/base/status.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

class FakeTimer final : public DeadMansTimer {
 public:
  BootTime Now() const override { return now.load(); }
  absl::Status Arm(BootTime at) override {
    const std::lock_guard lock(mutex);
    fires_at = at;
    return absl::OkStatus();
  }
  void Disarm() override {
    const std::lock_guard lock(mutex);
    fires_at.reset();
  }
  std::optional<BootTime> FiresAt() const {
    const std::lock_guard lock(mutex);
    return fires_at;
  }

  std::atomic<BootTime> now{BootTime(100s)};
  mutable std::mutex mutex;
  std::optional<BootTime> fires_at;
};

class FakeLeases final : public LeaseStore {
 public:
  absl::StatusOr<Leases> Renew(const std::string&, std::chrono::milliseconds) override {
    if (on_renew) on_renew();
    if (away) return Unavailable("DATABASE_UNAVAILABLE", "away");
    return leases;
  }
  absl::Status Release(const std::string&, const ShardSet& shards,
                       std::span<const LaneBusy> told) override {
    released |= shards;
    busy.assign(told.begin(), told.end());
    return absl::OkStatus();
  }
  absl::Status Leave(const std::string&) override { return absl::OkStatus(); }
  absl::Status Ping() override { return absl::OkStatus(); }

  Leases leases;
  bool away = false;
  std::function<void()> on_renew;
  ShardSet released;
  std::vector<LaneBusy> busy;
};

class FakeHolder final : public ShardHolder {
 public:
  void Grant(const std::vector<OwnedShard>& shards) override {
    const std::lock_guard lock(mutex);
    for (const OwnedShard& shard : shards) held[shard.shard] = shard.epoch;
  }
  void Revoke(const ShardSet& shards) override {
    const std::lock_guard lock(mutex);
    std::erase_if(held, [&](const auto& entry) {
      return shards.test(static_cast<std::size_t>(entry.first));
    });
  }
  bool IsQuiet(const ShardSet&) const override { return --looks_until_quiet <= 0; }
  std::vector<LaneBusy> TakeBusy(const ShardSet&) override {
    was_quiet = looks_until_quiet <= 0;
    return {{7, 300ms}};
  }
  std::map<int, std::int64_t> Held() const {
    const std::lock_guard lock(mutex);
    return held;
  }

  mutable std::mutex mutex;
  std::map<int, std::int64_t> held;
  mutable std::atomic<int> looks_until_quiet{0};
  bool was_quiet = false;
};

class LeaseKeeperTest : public testing::Test {
 protected:
  using Held = std::map<int, std::int64_t>;
  FakeTimer timer_;
  FakeLeases store_;
  FakeHolder holder_;
  LeaseKeeper keeper_{store_, timer_, holder_, {.replica = "me", .write_window = 1ms}};
};

TEST_F(LeaseKeeperTest, TheTimerIsSetBeforeAnythingIsHeld) {
  store_.leases.owned = {{3, 1}};
  std::optional<DeadMansTimer::BootTime> during;
  store_.on_renew = [&] { during = timer_.FiresAt(); };
  keeper_.RenewOnce({});
  EXPECT_EQ(during, DeadMansTimer::BootTime(105s));
  EXPECT_EQ(holder_.Held(), (Held{{3, 1}}));
  EXPECT_TRUE(keeper_.Ready().ok());
}

TEST_F(LeaseKeeperTest, AFailedRenewalDoesNotPutTheTimerOff) {
  store_.leases.owned = {{3, 1}};
  keeper_.RenewOnce({});
  timer_.now = 102s;
  store_.away = true;
  keeper_.RenewOnce({});
  EXPECT_EQ(timer_.FiresAt(), DeadMansTimer::BootTime(105s)) << "the lease ends at 106 s";
  store_.away = false;
  keeper_.RenewOnce({});
  EXPECT_EQ(timer_.FiresAt(), DeadMansTimer::BootTime(107s));
}

TEST_F(LeaseKeeperTest, ARenewalCountsFromItsStart) {
  store_.leases.owned = {{3, 1}};
  store_.on_renew = [&] { timer_.now = 102s; };  // It took two seconds.
  keeper_.RenewOnce({});
  EXPECT_EQ(timer_.FiresAt(), DeadMansTimer::BootTime(105s));
}

TEST_F(LeaseKeeperTest, TheGuardGivesUpBeforeTheTimerFires) {
  store_.leases.owned = {{3, 1}, {4, 9}};
  keeper_.RenewOnce({});
  timer_.now = 103s + 600ms;
  std::jthread guard([&](std::stop_token stop) { keeper_.Guard(stop); });
  while (timer_.FiresAt().has_value()) std::this_thread::yield();
  EXPECT_EQ(holder_.Held(), Held{});
  guard.request_stop();
  guard.join();
  EXPECT_EQ(store_.released.count(), 0U) << "they lapse by themselves";
  // When the database is back, they come back.
  keeper_.RenewOnce({});
  EXPECT_EQ(holder_.Held(), (Held{{3, 1}, {4, 9}}));
  EXPECT_TRUE(timer_.FiresAt().has_value());
}

TEST_F(LeaseKeeperTest, ARenewalThatTheGuardOvertookGivesNothing) {
  store_.leases.owned = {{3, 1}};
  keeper_.RenewOnce({});
  store_.on_renew = [&] {
    timer_.now = 103s + 600ms;
    std::jthread guard([&](std::stop_token stop) { keeper_.Guard(stop); });
    while (timer_.FiresAt().has_value()) std::this_thread::yield();
  };
  keeper_.RenewOnce({});
  EXPECT_EQ(holder_.Held(), Held{});
  EXPECT_FALSE(timer_.FiresAt().has_value());
}

TEST_F(LeaseKeeperTest, WhatIsMoreThanItsShareGoesBack) {
  store_.leases.owned = {{1, 1}, {2, 1}, {3, 1}};
  keeper_.RenewOnce({});
  store_.leases.fair_share = 2;
  keeper_.RenewOnce({});
  EXPECT_EQ(holder_.Held(), (Held{{1, 1}, {2, 1}}));
  EXPECT_TRUE(store_.released.test(3));
  EXPECT_EQ(store_.released.count(), 1U);
}

TEST_F(LeaseKeeperTest, ALapsedLeaseComesBackWithItsNewEpoch) {
  store_.leases.owned = {{1, 1}};
  keeper_.RenewOnce({});
  store_.leases.owned = {{1, 2}};
  keeper_.RenewOnce({});
  EXPECT_EQ(holder_.Held(), (Held{{1, 2}}));
  store_.leases.owned = {};
  keeper_.RenewOnce({});
  EXPECT_EQ(holder_.Held(), Held{}) << "somebody else has it";
}

TEST_F(LeaseKeeperTest, LeavingGivesAllBackAndDisarms) {
  store_.leases.owned = {{1, 1}};
  keeper_.RenewOnce({});
  keeper_.Leave();
  EXPECT_EQ(holder_.Held(), Held{});
  EXPECT_TRUE(store_.released.all());
  EXPECT_FALSE(timer_.FiresAt().has_value());
}

TEST_F(LeaseKeeperTest, GivesBackAsSoonAsNothingIsAboutToBeWritten) {
  LeaseKeeper keeper(store_, timer_, holder_, {.replica = "me", .write_window = 10min});
  store_.leases.owned = {{1, 1}, {2, 1}};
  keeper.RenewOnce({});
  store_.leases.fair_share = 1;
  holder_.looks_until_quiet = 3;
  keeper.RenewOnce({});
  EXPECT_TRUE(holder_.was_quiet);
  EXPECT_TRUE(store_.released.test(2));
  ASSERT_EQ(store_.busy.size(), 1U) << "and says for how long each lane is busy";
  EXPECT_EQ(store_.busy[0].lane_id, 7);
}

TEST_F(LeaseKeeperTest, WhatWasGivenBackIsNotTakenUpAgain) {
  store_.leases.owned = {{1, 1}, {2, 1}};
  store_.leases.fair_share = 1;
  keeper_.RenewOnce({});
  // The store has not read the release yet, and there is room again.
  store_.released.reset();
  store_.leases.fair_share = 2;
  keeper_.RenewOnce({});
  EXPECT_EQ(holder_.Held(), (Held{{1, 1}})) << "the release may be read at any moment";
  EXPECT_TRUE(store_.released.test(2)) << "it may have been lost";
  store_.leases.owned = {{1, 1}, {2, 2}};
  keeper_.RenewOnce({});
  EXPECT_EQ(holder_.Held(), (Held{{1, 1}, {2, 2}}));
}

// The store swallows the question: there is nothing to die for.
TEST_F(LeaseKeeperTest, NobodyDiesWhoHoldsNothing) {
  store_.away = true;
  store_.on_renew = [&] {
    EXPECT_TRUE(timer_.FiresAt().has_value());
    timer_.now = 103s + 600ms;
    std::jthread guard([&](std::stop_token stop) { keeper_.Guard(stop); });
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (timer_.FiresAt().has_value() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    EXPECT_FALSE(timer_.FiresAt().has_value()) << "disarmed before it fires at 105 s";
  };
  keeper_.RenewOnce({});
  // What the answer grants in the end is not taken.
  store_.away = false;
  store_.leases.owned = {{3, 1}};
  timer_.now = 200s;
  store_.on_renew = [&] {
    timer_.now = 203s + 600ms;
    std::jthread guard([&](std::stop_token stop) { keeper_.Guard(stop); });
    while (timer_.FiresAt().has_value()) std::this_thread::yield();
  };
  keeper_.RenewOnce({});
  EXPECT_EQ(holder_.Held(), Held{});
}

}  // namespace
}  // namespace parley::sender
