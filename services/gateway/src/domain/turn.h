// The AI's turns of one conversation (DESIGN §5). Pure: the store keeps the state, the caller holds
// the conversation's row lock.
//
// Messages that come in collect into one pending turn, due a fixed delay after its first message.
// When it is due and no other turn waits for its reply, it opens: a TurnReady leaves, and messages
// from then on form the next one. An open turn ends with its reply, a failure, its deadline, or as
// soon as a person answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/clock.h"

namespace parley::gateway {

// Collected, not yet emitted.
struct PendingTurn {
  std::int64_t first_seq = 0;
  std::int64_t last_seq = 0;
  Time due_at;
  bool operator==(const PendingTurn&) const = default;
};

// Emitted, waiting for its reply.
struct OpenTurn {
  std::string turn_id;
  std::int64_t last_seq = 0;
  Time deadline;
  bool operator==(const OpenTurn&) const = default;
};

struct Turns {
  std::optional<PendingTurn> pending;
  std::optional<OpenTurn> open;
  bool operator==(const Turns&) const = default;
};

// Whether the AI may speak in a conversation.
struct AiGate {
  bool enabled = false;     // By the channel, or by the conversation's own setting.
  bool taken_over = false;  // By a person.
  bool opted_out = false;   // The customer.
  bool Lets() const { return enabled && !taken_over && !opted_out; }
};

// A message that came in.
struct TurnMessage {
  std::int64_t seq = 0;
  Time received_at;
  bool may_start = true;  // False for keywords, calls and what is too old.
};

// Adds a message: it starts a turn or joins the pending one, whose due time never moves.
void Collect(Turns& turns, const AiGate& gate, const TurnMessage& message,
             std::chrono::milliseconds delay);

// A turn that is to leave now.
struct EmittedTurn {
  std::string turn_id;
  std::int64_t first_seq = 0;
  std::int64_t last_seq = 0;
  Time due_at;
  Time deadline;
  bool operator==(const EmittedTurn&) const = default;
};

// Opens the pending turn if it is due and none is open. A gate that has closed meanwhile drops it.
std::optional<EmittedTurn> Emit(Turns& turns, const AiGate& gate, std::string_view conversation_id,
                                Time now, std::chrono::seconds open_max);

// A person answered or took over, the AI was switched off, the customer opted out.
void Close(Turns& turns);

// UUIDv5 of the conversation and the turn's first message.
std::string TurnId(std::string_view conversation_id, std::int64_t first_seq);

enum class ReplyVerdict { kAccepted, kTurnNotOpen, kTooLate, kAiOff, kTakenOver, kOptedOut };

// Decides about a reply, or about a failure to make one, and closes the turn that it is for:
// whatever the verdict, that turn gets no other reply.
ReplyVerdict TakeReply(Turns& turns, const AiGate& gate, std::string_view turn_id, Time now);

// "accepted", "turn_not_open" and so on, for logs.
std::string_view VerdictName(ReplyVerdict verdict);

// Closes the open turn if its deadline has passed. True if it did.
bool TimeOut(Turns& turns, Time now);

}  // namespace parley::gateway
