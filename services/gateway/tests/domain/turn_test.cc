#include "domain/turn.h"

#include <gtest/gtest.h>

#include "libs/base/id.h"

namespace parley::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kConversation[] = "00000000-0000-7000-8000-000000000001";
const Time kStart = FromMicros(1'800'000'000'000'000);
const AiGate kOn{.enabled = true};

Turns Pending(std::int64_t first, std::int64_t last, Time due) {
  return {.pending = PendingTurn{first, last, due}, .open = std::nullopt};
}

TEST(Collect, FollowsTheTable) {
  struct Case {
    const char* label;
    AiGate gate;
    TurnMessage message;
    Turns before;
    Turns want;
  };
  const Time due = kStart + milliseconds(2000);
  const Case cases[] = {
      {"the first message starts a turn", kOn, {1, kStart, true}, {}, Pending(1, 1, due)},
      {"the next joins and moves nothing",
       kOn,
       {2, kStart + seconds(1), true},
       Pending(1, 1, due),
       Pending(1, 2, due)},
      {"a keyword starts none", kOn, {1, kStart, false}, {}, {}},
      {"a keyword joins none", kOn, {2, kStart, false}, Pending(1, 1, due), Pending(1, 1, due)},
      {"off", {.enabled = false}, {1, kStart, true}, {}, {}},
      {"taken over", {.enabled = true, .taken_over = true}, {1, kStart, true}, {}, {}},
      {"opted out", {.enabled = true, .opted_out = true}, {1, kStart, true}, {}, {}},
  };
  for (const Case& c : cases) {
    Turns turns = c.before;
    Collect(turns, c.gate, c.message, milliseconds(2000));
    EXPECT_EQ(turns, c.want) << c.label;
  }
}

TEST(Emit, OpensWhatIsDueAndNothingElse) {
  struct Case {
    const char* label;
    AiGate gate;
    Turns before;
    Time now;
    bool emits;
    bool keeps_pending;
  };
  const Turns pending = Pending(3, 5, kStart);
  Turns with_open = pending;
  with_open.open = OpenTurn{"other", 2, kStart + seconds(60)};
  const Case cases[] = {
      {"nothing pending", kOn, {}, kStart, false, false},
      {"not yet", kOn, pending, kStart - milliseconds(1), false, true},
      {"due", kOn, pending, kStart, true, false},
      {"another is open", kOn, with_open, kStart + seconds(5), false, true},
      {"the gate has closed", {.enabled = false}, pending, kStart, false, false},
  };
  for (const Case& c : cases) {
    Turns turns = c.before;
    const auto emitted = Emit(turns, c.gate, kConversation, c.now, seconds(90));
    ASSERT_EQ(emitted.has_value(), c.emits) << c.label;
    EXPECT_EQ(turns.pending.has_value(), c.keeps_pending) << c.label;
    if (!emitted) continue;
    EXPECT_EQ(*emitted, (EmittedTurn{TurnId(kConversation, 3), 3, 5, kStart, c.now + seconds(90)}));
    EXPECT_EQ(turns.open, (OpenTurn{TurnId(kConversation, 3), 5, c.now + seconds(90)}));
  }
}

TEST(TakeReply, IsAcceptedOnlyWhileItsTurnIsOpen) {
  struct Case {
    const char* label;
    AiGate gate;
    const char* turn_id;
    Time now;
    ReplyVerdict want;
    bool stays_open;
  };
  const Time deadline = kStart + seconds(90);
  const Case cases[] = {
      {"in time", kOn, "mine", kStart, ReplyVerdict::kAccepted, false},
      {"of another turn", kOn, "other", kStart, ReplyVerdict::kTurnNotOpen, true},
      {"late", kOn, "mine", deadline, ReplyVerdict::kTooLate, false},
      {"switched off", {.enabled = false}, "mine", kStart, ReplyVerdict::kAiOff, false},
      {"taken over",
       {.enabled = true, .taken_over = true},
       "mine",
       kStart,
       ReplyVerdict::kTakenOver,
       false},
      {"opted out",
       {.enabled = true, .opted_out = true},
       "mine",
       kStart,
       ReplyVerdict::kOptedOut,
       false},
  };
  for (const Case& c : cases) {
    Turns turns;
    turns.open = OpenTurn{"mine", 2, deadline};
    EXPECT_EQ(TakeReply(turns, c.gate, c.turn_id, c.now), c.want) << c.label;
    EXPECT_EQ(turns.open.has_value(), c.stays_open) << c.label;
  }
  Turns none;
  EXPECT_EQ(TakeReply(none, kOn, "mine", kStart), ReplyVerdict::kTurnNotOpen);
}

TEST(TimeOut, ClosesAtTheDeadlineAndLeavesWhatIsPending) {
  Turns turns = Pending(3, 3, kStart);
  turns.open = OpenTurn{"mine", 2, kStart + seconds(90)};
  EXPECT_FALSE(TimeOut(turns, kStart + seconds(89)));
  EXPECT_TRUE(TimeOut(turns, kStart + seconds(90)));
  EXPECT_FALSE(turns.open.has_value());
  EXPECT_TRUE(turns.pending.has_value());
}

TEST(Close, DropsBoth) {
  Turns turns = Pending(3, 3, kStart);
  turns.open = OpenTurn{"mine", 2, kStart};
  Close(turns);
  EXPECT_EQ(turns, Turns());
}

TEST(TurnId, FollowsFromConversationAndFirstMessage) {
  EXPECT_EQ(TurnId(kConversation, 1), TurnId(kConversation, 1));
  EXPECT_NE(TurnId(kConversation, 1), TurnId(kConversation, 2));
  EXPECT_TRUE(IsUuid(TurnId(kConversation, 1)));
}

}  // namespace
}  // namespace parley::gateway
