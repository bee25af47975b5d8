#include "domain/turn.h"

#include <gtest/gtest.h>

#include "tests/fakes/turns.h"

namespace parley::ai {
namespace {

using events::v1::HistoryMessage;
using std::chrono::milliseconds;

TEST(ParseTurn, ReadsWhatTheGatewayWrote) {
  const Turn turn = MakeTurn();
  const auto parsed = ParseTurn(Serialize(turn));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_TRUE(parsed->has_value());
  EXPECT_EQ((*parsed)->organization_id, turn.organization_id);
  EXPECT_EQ((*parsed)->conversation_id, turn.conversation_id);
  EXPECT_EQ((*parsed)->ready.SerializeAsString(), turn.ready.SerializeAsString());
}

TEST(ParseTurn, LeavesEventsOfOtherKindsAlone) {
  events::v1::ConversationEvent event;
  event.set_organization_id(DerivedId({"o"}));
  event.set_conversation_id(DerivedId({"c"}));
  const auto parsed = ParseTurn(event.SerializeAsString());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_FALSE(parsed->has_value());
}

TEST(ParseTurn, RefusesWhatCannotBeAnswered) {
  struct Case {
    const char* label;
    std::function<void(Turn&)> change;
  };
  const Case cases[] = {
      {"organization is no id", [](Turn& t) { t.organization_id = "org-1"; }},
      {"conversation is missing", [](Turn& t) { t.conversation_id.clear(); }},
      {"turn is missing", [](Turn& t) { t.ready.clear_turn_id(); }},
      {"ends before it begins", [](Turn& t) { t.ready.set_first_seq(2); }},
  };
  for (const Case& c : cases) {
    Turn turn = MakeTurn();
    c.change(turn);
    EXPECT_TRUE(absl::IsInvalidArgument(ParseTurn(Serialize(turn)).status())) << c.label;
  }
  for (const std::string& bytes : {std::string("\xff\xff garbage"), std::string(),
                                   std::string("{\"turn\":1}"), std::string(3, '\0')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseTurn(bytes).status())) << bytes;
  }
}

TEST(CustomerText, IsWhatTheCustomerWroteInThisTurn) {
  events::v1::TurnReady turn;
  turn.set_first_seq(4);
  turn.set_last_seq(6);
  EXPECT_EQ(CustomerText(turn), "") << "no history";
  Say(turn, 2, HistoryMessage::AUTHOR_CUSTOMER, "earlier");
  EXPECT_EQ(CustomerText(turn), "earlier") << "the history was cut";
  Say(turn, 3, HistoryMessage::AUTHOR_AI, "answered");
  Say(turn, 4, HistoryMessage::AUTHOR_CUSTOMER, "one");
  Say(turn, 5, HistoryMessage::AUTHOR_AGENT, "aside");
  Say(turn, 6, HistoryMessage::AUTHOR_CUSTOMER, "two");
  Say(turn, 7, HistoryMessage::AUTHOR_CUSTOMER, "next turn");
  EXPECT_EQ(CustomerText(turn), "one\ntwo");
}

TEST(Expired, GoesByTheDeadline) {
  events::v1::TurnReady turn;
  EXPECT_FALSE(Expired(turn, At(1'000'000))) << "no deadline";
  turn.set_deadline_us(ToMicros(At(60)));
  EXPECT_FALSE(Expired(turn, At(60) - std::chrono::microseconds(1)));
  EXPECT_TRUE(Expired(turn, At(60)));
  EXPECT_EQ(TimeLeft(turn, At(59)), milliseconds(1'000));
  EXPECT_LT(TimeLeft(turn, At(61)), milliseconds(0));
}

}  // namespace
}  // namespace parley::ai
