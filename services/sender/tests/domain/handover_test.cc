#include "domain/handover.h"

#include <gtest/gtest.h>

#include <memory>
#include <span>

#include "domain/engine.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kNow{1h};

ShardSet Only(int shard) { return ShardSet().set(static_cast<std::size_t>(shard)); }

TEST(Handover, IsQuietOnceEverythingIsWrittenOrGivenUp) {
  Handover handover;
  EXPECT_TRUE(handover.Begin(3));
  EXPECT_TRUE(handover.Begin(3));
  EXPECT_FALSE(handover.IsQuiet(Only(3)));
  EXPECT_TRUE(handover.IsQuiet(Only(4)));
  handover.Written(3, 7, kNow + 800ms);
  EXPECT_FALSE(handover.IsQuiet(Only(3)));
  handover.GivenUp(3);
  EXPECT_TRUE(handover.IsQuiet(Only(3)));
  handover.Close(Only(3));
  EXPECT_FALSE(handover.Begin(3));
  const auto busy = handover.TakeBusy(Only(3), kNow);
  ASSERT_EQ(busy.size(), 1U);
  EXPECT_EQ(busy[0].lane_id, 7);
  EXPECT_EQ(busy[0].busy, 800ms);
  EXPECT_TRUE(handover.TakeBusy(Only(3), kNow).empty());
  handover.Open(3);
  EXPECT_TRUE(handover.Begin(3));
}

// It lapsed, others had it, and it came back: what was written before is theirs to tell.
TEST(Handover, SpeaksOfThisTimeOnly) {
  Handover handover;
  ASSERT_TRUE(handover.Begin(3));
  handover.Written(3, 7, kNow + 1s);
  handover.Close(Only(3));
  handover.Open(3);
  EXPECT_TRUE(handover.TakeBusy(Only(3), kNow).empty());
}

// Not a byte had left, so it is asked again: by then its shard may be another replica's.
TEST(Handover, NothingIsWrittenOnceMoreAfterIt) {
  Handover handover;
  const auto limiter = std::make_shared<Limiter>(Gcra(100ms));
  limiter->Reserve(1);
  ASSERT_TRUE(handover.Begin(3));
  WriteSlot slot(limiter, 1, kNow + 500ms, {&handover, 3, 7});
  EXPECT_EQ(slot.AboutToWrite(kNow), 0us);
  EXPECT_TRUE(handover.IsQuiet(Only(3)));
  EXPECT_EQ(slot.AboutToWrite(kNow + 10ms), 90ms) << "as long as it is ours";
  EXPECT_FALSE(handover.IsQuiet(Only(3)));
  EXPECT_EQ(slot.AboutToWrite(kNow + 100ms), 0us);
  handover.Close(Only(3));
  EXPECT_LT(slot.AboutToWrite(kNow + 200ms), 0us);
  EXPECT_TRUE(handover.IsQuiet(Only(3)));
}

class OneAccount final : public LaneRules {
 public:
  std::chrono::microseconds Interval(const Lane&) const override { return 1s; }
  bool IsOpen(const Lane&) const override { return true; }
  std::int64_t AccountVersion(const std::string&) const override { return version; }
  std::int64_t version = 1;
};

// When the first request may be planned by who takes a lane over at kNow.
TEST(Engine, ANewOwnerWaitsForWhatTheLastOneMayHaveWritten) {
  struct Case {
    const char* label;
    bool died;
    std::optional<std::chrono::microseconds> age, busy;
    std::chrono::microseconds want;
  };
  const Case cases[] = {
      {"never sent", false, {}, {}, 0us},
      {"given away, busy", false, 100ms, 300ms, 300ms},
      {"given away, free", false, 100ms, 0us, 0us},
      {"lapsed", false, 100ms, {}, 2'500ms},
      {"its process is gone", true, 100ms, {}, 2'000ms},
      {"idle for long", false, 2h, {}, 0us},
  };
  for (const Case& c : cases) {
    const OneAccount rules;
    EngineOptions options;
    options.scheduler.lookahead = 0us;
    Engine engine(rules, options, kNow);
    Mail mail;
    mail.granted.push_back({3, 1, c.died});
    engine.Read(std::move(mail), kNow);
    LaneRow row;
    row.lane = {7, 3, "account", Medium::kSms, "number"};
    row.last_request_age = c.age;
    row.last_segments = 2;
    row.busy = c.busy;
    engine.FoundLanes(std::span(&row, 1));
    const SteadyTime next = engine.scheduler().LimiterOf(7)->Expected(kNow);
    EXPECT_EQ(next - kNow, c.want) << c.label;
  }
}

TEST(Engine, NewCredentialsEndTheAccountsPause) {
  OneAccount rules;
  Engine engine(rules, {}, kNow);
  Mail mail;
  mail.granted.push_back({3, 1, false});
  engine.Read(std::move(mail), kNow);
  LaneRow row;
  row.lane = {7, 3, "account", Medium::kSms, "number"};
  engine.FoundLanes(std::span(&row, 1));
  mail = {};
  mail.account_pauses.emplace_back("account", kNow + 5min);
  engine.Read(std::move(mail), kNow);
  EXPECT_TRUE(engine.TakeLoads(kNow).empty()) << "nothing of it goes soon";
  mail = {};
  mail.directory_changed = true;
  engine.Read(std::move(mail), kNow);
  EXPECT_TRUE(engine.TakeLoads(kNow).empty()) << "the same credentials";
  rules.version = 2;
  mail = {};
  mail.directory_changed = true;
  engine.Read(std::move(mail), kNow);
  EXPECT_EQ(engine.TakeLoads(kNow).size(), 2U);
}

}  // namespace
}  // namespace parley::sender
