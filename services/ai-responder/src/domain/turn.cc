#include "domain/turn.h"

#include <algorithm>

#include "libs/base/id.h"
#include "libs/base/status.h"

namespace parley::ai {
namespace {

using events::v1::ConversationEvent;
using events::v1::HistoryMessage;

constexpr std::chrono::hours kNoDeadline{1};

absl::Status Malformed(std::string_view what) {
  return InvalidArgument("MALFORMED_EVENT", "The conversation event " + std::string(what) + ".");
}

}  // namespace

absl::StatusOr<std::optional<Turn>> ParseTurn(std::string_view value) {
  ConversationEvent event;
  if (!event.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return Malformed("is not a ConversationEvent");
  }
  if (!IsUuid(event.organization_id())) return Malformed("names no organization");
  if (!IsUuid(event.conversation_id())) return Malformed("names no conversation");
  if (!event.has_turn_ready()) return std::nullopt;
  const events::v1::TurnReady& ready = event.turn_ready();
  if (!IsUuid(ready.turn_id())) return Malformed("names no turn");
  if (ready.last_seq() < ready.first_seq()) return Malformed("ends its turn before it begins");
  return Turn{event.organization_id(), event.conversation_id(),
              std::move(*event.mutable_turn_ready())};
}

std::string CustomerText(const events::v1::TurnReady& turn) {
  std::string text;
  std::string_view last;
  for (const HistoryMessage& message : turn.history()) {
    if (message.author() != HistoryMessage::AUTHOR_CUSTOMER || message.text().empty()) continue;
    last = message.text();
    if (message.seq() < turn.first_seq() || message.seq() > turn.last_seq()) continue;
    if (!text.empty()) text += '\n';
    text += message.text();
  }
  return text.empty() ? std::string(last) : text;
}

bool Expired(const events::v1::TurnReady& turn, Time now) {
  return TimeLeft(turn, now) <= std::chrono::milliseconds(0);
}

std::chrono::milliseconds TimeLeft(const events::v1::TurnReady& turn, Time now) {
  if (turn.deadline_us() <= 0) return kNoDeadline;
  const auto left = FromMicros(turn.deadline_us()) - now;
  return std::min<std::chrono::milliseconds>(std::chrono::ceil<std::chrono::milliseconds>(left),
                                             kNoDeadline);
}

}  // namespace parley::ai
