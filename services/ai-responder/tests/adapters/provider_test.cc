#include <gtest/gtest.h>

#include "adapters/mock_provider.h"
#include "adapters/provider_router.h"
#include "libs/base/status.h"
#include "tests/fakes/ports.h"
#include "tests/fakes/turns.h"

namespace parley::ai {
namespace {

TEST(MockProvider, AnswersByItsRules) {
  MockProvider mock;
  Turn turn = MakeTurn("hello");
  turn.ready.set_customer_name("Ada");
  const auto answer = mock.Complete(turn, {});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->text, "Hello Ada! How can we help you today?");
  EXPECT_EQ(answer->model, "mock");
  EXPECT_EQ(ErrorReason(mock.Complete(MakeTurn(""), {}).status()), "NOTHING_TO_ANSWER");
}

TEST(ProviderRouter, AsksTheProviderThatWasChosen) {
  FakeProvider one;
  FakeProvider two;
  ProviderRouter router({{"one", &one}, {"two", &two}});
  Turn turn = MakeTurn();
  turn.ready.mutable_settings()->set_provider("two");
  EXPECT_TRUE(router.Complete(turn, {}).ok());
  EXPECT_EQ(one.asked.size(), 0U);
  EXPECT_EQ(two.asked.size(), 1U);
  for (const char* unknown : {"", "One", "three"}) {
    turn.ready.mutable_settings()->set_provider(unknown);
    EXPECT_EQ(ErrorReason(router.Complete(turn, {}).status()), "PROVIDER_UNKNOWN") << unknown;
  }
}

}  // namespace
}  // namespace parley::ai
