#include "catchup/compare.h"

#include <algorithm>

#include "libs/twilio/form.h"
#include "libs/twilio/status.h"

namespace parley::gateway::catchup {
namespace {

// Our words are Twilio's but for those that say that nobody has heard from Twilio yet.
twilio::MessageStatus FromStore(std::string_view status) {
  return twilio::ParseStatus(status).value_or(twilio::MessageStatus::kQueued);
}

// What a delivery report can say; the rest is before it.
bool IsReport(twilio::MessageStatus status) {
  switch (status) {
    case twilio::MessageStatus::kSent:
    case twilio::MessageStatus::kDelivered:
    case twilio::MessageStatus::kUndelivered:
    case twilio::MessageStatus::kFailed:
    case twilio::MessageStatus::kCanceled:
    case twilio::MessageStatus::kRead:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool IsInbound(const twilio::MessageResource& message) { return message.direction == "inbound"; }

Differences Compare(std::span<const twilio::MessageResource> page, const Known& known, Time until) {
  Differences differences;
  for (const twilio::MessageResource& message : page) {
    if (IsInbound(message)) {
      const bool old = TimeOf(message, until) <= until;
      if (old && !known.inbound.contains(message.sid)) differences.missing.push_back(&message);
      continue;
    }
    const auto sent = known.sent.find(message.sid);
    if (sent == known.sent.end() || !IsReport(message.status)) continue;
    if (twilio::Advances(FromStore(sent->second), message.status)) {
      differences.advanced.push_back(&message);
    }
  }
  return differences;
}

std::string WebhookForm(std::string_view account_sid, const twilio::MessageResource& message,
                        std::span<const Attachment> media) {
  twilio::FormParams params{{"AccountSid", account_sid},
                            {"MessageSid", message.sid},
                            {"From", message.from},
                            {"To", message.to},
                            {"Body", message.body},
                            {"NumSegments", std::to_string(std::max(message.segments, 1))},
                            {"NumMedia", std::to_string(media.size())}};
  if (!message.messaging_service_sid.empty()) {
    params.Add("MessagingServiceSid", message.messaging_service_sid);
  }
  for (std::size_t i = 0; i < media.size(); ++i) {
    params.Add("MediaUrl" + std::to_string(i), media[i].url);
    params.Add("MediaContentType" + std::to_string(i), media[i].content_type);
  }
  return twilio::EncodeForm(params);
}

Time TimeOf(const twilio::MessageResource& message, Time now) {
  if (message.sent.has_value()) return *message.sent;
  return message.created.value_or(now);
}

}  // namespace parley::gateway::catchup
