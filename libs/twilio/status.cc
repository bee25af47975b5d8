#include "libs/twilio/status.h"

#include <string>

#include "libs/base/text.h"

namespace parley::twilio {
namespace {

struct Entry {
  MessageStatus status;
  std::string_view name;
  int rank;
  bool final;
};

constexpr Entry kStatuses[] = {
    {MessageStatus::kScheduled, "scheduled", 10, false},
    {MessageStatus::kAccepted, "accepted", 20, false},
    {MessageStatus::kQueued, "queued", 30, false},
    {MessageStatus::kSending, "sending", 40, false},
    {MessageStatus::kSent, "sent", 50, false},
    {MessageStatus::kPartiallyDelivered, "partially_delivered", 60, false},
    {MessageStatus::kDelivered, "delivered", 70, true},
    {MessageStatus::kUndelivered, "undelivered", 70, true},
    {MessageStatus::kFailed, "failed", 70, true},
    {MessageStatus::kCanceled, "canceled", 70, true},
    {MessageStatus::kRead, "read", 80, true},
    {MessageStatus::kReceiving, "receiving", 40, false},
    {MessageStatus::kReceived, "received", 70, true},
};

const Entry& Find(MessageStatus status) {
  for (const Entry& entry : kStatuses) {
    if (entry.status == status) return entry;
  }
  return kStatuses[0];  // Every state is in the table; status_test.cc checks it.
}

}  // namespace

std::string_view StatusName(MessageStatus status) { return Find(status).name; }

std::optional<MessageStatus> ParseStatus(std::string_view name) {
  for (const Entry& entry : kStatuses) {
    if (entry.name == name) return entry.status;
  }
  const std::string lower = Lower(name);
  for (const Entry& entry : kStatuses) {
    if (entry.name == lower) return entry.status;
  }
  return std::nullopt;
}

int StatusRank(MessageStatus status) { return Find(status).rank; }

bool IsFinal(MessageStatus status) { return Find(status).final; }

bool Advances(MessageStatus current, MessageStatus next) {
  if (IsFinal(current)) {
    return current == MessageStatus::kDelivered && next == MessageStatus::kRead;
  }
  return StatusRank(next) > StatusRank(current);
}

}  // namespace parley::twilio
