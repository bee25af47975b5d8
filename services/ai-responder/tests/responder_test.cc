#include "responder.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "tests/fakes/ports.h"
#include "tests/fakes/turns.h"

namespace parley::ai {
namespace {

class ResponderTest : public testing::Test {
 protected:
  absl::Status Handle(const Turn& turn) { return HandleValue(Serialize(turn)); }

  absl::Status HandleValue(const std::string& value) {
    kafka::Record record;
    record.value = value;
    record.headers = {{kafka::kTraceHeader, "00-trace"}};
    return responder_.Handle(record, {});
  }

  SimulatedClock clock_{At(0)};
  FakeProvider provider_;
  FakeSink sink_;
  Responder responder_{provider_, sink_, clock_};
};

TEST_F(ResponderTest, PublishesTheAnswerWithItsTrace) {
  const Turn turn = MakeTurn();
  ASSERT_TRUE(Handle(turn).ok());
  ASSERT_EQ(sink_.published.size(), 1U);
  EXPECT_EQ(sink_.published[0].first.turn_id(), turn.ready.turn_id());
  EXPECT_EQ(sink_.published[0].first.text().body(), "the answer");
  EXPECT_EQ(sink_.published[0].second, "00-trace");
}

TEST_F(ResponderTest, ATurnPastItsDeadlineCostsNoCall) {
  clock_.Advance(std::chrono::seconds(60));
  ASSERT_TRUE(Handle(MakeTurn()).ok());
  EXPECT_TRUE(provider_.asked.empty());
  ASSERT_EQ(sink_.published.size(), 1U);
  EXPECT_EQ(sink_.published[0].first.failure().reason(), "TURN_EXPIRED");
}

TEST_F(ResponderTest, AnAnswerThatComesTooLateIsNotGiven) {
  provider_.on_call = [&] { clock_.Advance(std::chrono::seconds(61)); };
  ASSERT_TRUE(Handle(MakeTurn()).ok());
  ASSERT_EQ(sink_.published.size(), 1U);
  EXPECT_EQ(sink_.published[0].first.failure().reason(), "TURN_EXPIRED");
}

TEST_F(ResponderTest, AProvidersFailureClosesTheTurn) {
  provider_.answer = Unavailable("PROVIDER_UNAVAILABLE", "It is away.");
  ASSERT_TRUE(Handle(MakeTurn()).ok());
  ASSERT_EQ(sink_.published.size(), 1U);
  EXPECT_EQ(sink_.published[0].first.failure().reason(), "PROVIDER_UNAVAILABLE");
  EXPECT_EQ(sink_.published[0].first.failure().message(), "It is away.");
}

TEST_F(ResponderTest, AProviderThatWasStoppedPublishesNothing) {
  provider_.answer = absl::CancelledError("The process ends.");
  EXPECT_TRUE(absl::IsCancelled(Handle(MakeTurn())));
  EXPECT_TRUE(sink_.published.empty());
}

TEST_F(ResponderTest, AReplyThatIsNotAcknowledgedIsTriedAgainUnderTheSameTurn) {
  sink_.results = {Unavailable("KAFKA_UNAVAILABLE", "away")};
  const Turn turn = MakeTurn();
  EXPECT_TRUE(IsRetryable(Handle(turn)));
  EXPECT_TRUE(Handle(turn).ok());
  ASSERT_EQ(sink_.published.size(), 2U);
  EXPECT_EQ(sink_.published[0].first.turn_id(), sink_.published[1].first.turn_id());
}

TEST_F(ResponderTest, ATurnThatComesAgainCostsNoSecondCall) {
  ASSERT_TRUE(Handle(MakeTurn("a")).ok());
  ASSERT_TRUE(Handle(MakeTurn("b")).ok());
  ASSERT_TRUE(Handle(MakeTurn("a")).ok());
  EXPECT_EQ(provider_.asked.size(), 2U);
  EXPECT_EQ(sink_.published.size(), 2U);
}

TEST_F(ResponderTest, BadRecordsAreNoOnesTurn) {
  const absl::Status status = HandleValue("\xff garbage");
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_FALSE(IsRetryable(status));
  EXPECT_TRUE(sink_.published.empty());
}

TEST_F(ResponderTest, EventsOfOtherKindsNeedNothing) {
  events::v1::ConversationEvent event;
  event.set_organization_id(DerivedId({"o"}));
  event.set_conversation_id(DerivedId({"c"}));
  EXPECT_TRUE(HandleValue(event.SerializeAsString()).ok());
  EXPECT_TRUE(sink_.published.empty());
}

TEST(AnsweredTurns, ForgetsTheOldestBeyondItsBound) {
  AnsweredTurns turns;
  for (std::size_t i = 0; i <= AnsweredTurns::kTurnsMax; ++i) {
    turns.Add(std::to_string(i));
    turns.Add(std::to_string(i));
  }
  EXPECT_FALSE(turns.Contains("0"));
  EXPECT_TRUE(turns.Contains("1"));
  EXPECT_TRUE(turns.Contains(std::to_string(AnsweredTurns::kTurnsMax)));
}

}  // namespace
}  // namespace parley::ai
