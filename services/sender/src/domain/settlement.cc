#include "domain/settlement.h"

#include <algorithm>

#include "libs/twilio/errors.h"
#include "libs/twilio/webhook.h"

namespace parley::sender {
namespace {

using std::chrono::milliseconds;

constexpr int kTooManyRequests = 429;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kUnsubscribed = 21610;
// The number's registration is still being set up.
constexpr int kRegistrationPending = 30035;
constexpr milliseconds kSenderPause{60'000};
constexpr milliseconds kUnwrittenDelayMin{100};
constexpr milliseconds kUnwrittenDelayMax{5'000};
constexpr milliseconds kRefusedDelayMin{250};
constexpr milliseconds kRefusedDelayMax{30'000};

std::string Sentence(const twilio::ErrorEntry& entry) {
  std::string sentence(entry.meaning);
  if (!entry.remedy.empty()) sentence.append(" ").append(entry.remedy);
  return sentence;
}

Settlement Of(const twilio::Accepted& accepted) {
  Settlement settlement;
  if (!twilio::IsMessageSid(accepted.sid)) {
    settlement.reason = "UNCONFIRMED_BAD_ANSWER";
    settlement.message = "Twilio's answer named no message; it may have been sent.";
    return settlement;
  }
  settlement.state = State::kSent;
  settlement.message_sid = accepted.sid;
  settlement.segments = accepted.segments;
  return settlement;
}

Settlement Of(const twilio::NotWritten& unwritten, const AnswerContext& context) {
  Settlement settlement;
  settlement.state = State::kQueued;
  settlement.counts_as_attempt = false;
  if (unwritten.too_late) return settlement;  // We were slow, not Twilio: at once.
  settlement.reason = "TWILIO_UNREACHABLE";
  settlement.message = "Twilio could not be reached; it is tried again.";
  settlement.wait =
      Backoff(kUnwrittenDelayMin, kUnwrittenDelayMax, context.refusals, context.jitter);
  settlement.pause_account = true;
  return settlement;
}

Settlement Of(const twilio::Unknown& unknown) {
  Settlement settlement;
  settlement.state = State::kUnconfirmed;
  settlement.reason =
      unknown.http_status == 0 ? "UNCONFIRMED_NO_ANSWER" : "UNCONFIRMED_SERVER_ERROR";
  settlement.message = unknown.http_status == 0
                           ? "Twilio's answer was lost; the message may have been sent."
                           : "Twilio answered with an error of its own; the message may have "
                             "been sent.";
  return settlement;
}

Settlement Failed(const twilio::Refused& refused, const twilio::ErrorEntry& entry) {
  Settlement settlement;
  settlement.state = State::kFailed;
  settlement.error_code = refused.code;
  settlement.reason =
      entry.category == twilio::ErrorCategory::kUnsubscribed
          ? "OPTED_OUT"
          : "TWILIO_" + std::to_string(refused.code != 0 ? refused.code : refused.http_status);
  settlement.message = Sentence(entry);
  // The others of that meaning speak of a channel, or of marketing, not of the pair.
  settlement.block_pair = refused.code == kUnsubscribed;
  return settlement;
}

// True for what is wrong with the sender's number, whoever it sends to.
bool IsSenderFault(int code) {
  switch (code) {
    case 21601:  // Not capable of SMS.
    case 21606:
    case 21659:  // No number of Twilio.
    case 21660:  // Another account's.
    case 21661:
    case 30018:  // Not registered where it must be.
    case 30024:
    case 30032:
    case 30033:
    case 30034:
    case 30037:
    case 30040:
    case 63001:  // The WhatsApp sender is not set up, or locked.
    case 63002:
    case 63007:
    case 63008:
    case 63020:
    case 63051:
    case 63059:
      return true;
    default:
      return false;
  }
}

// No send is at fault, and none goes before somebody mends that.
Settlement AccountRefused(const twilio::Refused& refused, const twilio::ErrorEntry& entry,
                          const AnswerContext& context) {
  Settlement settlement = Failed(refused, entry);
  settlement.state = State::kQueued;
  settlement.counts_as_error = false;
  settlement.wait = Backoff(kRefusedDelayMin, kRefusedDelayMax, 4, context.jitter);
  return settlement;
}

Settlement TooMany(const twilio::Refused& refused, const twilio::ErrorEntry& entry,
                   const AnswerContext& context) {
  Settlement settlement;
  settlement.state = State::kQueued;
  settlement.error_code = refused.code;
  settlement.reason = "TWILIO_BUSY";
  settlement.message = Sentence(entry);
  settlement.wait = Backoff(kRefusedDelayMin, kRefusedDelayMax, context.refusals, context.jitter);
  if (refused.retry_after) {
    settlement.wait = std::max<milliseconds>(milliseconds(50), *refused.retry_after);
  }
  settlement.pause_lane = refused.code == kQueueFull;
  settlement.pause_account = !settlement.pause_lane;
  return settlement;
}

Settlement Of(const RetryPolicy& policy, const twilio::Refused& refused,
              const AnswerContext& context) {
  const twilio::ErrorEntry& entry = twilio::ClassifySendAnswer(refused.http_status, refused.code);
  if (refused.http_status == kTooManyRequests) return TooMany(refused, entry, context);
  if (RefusesAccount(refused)) return AccountRefused(refused, entry, context);
  if (IsSenderFault(refused.code)) {
    Settlement settlement = Failed(refused, entry);
    settlement.wait = kSenderPause;
    settlement.pause_lane = true;
    return settlement;
  }
  Patience patience = Patience::kSoon;
  switch (entry.category) {
    case twilio::ErrorCategory::kRetry:
      break;
    case twilio::ErrorCategory::kLater:
      patience = Patience::kLater;
      break;
    case twilio::ErrorCategory::kUnknownOutcome:
      return Of(twilio::Unknown{refused.http_status, ""});
    case twilio::ErrorCategory::kPermanent:
    case twilio::ErrorCategory::kFixConfiguration:
    case twilio::ErrorCategory::kUnsubscribed:
    case twilio::ErrorCategory::kNotice:
      return Failed(refused, entry);
  }
  const auto delay = RetryDelay(policy, patience, context.errors + 1, context.jitter);
  Settlement settlement = Failed(refused, entry);
  settlement.counts_as_error = true;
  if (!delay) return settlement;
  settlement.state = State::kQueued;
  settlement.wait = *delay;
  settlement.pause_lane = refused.code == kRegistrationPending;
  return settlement;
}

}  // namespace

bool RefusesAccount(const twilio::Refused& refused) {
  switch (refused.code) {
    case 10001:  // Not active.
    case 20005:
    case 30002:  // Suspended.
      return true;
    case 20003:
    case 20006:
    case 20403:
      return refused.http_status == kUnauthorized || refused.http_status == kForbidden;
    default:
      return refused.http_status == kUnauthorized;
  }
}

Settlement Settle(const RetryPolicy& policy, const twilio::SendOutcome& outcome,
                  const AnswerContext& context) {
  if (const auto* accepted = std::get_if<twilio::Accepted>(&outcome)) return Of(*accepted);
  if (const auto* refused = std::get_if<twilio::Refused>(&outcome)) {
    return Of(policy, *refused, context);
  }
  if (const auto* unwritten = std::get_if<twilio::NotWritten>(&outcome)) {
    return Of(*unwritten, context);
  }
  return Of(std::get<twilio::Unknown>(outcome));
}

}  // namespace parley::sender
