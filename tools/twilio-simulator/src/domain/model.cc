#include "domain/model.h"

#include <algorithm>

namespace parley::simulator {

std::string_view StatusName(Status status) {
  switch (status) {
    case Status::kAccepted:
      return "accepted";
    case Status::kScheduled:
      return "scheduled";
    case Status::kQueued:
      return "queued";
    case Status::kSending:
      return "sending";
    case Status::kSent:
      return "sent";
    case Status::kDelivered:
      return "delivered";
    case Status::kUndelivered:
      return "undelivered";
    case Status::kFailed:
      return "failed";
    case Status::kReceived:
      return "received";
    case Status::kRead:
      return "read";
    case Status::kCanceled:
      return "canceled";
  }
  return "queued";
}

bool IsTerminal(Status status) {
  return status == Status::kDelivered || status == Status::kUndelivered ||
         status == Status::kFailed || status == Status::kReceived || status == Status::kRead ||
         status == Status::kCanceled;
}

std::string_view DirectionName(Direction direction) {
  switch (direction) {
    case Direction::kOutboundApi:
      return "outbound-api";
    case Direction::kOutboundReply:
      return "outbound-reply";
    case Direction::kInbound:
      return "inbound";
  }
  return "outbound-api";
}

std::uint32_t Message::Age(Micros now) const {
  return static_cast<std::uint32_t>(
      std::clamp<Micros>((now - created_us) / kMillisecond, 0, kNever - 1));
}

Status Message::StatusAt(Micros now) const {
  const std::uint32_t age = Age(now);
  if (read_ms <= age) return Status::kRead;
  if (final_ms <= age) return final_status;
  if (sent_ms <= age) return Status::kSent;
  if (queued_ms <= age) return initial == Status::kReceived ? initial : Status::kQueued;
  return initial;
}

Micros Message::StatusSince(Micros now) const {
  const std::uint32_t age = Age(now);
  for (const std::uint32_t at : {read_ms, final_ms, sent_ms, queued_ms}) {
    if (at <= age) return After(at);
  }
  return created_us;
}

Micros Message::SentAt(Micros now) const {
  if (initial == Status::kReceived) return created_us;
  return sent_ms <= Age(now) ? After(sent_ms) : 0;
}

}  // namespace parley::simulator
