// Turns for tests: a valid one, to be changed where a test needs it.
#pragma once

#include <string>

#include "domain/turn.h"
#include "libs/base/id.h"

namespace parley::ai {

inline Time At(std::int64_t seconds) {
  return FromMicros(1'700'000'000'000'000 + seconds * 1'000'000);
}

inline void Say(events::v1::TurnReady& turn, std::int64_t seq,
                events::v1::HistoryMessage::Author author, const std::string& text) {
  events::v1::HistoryMessage& message = *turn.add_history();
  message.set_seq(seq);
  message.set_author(author);
  message.set_text(text);
}

// A mock turn that is due at At(0), may be answered until At(60), and holds one text of a customer.
inline Turn MakeTurn(const std::string& text = "hello") {
  Turn turn{DerivedId({"organization"}), DerivedId({"conversation"}), {}};
  turn.ready.set_turn_id(DerivedId({"turn", text}));
  turn.ready.set_first_seq(1);
  turn.ready.set_last_seq(1);
  turn.ready.set_due_at_us(ToMicros(At(0)));
  turn.ready.set_deadline_us(ToMicros(At(60)));
  turn.ready.set_medium(events::v1::MEDIUM_SMS);
  turn.ready.mutable_settings()->set_provider("mock");
  Say(turn.ready, 1, events::v1::HistoryMessage::AUTHOR_CUSTOMER, text);
  return turn;
}

inline std::string Serialize(const Turn& turn) {
  events::v1::ConversationEvent event;
  event.set_organization_id(turn.organization_id);
  event.set_conversation_id(turn.conversation_id);
  *event.mutable_turn_ready() = turn.ready;
  return event.SerializeAsString();
}

}  // namespace parley::ai
