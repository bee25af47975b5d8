#include "domain/retry.h"

#include <gtest/gtest.h>

#include "tests/fakes/turns.h"

namespace parley::ai {
namespace {

using namespace std::chrono_literals;

TEST(NextAttemptIn, DependsOnlyOnItsArguments) {
  const RetryPolicy policy{.attempts_max = 4, .delay_min = 100ms, .delay_max = 300ms};
  struct Case {
    const char* label;
    FailedAttempt failed;
    std::optional<std::chrono::milliseconds> want;
  };
  const Case cases[] = {
      {"first", {1, 0.5, {}, 1h}, 50ms},
      {"second doubles", {2, 0.5, {}, 1h}, 100ms},
      {"growth stops at delay_max", {3, 0.5, {}, 1h}, 150ms},
      {"attempts are used up", {4, 0.5, {}, 1h}, std::nullopt},
      {"the provider asks for more", {1, 0.5, 2s, 1h}, 2s},
      {"the provider asks for less", {2, 0.5, 1ms, 1h}, 100ms},
      {"the turn would be over", {1, 0.5, 2s, 2s}, std::nullopt},
      {"the turn is over", {1, 0.0, {}, 0ms}, std::nullopt},
  };
  for (const Case& c : cases) EXPECT_EQ(NextAttemptIn(policy, c.failed), c.want) << c.label;
}

TEST(ParseRetryAfter, ReadsSecondsAndDates) {
  const Time now = FromMicros(1'445'412'480'000'000);  // Wed, 21 Oct 2015 07:28:00 GMT.
  struct Case {
    const char* header;
    std::optional<std::chrono::milliseconds> want;
  };
  const Case cases[] = {
      {"", std::nullopt},
      {"7", 7s},
      {" 7 ", 7s},
      {"-7", 0s},
      {"99999999", 24h},
      {"7.5", std::nullopt},
      {"soon", std::nullopt},
      {"Wed, 21 Oct 2015 07:28:30 GMT", 30s},
      {"Wed, 21 Oct 2015 07:27:00 GMT", 0s},
      {"Wed, 21 Oct 2015 07:28:30 GMT;", std::nullopt},
  };
  for (const Case& c : cases) EXPECT_EQ(ParseRetryAfter(c.header, now), c.want) << c.header;
}

}  // namespace
}  // namespace parley::ai
