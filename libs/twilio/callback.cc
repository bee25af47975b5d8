#include "libs/twilio/callback.h"

#include <charconv>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/twilio/url.h"

namespace parley::twilio {
namespace {

constexpr std::string_view kMessageParam = "message_id";
constexpr std::string_view kAttemptParam = "attempt";
constexpr int kAttemptMax = 1'000;
constexpr std::string_view kBusinessParam = "business";
constexpr std::string_view kCustomerParam = "customer";

std::string Join(std::string_view public_url, std::string_view path) {
  return std::string(public_url).append(path).append(kRetryAllFragment);
}

}  // namespace

std::string MessageWebhookUrl(std::string_view public_url) {
  return Join(public_url, kMessageWebhookPath);
}

std::string VoiceWebhookUrl(std::string_view public_url) {
  return Join(public_url, kVoiceWebhookPath);
}

std::string CallStatusUrl(std::string_view public_url) {
  return Join(public_url, kStatusWebhookPath);
}

std::string RecordingUrl(std::string_view public_url, const CallParties& parties) {
  return AppendQuery(Join(public_url, kRecordingWebhookPath),
                     {{kBusinessParam, parties.business}, {kCustomerParam, parties.customer}});
}

CallParties ParseCallParties(const FormParams& query) {
  return {std::string(query.Get(kBusinessParam)), std::string(query.Get(kCustomerParam))};
}

std::string StatusCallbackUrl(std::string_view public_url, const CallbackTarget& target) {
  return AppendQuery(
      Join(public_url, kStatusWebhookPath),
      {{kMessageParam, target.message_id}, {kAttemptParam, std::to_string(target.attempt)}});
}

absl::StatusOr<CallbackTarget> ParseCallbackTarget(const FormParams& query) {
  CallbackTarget target;
  target.message_id = std::string(query.Get(kMessageParam));
  if (!target.message_id.empty() && !IsUuid(target.message_id)) {
    return InvalidArgument("PARAM_INVALID", "The query's message_id is no message id.");
  }
  if (const auto text = query.Find(kAttemptParam)) {
    const auto [end, error] =
        std::from_chars(text->data(), text->data() + text->size(), target.attempt);
    if (error != std::errc() || end != text->data() + text->size() || target.attempt < 1 ||
        target.attempt > kAttemptMax) {
      return InvalidArgument("PARAM_INVALID", "The query's attempt is no number from 1.");
    }
  }
  return target;
}

}  // namespace parley::twilio
