// Twilio's message states (TWILIO.md 3.1). Pure.
#pragma once

#include <optional>
#include <string_view>

namespace parley::twilio {

enum class MessageStatus {
  kAccepted,
  kScheduled,
  kQueued,
  kSending,
  kSent,
  kPartiallyDelivered,  // Deprecated by Twilio.
  kDelivered,
  kUndelivered,
  kFailed,
  kCanceled,
  kRead,
  kReceiving,  // Inbound.
  kReceived,   // Inbound.
};

// "delivered" and the like, as Twilio writes them.
std::string_view StatusName(MessageStatus status);
std::optional<MessageStatus> ParseStatus(std::string_view name);  // Any case.

// Places the states on one line: callbacks come late, twice and out of order. Equal ranks exclude
// each other.
int StatusRank(MessageStatus status);

// delivered, undelivered, failed, canceled, read, received.
bool IsFinal(MessageStatus status);

// True if `next` says something newer than `current`. A final state stays, but that what was
// delivered may still be read.
bool Advances(MessageStatus current, MessageStatus next);

}  // namespace parley::twilio
