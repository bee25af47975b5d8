#include "domain/throttle.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kStart{1h};
const std::string kAccount = "AC" + std::string(32, '1');
const twilio::Accepted kTaken{.sid = "SM" + std::string(32, 'a')};
const twilio::Unknown kLost{0, "time-out"};
const twilio::Refused kBusy{429, 20429, "", {}};

class ThrottleTest : public testing::Test {
 protected:
  Throttle::Advice Ask(const twilio::SendOutcome& outcome, SteadyTime now = kStart) {
    throttle_.Begin(kAccount);
    return throttle_.End(kAccount, outcome, now, 0.5);
  }
  Throttle throttle_;
};

TEST_F(ThrottleTest, ThreeUnknownInARowOpenTheBreaker) {
  EXPECT_FALSE(Ask(kLost).pause);
  EXPECT_FALSE(Ask(kLost).pause);
  EXPECT_FALSE(Ask(kTaken).pause);
  EXPECT_FALSE(Ask(kLost).pause) << "an answer in between begins the count anew";
  EXPECT_FALSE(Ask(kLost).pause);
  const Throttle::Advice third = Ask(kLost);
  EXPECT_EQ(third.pause, 7'500ms);
  EXPECT_EQ(third.limit, 1) << "then one at a time";
  EXPECT_TRUE(throttle_.IsOpen(kAccount, kStart + 7s));
  EXPECT_FALSE(throttle_.IsOpen(kAccount, kStart + 8s));
}

TEST_F(ThrottleTest, AHalfOpenBreakerClosesOrOpensForLonger) {
  for (int i = 0; i < 3; ++i) Ask(kLost);
  const Throttle::Advice probe = Ask(kLost, kStart + 8s);
  EXPECT_EQ(probe.pause, 15s);
  EXPECT_EQ(Ask(kTaken, kStart + 24s).limit, 2);
  Ask(kTaken, kStart + 24s);
  EXPECT_EQ(Ask(kTaken, kStart + 24s).limit, 4);
}

TEST_F(ThrottleTest, RefusedCredentialsOpenTheBreakerAtOnce) {
  EXPECT_EQ(Ask(twilio::Refused{401, 20003, "", {}}).pause, 7'500ms);
  EXPECT_FALSE(Ask(twilio::Refused{401, 20003, "", {}}).pause) << "the rest of the wave";
  EXPECT_FALSE(Ask(twilio::Refused{400, 21211, "", {}}).pause) << "one recipient's fault";
}

TEST_F(ThrottleTest, ParallelRequestsFollow429DownAndSuccessesUp) {
  for (int i = 0; i < 8; ++i) throttle_.Begin(kAccount);
  EXPECT_EQ(throttle_.End(kAccount, kBusy, kStart, 0.5).limit, 4);
  const Throttle::Advice same_wave = throttle_.End(kAccount, kBusy, kStart + 10ms, 0.5);
  EXPECT_FALSE(same_wave.limit);
  EXPECT_EQ(same_wave.refusals, 1);
  EXPECT_EQ(throttle_.End(kAccount, kBusy, kStart + 1s, 0.5).refusals, 2);
  int limit = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Throttle::Advice advice = Ask(kTaken, kStart + 2s);
    if (advice.limit) limit = *advice.limit;
    if (advice.limit && limit == 0) break;
  }
  EXPECT_EQ(limit, 0) << "at last there is no limit again";
  EXPECT_EQ(Ask(kBusy, kStart + 3s).refusals, 1);
}

TEST_F(ThrottleTest, A429IsAboutTheRequestsOfAllReplicas) {
  throttle_.SetOthers(kAccount, 12);
  for (int i = 0; i < 8; ++i) throttle_.Begin(kAccount);
  EXPECT_EQ(throttle_.End(kAccount, kBusy, kStart, 0.5).limit, 10);
}

TEST_F(ThrottleTest, TellsWhatItUsedSinceItTold) {
  for (int i = 0; i < 3; ++i) throttle_.Begin(kAccount);
  for (int i = 0; i < 2; ++i) throttle_.End(kAccount, kTaken, kStart, 0.5);
  EXPECT_EQ(throttle_.TakeUses(), (AccountUses{{kAccount, {.peak = 3}}}));
  EXPECT_EQ(throttle_.TakeUses(), (AccountUses{{kAccount, {.peak = 1}}}));
  throttle_.End(kAccount, kBusy, kStart, 0.5);
  EXPECT_EQ(throttle_.TakeUses(), (AccountUses{{kAccount, {.peak = 1, .adapted = 1}}}));
  for (int i = 0; i < 3; ++i) Ask(kLost, kStart + 1s);
  EXPECT_EQ(throttle_.TakeUses(),
            (AccountUses{{kAccount, {.peak = 1, .adapted = 1, .alone = true}}}))
      << "its breaker is its own";
  Ask(kTaken, kStart + 20s);
  EXPECT_TRUE(throttle_.TakeUses().at(kAccount).alone) << "also while it closes again";
}

TEST_F(ThrottleTest, AFullQueueOfOneSenderLimitsNobodyElse) {
  EXPECT_FALSE(Ask(twilio::Refused{429, kQueueFull, "", {}}).limit);
}

TEST_F(ThrottleTest, NewCredentialsBeginAnew) {
  throttle_.Begin(kAccount, 5);
  EXPECT_TRUE(throttle_.End(kAccount, twilio::Refused{401, 20003, "", {}}, kStart, 0.5).pause);
  throttle_.Begin(kAccount, 5);
  EXPECT_TRUE(throttle_.IsOpen(kAccount, kStart + 1s));
  throttle_.Begin(kAccount, 6);
  EXPECT_FALSE(throttle_.IsOpen(kAccount, kStart + 1s));
}

TEST_F(ThrottleTest, AnOperatorSeesBreakersUntilARequestSucceeds) {
  EXPECT_TRUE(throttle_.Breakers(kStart).empty());
  for (int i = 0; i < 3; ++i) Ask(kLost);
  const Standstill open{
      kAccount, "", Standstill::State::kOpen, "UNCONFIRMED_NO_ANSWER", kStart, kStart + 7'500ms};
  EXPECT_EQ(throttle_.Breakers(kStart + 7s), std::vector{open});
  const Standstill half{kAccount, "", Standstill::State::kHalfOpen, "UNCONFIRMED_NO_ANSWER",
                        kStart,   {}};
  EXPECT_EQ(throttle_.Breakers(kStart + 8s), std::vector{half});
  Ask(twilio::Refused{401, 20003, "", {}}, kStart + 8s);
  const auto again = throttle_.Breakers(kStart + 9s);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].reason, "TWILIO_20003");
  EXPECT_EQ(again[0].since, kStart) << "it never closed in between";
  Ask(kTaken, kStart + 30s);
  EXPECT_TRUE(throttle_.Breakers(kStart + 30s).empty());
}

TEST_F(ThrottleTest, BeingLateOurselvesSaysNothing) {
  for (int i = 0; i < 2; ++i) Ask(kLost);
  EXPECT_FALSE(Ask(twilio::NotWritten{true, ""}).pause);
  EXPECT_TRUE(Ask(kLost).pause);
}

}  // namespace
}  // namespace parley::sender
