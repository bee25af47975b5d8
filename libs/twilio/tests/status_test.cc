#include "libs/twilio/status.h"

#include <gtest/gtest.h>

namespace parley::twilio {
namespace {

constexpr std::string_view kNames[] = {
    "accepted", "scheduled", "queued",   "sending", "sent",     "delivered",          "undelivered",
    "failed",   "receiving", "received", "read",    "canceled", "partially_delivered"};

TEST(ParseStatus, KnowsTwiliosEnumBothWays) {
  for (const std::string_view name : kNames) {
    const auto status = ParseStatus(name);
    ASSERT_TRUE(status.has_value()) << name;
    EXPECT_EQ(StatusName(*status), name);
  }
  EXPECT_EQ(ParseStatus("DELIVERED"), MessageStatus::kDelivered);
  EXPECT_FALSE(ParseStatus("").has_value());
  EXPECT_FALSE(ParseStatus("delivered ").has_value());
}

TEST(Advances, NeverStepsBack) {
  const struct {
    MessageStatus from;
    MessageStatus to;
    bool want;
  } cases[] = {
      {MessageStatus::kQueued, MessageStatus::kSent, true},
      {MessageStatus::kSent, MessageStatus::kQueued, false},
      {MessageStatus::kSent, MessageStatus::kSent, false},
      {MessageStatus::kQueued, MessageStatus::kDelivered, true},
      {MessageStatus::kDelivered, MessageStatus::kSent, false},
      {MessageStatus::kDelivered, MessageStatus::kRead, true},
      {MessageStatus::kRead, MessageStatus::kDelivered, false},
      {MessageStatus::kSent, MessageStatus::kRead, true},
      {MessageStatus::kDelivered, MessageStatus::kUndelivered, false},
      {MessageStatus::kFailed, MessageStatus::kDelivered, false},
      {MessageStatus::kFailed, MessageStatus::kRead, false},
      {MessageStatus::kScheduled, MessageStatus::kQueued, true},
      {MessageStatus::kAccepted, MessageStatus::kQueued, true},
      {MessageStatus::kScheduled, MessageStatus::kCanceled, true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Advances(c.from, c.to), c.want) << StatusName(c.from) << " -> " << StatusName(c.to);
  }
}

TEST(IsFinal, MatchesTwiliosList) {
  for (const std::string_view name : kNames) {
    const bool want = name == "delivered" || name == "undelivered" || name == "failed" ||
                      name == "canceled" || name == "read" || name == "received";
    EXPECT_EQ(IsFinal(*ParseStatus(name)), want) << name;
  }
}

}  // namespace
}  // namespace parley::twilio
