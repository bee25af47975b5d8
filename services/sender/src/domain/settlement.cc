#include "domain/settlement.h"

#include <algorithm>

#include "libs/twilio/errors.h"

namespace parley::sender {
namespace {

using std::chrono::milliseconds;

constexpr int kTooManyRequests = 429;
constexpr int kQueueFull = 21611;  // One sender's queue at Twilio; other 429 are the account's.
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
  settlement.block_pair = entry.category == twilio::ErrorCategory::kUnsubscribed;
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
  return settlement;
}

}  // namespace

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
