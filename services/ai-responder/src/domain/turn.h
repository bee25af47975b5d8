// A conversation's turn as it arrives, and what can be read from it. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "parley/events/v1/conversation_event.pb.h"

namespace parley::ai {

struct Turn {
  std::string organization_id;
  std::string conversation_id;
  events::v1::TurnReady ready;
};

// Reads one record's value. nullopt: an event of a kind that asks nothing of the AI, as a newer
// gateway may send. Errors: kInvalidArgument, the record belongs to the dead letters.
absl::StatusOr<std::optional<Turn>> ParseTurn(std::string_view value);

// What the customer wrote in this turn, oldest first, one line a message. If the history was cut
// so short that it holds none of it, the customer's last message. Empty if there is none.
std::string CustomerText(const events::v1::TurnReady& turn);

// True if an answer given at `now` would be refused.
bool Expired(const events::v1::TurnReady& turn, Time now);

// How long an answer may still take; a turn without a deadline has an hour.
std::chrono::milliseconds TimeLeft(const events::v1::TurnReady& turn, Time now);

}  // namespace parley::ai
