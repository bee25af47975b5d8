#include "domain/status.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace parley::gateway {
namespace {

using events::v1::SendOutcome;
using v1::Message;

TEST(Apply, TheSendersResults) {
  struct Case {
    const char* label;
    SendState state;
    SenderResult result;
    Status want;  // Unspecified: nothing changes.
  };
  constexpr Status kNone = Message::STATUS_UNSPECIFIED;
  const Case cases[] = {
      {"a first attempt",
       {Message::STATUS_QUEUED, 0, 0, 0},
       {SendOutcome::STATE_SENDING, 0, 1, 1},
       Message::STATUS_SENDING},
      {"accepted by Twilio",
       {Message::STATUS_SENDING, 0, 1, 1},
       {SendOutcome::STATE_SENT, 0, 1, 2},
       Message::STATUS_SENT},
      {"waits for a retry",
       {Message::STATUS_SENDING, 0, 1, 1},
       {SendOutcome::STATE_QUEUED, 0, 1, 2},
       Message::STATUS_QUEUED},
      {"nobody knows",
       {Message::STATUS_SENDING, 0, 1, 1},
       {SendOutcome::STATE_UNCONFIRMED, 0, 1, 2},
       Message::STATUS_UNCONFIRMED},
      {"settled",
       {Message::STATUS_UNCONFIRMED, 0, 1, 2},
       {SendOutcome::STATE_FAILED, 0, 1, 3},
       Message::STATUS_FAILED},
      {"expired",
       {Message::STATUS_QUEUED, 0, 0, 0},
       {SendOutcome::STATE_EXPIRED, 0, 0, 1},
       Message::STATUS_FAILED},
      {"a repeat", {Message::STATUS_SENT, 0, 1, 2}, {SendOutcome::STATE_SENDING, 0, 1, 1}, kNone},
      {"the same version",
       {Message::STATUS_SENDING, 0, 1, 2},
       {SendOutcome::STATE_SENT, 0, 1, 2},
       kNone},
      {"an older generation",
       {Message::STATUS_QUEUED, 1, 0, 0},
       {SendOutcome::STATE_FAILED, 0, 1, 9},
       kNone},
      {"a newer generation starts anew",
       {Message::STATUS_FAILED, 0, 3, 9},
       {SendOutcome::STATE_SENDING, 1, 1, 1},
       Message::STATUS_SENDING},
      {"Twilio was faster",
       {Message::STATUS_DELIVERED, 0, 1, 1},
       {SendOutcome::STATE_SENT, 0, 1, 2},
       kNone},
      {"a later attempt starts anew",
       {Message::STATUS_FAILED, 0, 1, 2},
       {SendOutcome::STATE_SENDING, 0, 2, 3},
       Message::STATUS_SENDING},
      {"but not what the customer has",
       {Message::STATUS_DELIVERED, 0, 1, 2},
       {SendOutcome::STATE_SENDING, 0, 2, 3},
       kNone},
  };
  for (const Case& c : cases) {
    SendState state = c.state;
    EXPECT_EQ(Apply(state, c.result).value_or(kNone), c.want) << c.label;
    EXPECT_EQ(state.status, c.want == kNone ? c.state.status : c.want) << c.label;
  }
}

TEST(Apply, TwiliosReports) {
  struct Case {
    const char* label;
    SendState state;
    TwilioReport report;
    Status want;
  };
  constexpr Status kNone = Message::STATUS_UNSPECIFIED;
  const Case cases[] = {
      {"delivered",
       {Message::STATUS_SENT, 0, 1, 2},
       {Message::STATUS_DELIVERED, 1},
       Message::STATUS_DELIVERED},
      {"before the sender has said so",
       {Message::STATUS_SENDING, 0, 1, 1},
       {Message::STATUS_DELIVERED, 1},
       Message::STATUS_DELIVERED},
      {"late", {Message::STATUS_DELIVERED, 0, 1, 2}, {Message::STATUS_SENT, 1}, kNone},
      {"twice", {Message::STATUS_DELIVERED, 0, 1, 2}, {Message::STATUS_DELIVERED, 1}, kNone},
      {"read after delivered",
       {Message::STATUS_DELIVERED, 0, 1, 2},
       {Message::STATUS_READ, 1},
       Message::STATUS_READ},
      {"read without delivered",
       {Message::STATUS_SENT, 0, 1, 2},
       {Message::STATUS_READ, 1},
       Message::STATUS_READ},
      {"delivered after read",
       {Message::STATUS_READ, 0, 1, 2},
       {Message::STATUS_DELIVERED, 1},
       kNone},
      {"final ones exclude each other",
       {Message::STATUS_UNDELIVERED, 0, 1, 2},
       {Message::STATUS_DELIVERED, 1},
       kNone},
      {"nothing is read that failed",
       {Message::STATUS_FAILED, 0, 1, 2},
       {Message::STATUS_READ, 1},
       kNone},
      {"evidence settles the unconfirmed",
       {Message::STATUS_UNCONFIRMED, 0, 1, 2},
       {Message::STATUS_SENT, 1},
       Message::STATUS_SENT},
      {"an older attempt arrived after all",
       {Message::STATUS_FAILED, 0, 2, 5},
       {Message::STATUS_DELIVERED, 1},
       Message::STATUS_DELIVERED},
      {"an older attempt's failure says nothing",
       {Message::STATUS_SENDING, 0, 2, 5},
       {Message::STATUS_FAILED, 1},
       kNone},
      {"a state that is none of ours", {Message::STATUS_SENT, 0, 1, 2}, {kNone, 1}, kNone},
  };
  for (const Case& c : cases) {
    SendState state = c.state;
    EXPECT_EQ(Apply(state, c.report).value_or(kNone), c.want) << c.label;
  }
}

TEST(Apply, APersonsVerdictYieldsToEvidenceOnly) {
  const auto marked = [] {
    SendState state{Message::STATUS_UNCONFIRMED, 0, 1, 2};
    MarkFailed(state);
    return state;
  };
  SendState state = marked();
  EXPECT_EQ(state.status, Message::STATUS_FAILED);
  EXPECT_EQ(Apply(state, SenderResult{SendOutcome::STATE_UNCONFIRMED, 0, 1, 3}), std::nullopt);
  EXPECT_EQ(Apply(state, SenderResult{SendOutcome::STATE_CANCELED, 0, 1, 4}), std::nullopt);
  EXPECT_TRUE(state.verdict);
  EXPECT_EQ(Apply(state, SenderResult{SendOutcome::STATE_SENT, 0, 1, 5}), Message::STATUS_SENT);
  for (const Status report : {Message::STATUS_SENT, Message::STATUS_DELIVERED, Message::STATUS_READ,
                              Message::STATUS_UNDELIVERED}) {
    state = marked();
    EXPECT_EQ(Apply(state, TwilioReport{report, 1}), report);
    EXPECT_FALSE(state.verdict);
  }
  state = marked();
  EXPECT_EQ(Apply(state, TwilioReport{Message::STATUS_FAILED, 1}), std::nullopt);
  EXPECT_FALSE(state.verdict) << "now Twilio says so";
}

TEST(Apply, WhatWasSentAgainIsWhatAllAttemptsComeTo) {
  SendState state{Message::STATUS_UNCONFIRMED, 0, 1, 2};
  SendAgain(state);
  EXPECT_EQ(state.status, Message::STATUS_QUEUED);
  EXPECT_EQ(Apply(state, SenderResult{SendOutcome::STATE_FAILED, 0, 1, 9}), std::nullopt);
  EXPECT_EQ(Apply(state, SenderResult{SendOutcome::STATE_SENDING, 1, 2, 1}),
            Message::STATUS_SENDING);
  EXPECT_EQ(Apply(state, TwilioReport{Message::STATUS_SENT, 1}), Message::STATUS_SENT);
  // The second one's fate changes nothing for who has the first.
  EXPECT_EQ(Apply(state, SenderResult{SendOutcome::STATE_FAILED, 1, 2, 2}), std::nullopt);
  EXPECT_EQ(state.own, Message::STATUS_FAILED);
  // Unless the first comes to nothing.
  EXPECT_EQ(Apply(state, TwilioReport{Message::STATUS_UNDELIVERED, 1}), Message::STATUS_FAILED);
  EXPECT_EQ(Apply(state, TwilioReport{Message::STATUS_DELIVERED, 1}), Message::STATUS_DELIVERED);
}

TEST(Apply, WhatTwilioHasIsNeitherCanceledNorExpired) {
  for (const auto late : {SendOutcome::STATE_CANCELED, SendOutcome::STATE_EXPIRED}) {
    SendState state{Message::STATUS_SENT, 0, 1, 2};
    EXPECT_EQ(Apply(state, SenderResult{late, 0, 1, 3}), std::nullopt);
  }
}

// Whatever order callbacks come in, the end is the same.
TEST(Apply, EveryOrderOfReportsEndsAlike) {
  std::vector<Status> reports = {Message::STATUS_SENT, Message::STATUS_SENT,
                                 Message::STATUS_DELIVERED, Message::STATUS_READ};
  std::sort(reports.begin(), reports.end());
  do {
    SendState state{Message::STATUS_SENDING, 0, 1, 1};
    for (const Status status : reports) Apply(state, TwilioReport{status, 1});
    EXPECT_EQ(state.status, Message::STATUS_READ);
  } while (std::next_permutation(reports.begin(), reports.end()));
}

TEST(FromTwilio, KnowsItsWords) {
  struct Case {
    const char* word;
    Status want;
  };
  const Case cases[] = {
      {"accepted", Message::STATUS_SENT},        {"queued", Message::STATUS_SENT},
      {"sending", Message::STATUS_SENT},         {"sent", Message::STATUS_SENT},
      {"delivered", Message::STATUS_DELIVERED},  {"undelivered", Message::STATUS_UNDELIVERED},
      {"failed", Message::STATUS_FAILED},        {"read", Message::STATUS_READ},
      {"canceled", Message::STATUS_CANCELED},    {"received", Message::STATUS_UNSPECIFIED},
      {"nonsense", Message::STATUS_UNSPECIFIED},
  };
  for (const Case& c : cases) EXPECT_EQ(FromTwilio(c.word), c.want) << c.word;
}

}  // namespace
}  // namespace parley::gateway
