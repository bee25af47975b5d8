#include "domain/settlement.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using twilio::Accepted;
using twilio::NotWritten;
using twilio::Refused;
using twilio::Unknown;

constexpr RetryPolicy kPolicy{.errors_max = 3, .delay_min = 400ms, .delay_max = 600ms};

const std::string kSid = "SM" + std::string(32, 'a');

TEST(Settle, SaysWhatFollowsEachAnswer) {
  const struct {
    const char* label;
    twilio::SendOutcome outcome;
    int errors;
    State state;
    const char* reason;
    std::chrono::milliseconds wait;
    bool counts_as_error;
    bool counts_as_attempt;
  } cases[] = {
      {"accepted", Accepted{.sid = kSid, .segments = 2}, 0, State::kSent, "", 0ms, false, true},
      {"accepted, without a SID", Accepted{.sid = "\xff"}, 0, State::kUnconfirmed,
       "UNCONFIRMED_BAD_ANSWER", 0ms, false, true},
      {"no answer", Unknown{0, "time-out"}, 0, State::kUnconfirmed, "UNCONFIRMED_NO_ANSWER", 0ms,
       false, true},
      {"their fault", Unknown{503, ""}, 0, State::kUnconfirmed, "UNCONFIRMED_SERVER_ERROR", 0ms,
       false, true},
      {"not a byte left", NotWritten{false, ""}, 0, State::kQueued, "TWILIO_UNREACHABLE", 50ms,
       false, false},
      {"we were slow", NotWritten{true, ""}, 0, State::kQueued, "", 0ms, false, false},
      {"busy, told when", Refused{429, 20429, "", 7s}, 2, State::kQueued, "TWILIO_BUSY", 7s, false,
       true},
      {"busy, not told when", Refused{429, 20429, "", {}}, 2, State::kQueued, "TWILIO_BUSY", 125ms,
       false, true},
      {"invalid recipient", Refused{400, 21211, "", {}}, 0, State::kFailed, "TWILIO_21211", 0ms,
       false, true},
      {"opted out", Refused{400, 21610, "", {}}, 0, State::kFailed, "OPTED_OUT", 0ms, false, true},
      {"wrong credentials", Refused{401, 20003, "", {}}, 0, State::kQueued, "TWILIO_20003", 1000ms,
       false, true},
      {"the account is suspended", Refused{400, 30002, "", {}}, 0, State::kQueued, "TWILIO_30002",
       1000ms, false, true},
      {"the account is not active", Refused{403, 20005, "", {}}, 0, State::kQueued, "TWILIO_20005",
       1000ms, false, true},
      {"forbidden to the account", Refused{403, 20403, "", {}}, 0, State::kQueued, "TWILIO_20403",
       1000ms, false, true},
      {"the number is being registered", Refused{400, 30035, "", {}}, 0, State::kQueued,
       "TWILIO_30035", 30s, true, true},
      {"the sender's own fault", Refused{400, 21606, "", {}}, 0, State::kFailed, "TWILIO_21606",
       60s, false, true},
      {"passing error, first", Refused{400, 63017, "", {}}, 0, State::kQueued, "TWILIO_63017",
       200ms, true, true},
      {"passing error, second", Refused{400, 63017, "", {}}, 1, State::kQueued, "TWILIO_63017",
       300ms, true, true},
      {"passing error, third", Refused{400, 63017, "", {}}, 2, State::kFailed, "TWILIO_63017", 0ms,
       true, true},
      {"unknown code", Refused{418, 0, "", {}}, 0, State::kFailed, "TWILIO_418", 0ms, false, true},
  };
  for (const auto& c : cases) {
    const Settlement got =
        Settle(kPolicy, c.outcome, {.errors = c.errors, .refusals = 1, .jitter = 0.5});
    EXPECT_EQ(StateName(got.state), StateName(c.state)) << c.label;
    EXPECT_EQ(got.reason, c.reason) << c.label;
    EXPECT_EQ(got.wait, c.wait) << c.label;
    EXPECT_EQ(got.counts_as_error, c.counts_as_error) << c.label;
    EXPECT_EQ(got.counts_as_attempt, c.counts_as_attempt) << c.label;
    const bool explains = c.state != State::kSent && *c.reason != '\0';
    EXPECT_EQ(!got.message.empty(), explains) << c.label;
  }
}

TEST(Settle, PausesWhatIsBusy) {
  const Settlement account = Settle(kPolicy, Refused{429, 20429, "", {}}, {});
  EXPECT_TRUE(account.pause_account);
  EXPECT_FALSE(account.pause_lane);
  const Settlement lane = Settle(kPolicy, Refused{429, 21611, "", {}}, {});
  EXPECT_TRUE(lane.pause_lane) << "one sender's queue at Twilio is full";
  EXPECT_FALSE(lane.pause_account);
}

TEST(Settle, PausesASenderThatTwilioRefuses) {
  EXPECT_TRUE(Settle(kPolicy, Refused{400, 21606, "", {}}, {}).pause_lane);
  EXPECT_TRUE(Settle(kPolicy, Refused{400, 30034, "", {}}, {}).pause_lane);
  EXPECT_TRUE(Settle(kPolicy, Refused{400, 30035, "", {}}, {}).pause_lane) << "for a while";
  EXPECT_FALSE(Settle(kPolicy, Refused{400, 21211, "", {}}, {}).pause_lane);
}

TEST(Settle, BlocksThePairThatOptedOut) {
  EXPECT_TRUE(Settle(kPolicy, Refused{400, 21610, "", {}}, {}).block_pair);
  EXPECT_FALSE(Settle(kPolicy, Refused{400, 63033, "", {}}, {}).block_pair) << "a whole channel";
  EXPECT_FALSE(Settle(kPolicy, Refused{400, 21211, "", {}}, {}).block_pair);
}

TEST(Backoff, DoublesUpToItsCeilingAndNeverSpins) {
  EXPECT_EQ(Backoff(100ms, 350ms, 1, 0.99), 99ms);
  EXPECT_EQ(Backoff(100ms, 350ms, 2, 0.99), 198ms);
  EXPECT_EQ(Backoff(100ms, 350ms, 3, 0.99), 346ms);
  EXPECT_EQ(Backoff(100ms, 350ms, 1'000'000, 0.99), 346ms);
  EXPECT_EQ(Backoff(100ms, 350ms, 1, 0.0), 50ms);
}

}  // namespace
}  // namespace parley::sender
