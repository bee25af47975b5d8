#include "domain/turn.h"

#include "libs/base/id.h"

namespace parley::gateway {

void Collect(Turns& turns, const AiGate& gate, const TurnMessage& message,
             std::chrono::milliseconds delay) {
  if (!gate.Lets() || !message.may_start) return;
  if (turns.pending) {
    turns.pending->last_seq = message.seq;
    return;
  }
  turns.pending = PendingTurn{message.seq, message.seq, message.received_at + delay};
}

std::optional<EmittedTurn> Emit(Turns& turns, const AiGate& gate, std::string_view conversation_id,
                                Time now, std::chrono::seconds open_max) {
  if (!turns.pending || turns.open || turns.pending->due_at > now) return std::nullopt;
  const PendingTurn due = *turns.pending;
  turns.pending.reset();
  if (!gate.Lets()) return std::nullopt;
  EmittedTurn emitted{TurnId(conversation_id, due.first_seq), due.first_seq, due.last_seq,
                      due.due_at, now + open_max};
  turns.open = OpenTurn{emitted.turn_id, emitted.last_seq, emitted.deadline};
  return emitted;
}

void Close(Turns& turns) {
  turns.pending.reset();
  turns.open.reset();
}

std::string TurnId(std::string_view conversation_id, std::int64_t first_seq) {
  return DerivedId({"turn", conversation_id, std::to_string(first_seq)});
}

ReplyVerdict TakeReply(Turns& turns, const AiGate& gate, std::string_view turn_id, Time now) {
  if (!turns.open || turns.open->turn_id != turn_id) return ReplyVerdict::kTurnNotOpen;
  const bool late = turns.open->deadline <= now;
  turns.open.reset();
  if (gate.opted_out) return ReplyVerdict::kOptedOut;
  if (gate.taken_over) return ReplyVerdict::kTakenOver;
  if (!gate.enabled) return ReplyVerdict::kAiOff;
  return late ? ReplyVerdict::kTooLate : ReplyVerdict::kAccepted;
}

std::string_view VerdictName(ReplyVerdict verdict) {
  switch (verdict) {
    case ReplyVerdict::kAccepted:
      return "accepted";
    case ReplyVerdict::kTurnNotOpen:
      return "turn_not_open";
    case ReplyVerdict::kTooLate:
      return "too_late";
    case ReplyVerdict::kAiOff:
      return "ai_off";
    case ReplyVerdict::kTakenOver:
      return "taken_over";
    case ReplyVerdict::kOptedOut:
      return "opted_out";
  }
  return "";
}

bool TimeOut(Turns& turns, Time now) {
  if (!turns.open || turns.open->deadline > now) return false;
  turns.open.reset();
  return true;
}

}  // namespace parley::gateway
