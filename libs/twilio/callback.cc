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

}  // namespace

std::string MessageWebhookUrl(std::string_view public_url) {
  std::string url(public_url);
  return url.append(kMessageWebhookPath).append(kRetryAllFragment);
}

std::string StatusCallbackUrl(std::string_view public_url, const CallbackTarget& target) {
  std::string url(public_url);
  url.append(kStatusWebhookPath).append(kRetryAllFragment);
  return AppendQuery(
      url, {{kMessageParam, target.message_id}, {kAttemptParam, std::to_string(target.attempt)}});
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
