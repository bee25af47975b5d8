#include "domain/status.h"

#include <algorithm>

#include "libs/twilio/status.h"

namespace parley::gateway {
namespace {

using events::v1::SendOutcome;
using v1::Message;

// The customer has it: no other attempt can change that.
bool Arrived(Status status) {
  return status == Message::STATUS_DELIVERED || status == Message::STATUS_READ;
}

// Known from the sender alone, so the sender may also take it back.
bool SendersOwn(Status status) { return StatusRank(status) < StatusRank(Message::STATUS_SENT); }

bool Advances(Status current, Status next) {
  if (current == Message::STATUS_READ) return false;
  // What was refused stays refused; what was delivered may still be read.
  return StatusRank(next) > StatusRank(current) &&
         (next != Message::STATUS_READ || Arrived(current) || current == Message::STATUS_SENT ||
          SendersOwn(current));
}

}  // namespace

int StatusRank(Status status) {
  switch (status) {
    case Message::STATUS_SCHEDULED:
      return 1;
    case Message::STATUS_QUEUED:
      return 2;
    case Message::STATUS_SENDING:
      return 3;
    case Message::STATUS_UNCONFIRMED:
      return 4;
    case Message::STATUS_SENT:
      return 5;
    case Message::STATUS_DELIVERED:
    case Message::STATUS_UNDELIVERED:
    case Message::STATUS_FAILED:
    case Message::STATUS_CANCELED:
      return 6;
    case Message::STATUS_READ:
      return 7;
    default:
      return 0;
  }
}

Status FromOutcome(SendOutcome::State state) {
  switch (state) {
    case SendOutcome::STATE_QUEUED:
      return Message::STATUS_QUEUED;
    case SendOutcome::STATE_SENDING:
      return Message::STATUS_SENDING;
    case SendOutcome::STATE_SENT:
      return Message::STATUS_SENT;
    case SendOutcome::STATE_FAILED:
    case SendOutcome::STATE_EXPIRED:
      return Message::STATUS_FAILED;
    case SendOutcome::STATE_UNCONFIRMED:
      return Message::STATUS_UNCONFIRMED;
    case SendOutcome::STATE_CANCELED:
      return Message::STATUS_CANCELED;
    default:
      return Message::STATUS_UNSPECIFIED;
  }
}

Status FromTwilio(std::string_view message_status) {
  const std::optional<twilio::MessageStatus> status = twilio::ParseStatus(message_status);
  if (!status) return Message::STATUS_UNSPECIFIED;
  switch (*status) {
    case twilio::MessageStatus::kAccepted:
    case twilio::MessageStatus::kQueued:
    case twilio::MessageStatus::kSending:
    case twilio::MessageStatus::kSent:
      return Message::STATUS_SENT;
    case twilio::MessageStatus::kPartiallyDelivered:
    case twilio::MessageStatus::kDelivered:
      return Message::STATUS_DELIVERED;
    case twilio::MessageStatus::kUndelivered:
      return Message::STATUS_UNDELIVERED;
    case twilio::MessageStatus::kFailed:
      return Message::STATUS_FAILED;
    case twilio::MessageStatus::kCanceled:
      return Message::STATUS_CANCELED;
    case twilio::MessageStatus::kRead:
      return Message::STATUS_READ;
    case twilio::MessageStatus::kScheduled:
    case twilio::MessageStatus::kReceiving:
    case twilio::MessageStatus::kReceived:
      return Message::STATUS_UNSPECIFIED;
  }
  return Message::STATUS_UNSPECIFIED;
}

std::optional<Status> Apply(SendState& state, const SenderResult& result) {
  const Status next = FromOutcome(result.state);
  if (next == Message::STATUS_UNSPECIFIED || result.generation < state.generation) {
    return std::nullopt;
  }
  if (result.generation == state.generation && result.version <= state.result_version) {
    return std::nullopt;
  }
  const bool sent_again = result.generation > state.generation;
  const bool later_attempt = sent_again || result.attempt > state.attempt;
  state.generation = result.generation;
  state.result_version = result.version;
  state.attempt = sent_again ? result.attempt : std::max(state.attempt, result.attempt);
  const bool applies = later_attempt ? !Arrived(state.status)
                                     : SendersOwn(state.status) || Advances(state.status, next);
  if (!applies || next == state.status) return std::nullopt;
  state.status = next;
  return next;
}

std::optional<Status> Apply(SendState& state, const TwilioReport& report) {
  if (report.status == Message::STATUS_UNSPECIFIED) return std::nullopt;
  const bool older = report.attempt != 0 && report.attempt < state.attempt;
  const bool applies = older ? Arrived(report.status) && state.status != report.status &&
                                   state.status != Message::STATUS_READ
                             : Advances(state.status, report.status);
  state.attempt = std::max(state.attempt, report.attempt);
  if (!applies) return std::nullopt;
  state.status = report.status;
  return report.status;
}

}  // namespace parley::gateway
