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

// The latest attempt's status, as far as evidence goes: a person's verdict is none.
Status OwnOf(const SendState& state) {
  if (state.verdict) return Message::STATUS_UNCONFIRMED;
  return state.own == Message::STATUS_UNSPECIFIED ? state.status : state.own;
}

// What the attempts come to.
Status Combine(Status earlier, Status own) {
  if (earlier == Message::STATUS_UNSPECIFIED) return own;
  const bool own_counts = own == Message::STATUS_SENT || Arrived(own);
  return own_counts && StatusRank(own) > StatusRank(earlier) ? own : earlier;
}

std::optional<Status> Show(SendState& state, Status own) {
  const Status shown = Combine(state.earlier, own);
  state.own = shown == own ? Message::STATUS_UNSPECIFIED : own;
  if (shown == state.status) return std::nullopt;
  state.status = shown;
  return shown;
}

std::optional<Status> SetOwn(SendState& state, Status own) {
  state.verdict = false;
  return Show(state, own);
}

std::optional<Status> SetEarlier(SendState& state, Status reported) {
  const Status own = state.own == Message::STATUS_UNSPECIFIED ? state.status : state.own;
  if (reported == Message::STATUS_SENT || Arrived(reported)) {
    if (StatusRank(reported) > StatusRank(state.earlier)) state.earlier = reported;
  } else if (state.earlier == Message::STATUS_SENT) {
    state.earlier = Message::STATUS_UNSPECIFIED;
  }
  return Show(state, own);
}

// A later attempt than the one that `state` is about.
std::optional<Status> Begin(SendState& state, Status own) {
  if (OwnOf(state) == Message::STATUS_SENT && StatusRank(state.earlier) == 0) {
    state.earlier = Message::STATUS_SENT;
  }
  return SetOwn(state, own);
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
  if (next == Message::STATUS_UNSPECIFIED) return std::nullopt;
  if (result.generation < state.generation) {
    return next == Message::STATUS_SENT ? SetEarlier(state, next) : std::nullopt;
  }
  if (result.generation == state.generation && result.version <= state.result_version) {
    return std::nullopt;
  }
  const bool sent_again = result.generation > state.generation;
  const bool later_attempt = sent_again || result.attempt > state.attempt;
  const Status own = OwnOf(state);
  state.generation = result.generation;
  state.result_version = result.version;
  state.attempt = sent_again ? result.attempt : std::max(state.attempt, result.attempt);
  const bool never_sent =
      next == Message::STATUS_CANCELED || result.state == SendOutcome::STATE_EXPIRED ||
      (state.verdict && next != Message::STATUS_SENT && next != Message::STATUS_FAILED);
  bool applies = SendersOwn(own) && !(state.verdict && never_sent);
  if (!applies) applies = Advances(own, next) && !never_sent;
  if (later_attempt) {
    if (!Arrived(own)) return Begin(state, next);
    applies = false;
  }
  if (!applies || next == own) return std::nullopt;
  return SetOwn(state, next);
}

std::optional<Status> Apply(SendState& state, const TwilioReport& report) {
  if (report.status == Message::STATUS_UNSPECIFIED) return std::nullopt;
  if (report.attempt != 0 && report.attempt < state.attempt) {
    return SetEarlier(state, report.status);
  }
  const Status own = OwnOf(state);
  const bool later = report.attempt > state.attempt;
  state.attempt = std::max(state.attempt, report.attempt);
  if (later && !Arrived(own) && !SendersOwn(own)) return Begin(state, report.status);
  if (!Advances(own, report.status)) return std::nullopt;
  return SetOwn(state, report.status);
}

void SendAgain(SendState& state) {
  ++state.generation;
  ++state.attempt;
  state.result_version = 0;
  SetOwn(state, Message::STATUS_QUEUED);
}

void MarkFailed(SendState& state) {
  SetOwn(state, Message::STATUS_FAILED);
  state.verdict = true;
}

void PlanAgain(SendState& state) {
  ++state.generation;
  state.result_version = 0;
  SetOwn(state, Message::STATUS_SCHEDULED);
}

void CancelInstead(SendState& state) { SetOwn(state, Message::STATUS_CANCELED); }

}  // namespace parley::gateway
