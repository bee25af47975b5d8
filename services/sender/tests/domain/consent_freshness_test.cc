#include "domain/consent_freshness.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kStart{1h};
constexpr Permission kAll{.interactive = true, .bulk = true};
constexpr Permission kInteractive{.interactive = true, .bulk = false};
constexpr Permission kNothing{.interactive = false, .bulk = false};

TEST(ConsentFreshness, NothingGoesBeforeAllIsRead) {
  ConsentFreshness consent(kStart);
  EXPECT_EQ(consent.Allowed(kStart), kNothing);
  consent.Heard(kStart + 4s);
  EXPECT_EQ(consent.Allowed(kStart + 8s), kNothing) << "it is still reading";
  consent.AtEnd(kStart + 8s);
  EXPECT_EQ(consent.Allowed(kStart + 8s), kAll);
}

TEST(ConsentFreshness, ALookAtTheEndsIsGoodFor400Milliseconds) {
  ConsentFreshness consent(kStart);
  consent.AtEnd(kStart);
  EXPECT_EQ(consent.Allowed(kStart + 399ms), kAll);
  EXPECT_EQ(consent.Allowed(kStart + 400ms), kNothing);
  consent.AtEnd(kStart + 500ms);
  EXPECT_EQ(consent.Allowed(kStart + 500ms), kAll);
}

TEST(ConsentFreshness, WithoutABrokerFor5SecondsOnlyInteractiveGoes) {
  ConsentFreshness consent(kStart);
  consent.AtEnd(kStart);
  EXPECT_EQ(consent.Allowed(kStart + 4'999ms), kNothing);
  EXPECT_EQ(consent.Allowed(kStart + 5s), kInteractive);
  consent.AtEnd(kStart + 6s);
  EXPECT_EQ(consent.Allowed(kStart + 6s), kAll);
}

TEST(ConsentFreshness, StartsWithoutABrokerAfterAWhile) {
  const ConsentFreshness consent(kStart);
  EXPECT_EQ(consent.Allowed(kStart + 4s), kNothing);
  EXPECT_EQ(consent.Allowed(kStart + 5s), kInteractive);
}

}  // namespace
}  // namespace parley::sender
