#include "domain/throttle.h"

#include <gtest/gtest.h>

namespace parley::gateway {
namespace {

using std::chrono::seconds;
constexpr Time kStart{std::chrono::seconds(1'700'000'000)};

Throttle Small() { return Throttle({.failures_max = 3, .window = seconds(60), .keys_max = 2}); }

TEST(Throttle, LetsAFewFailuresThrough) {
  Throttle throttle = Small();
  throttle.Failed("a", kStart);
  throttle.Failed("a", kStart + seconds(1));
  EXPECT_EQ(throttle.WaitFor("a", kStart + seconds(2)), seconds(0));
  throttle.Failed("a", kStart + seconds(2));
  EXPECT_EQ(throttle.WaitFor("a", kStart + seconds(2)), seconds(58));
  EXPECT_EQ(throttle.WaitFor("b", kStart + seconds(2)), seconds(0));
}

TEST(Throttle, ForgetsAfterTheWindow) {
  Throttle throttle = Small();
  for (int i = 0; i < 3; ++i) throttle.Failed("a", kStart);
  EXPECT_GT(throttle.WaitFor("a", kStart + seconds(59)), seconds(0));
  EXPECT_EQ(throttle.WaitFor("a", kStart + seconds(60)), seconds(0));
  throttle.Failed("a", kStart + seconds(60));  // The first of a new window.
  EXPECT_EQ(throttle.WaitFor("a", kStart + seconds(60)), seconds(0));
}

TEST(Throttle, ForgetsOnSuccess) {
  Throttle throttle = Small();
  for (int i = 0; i < 3; ++i) throttle.Failed("a", kStart);
  throttle.Succeeded("a");
  EXPECT_EQ(throttle.WaitFor("a", kStart), seconds(0));
}

TEST(Throttle, KeepsABoundedNumberOfKeys) {
  Throttle throttle = Small();
  for (int i = 0; i < 3; ++i) throttle.Failed("a", kStart);
  for (int i = 0; i < 3; ++i) throttle.Failed("b", kStart);
  throttle.Failed("a", kStart);  // Now "b" failed longest ago.
  throttle.Failed("c", kStart);
  EXPECT_GT(throttle.WaitFor("a", kStart), seconds(0));
  EXPECT_EQ(throttle.WaitFor("b", kStart), seconds(0));
}

}  // namespace
}  // namespace parley::gateway
