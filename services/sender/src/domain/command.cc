#include "domain/command.h"

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/twilio/number.h"
#include "libs/twilio/segments.h"
#include "libs/twilio/webhook.h"

namespace parley::sender {
namespace {

using events::v1::Send;

constexpr std::size_t kNumberBytesMax = 32;
constexpr std::int64_t kTimeMicrosMax = 253'402'300'799'000'000;  // End of the year 9999.

absl::Status Wrong(std::string_view field, std::string_view why) {
  return InvalidArgument("COMMAND_INVALID", std::string(field) + " " + std::string(why) + ".");
}

absl::Status CheckUuid(std::string_view field, std::string_view value) {
  if (!IsUuid(value)) return Wrong(field, "is not a UUID");
  return absl::OkStatus();
}

absl::Status CheckIds(const std::string& organization_id, const Send& send) {
  PARLEY_RETURN_IF_ERROR(CheckUuid("organization_id", organization_id));
  PARLEY_RETURN_IF_ERROR(CheckUuid("message_id", send.message_id()));
  if (send.generation() < 0) return Wrong("generation", "is negative");
  if (!send.conversation_id().empty()) {
    PARLEY_RETURN_IF_ERROR(CheckUuid("conversation_id", send.conversation_id()));
  }
  if (!send.campaign_id().empty()) {
    PARLEY_RETURN_IF_ERROR(CheckUuid("campaign_id", send.campaign_id()));
  }
  if (!twilio::IsSid(send.account_sid(), "AC")) return Wrong("account_sid", "is no account SID");
  if (!send.messaging_service_sid().empty() && !twilio::IsSid(send.messaging_service_sid(), "MG")) {
    return Wrong("messaging_service_sid", "is no Messaging Service SID");
  }
  if (!send.content_sid().empty() && !twilio::IsSid(send.content_sid(), "HX")) {
    return Wrong("content_sid", "is no template SID");
  }
  return absl::OkStatus();
}

absl::Status CheckAddresses(const Send& send) {
  if (send.medium() != events::v1::MEDIUM_SMS && send.medium() != events::v1::MEDIUM_WHATSAPP) {
    return Wrong("medium", "cannot be sent by the sender");
  }
  if (!IsE164(send.customer_number())) return Wrong("customer_number", "is not E.164");
  const std::string& number = send.sender_number();
  const auto address = twilio::ParseAddress(number);
  const bool usable = number.size() <= kNumberBytesMax && address.ok() &&
                      address->channel == twilio::Channel::kSms &&
                      (send.medium() == events::v1::MEDIUM_SMS || IsE164(number));
  if (!usable) return Wrong("sender_number", "is no sender's number");
  return absl::OkStatus();
}

absl::Status CheckContent(const Send& send) {
  if (send.body().empty() && send.media_urls().empty() && send.content_sid().empty()) {
    return Wrong("body", "is empty, and there are neither media nor a template");
  }
  if (!IsCleanUtf8(send.body())) return Wrong("body", "is not clean UTF-8");
  if (CodePoints(send.body()) > kBodyCharsMax) {
    return Wrong("body", "is longer than 1600 characters");
  }
  if (static_cast<std::size_t>(send.media_urls_size()) > kMediaMax) {
    return Wrong("media_urls", "are more than 10");
  }
  for (const std::string& url : send.media_urls()) {
    if (url.empty() || url.size() > kUrlBytesMax || !IsCleanUtf8(url)) {
      return Wrong("media_urls", "hold one that is empty, too long or not clean UTF-8");
    }
  }
  const std::string& variables = send.content_variables();
  if (variables.size() > kVariablesBytesMax || !IsCleanUtf8(variables)) {
    return Wrong("content_variables", "are too long or not clean UTF-8");
  }
  return absl::OkStatus();
}

absl::Status CheckTimes(const Send& send, Time produced_at) {
  if (send.not_after_us() <= 0) return Wrong("not_after_us", "is not set");
  if (FromMicros(send.not_after_us()) > produced_at + kNotAfterMax + kNotAfterTolerance) {
    return Wrong("not_after_us", "is more than 24 h ahead");
  }
  if (send.not_before_us() < 0 || send.not_before_us() > send.not_after_us()) {
    return Wrong("not_before_us", "is negative or after not_after_us");
  }
  for (const std::int64_t micros : {send.created_at_us(), send.whatsapp_window_until_us()}) {
    if (micros < 0 || micros > kTimeMicrosMax) {
      return Wrong("created_at_us or whatsapp_window_until_us", "is out of range");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NewDelivery> ParseSend(const std::string& organization_id, const Send& send,
                                      Time produced_at) {
  PARLEY_RETURN_IF_ERROR(CheckIds(organization_id, send));
  PARLEY_RETURN_IF_ERROR(CheckAddresses(send));
  PARLEY_RETURN_IF_ERROR(CheckContent(send));
  PARLEY_RETURN_IF_ERROR(CheckTimes(send, produced_at));
  if (send.priority() != events::v1::PRIORITY_INTERACTIVE &&
      send.priority() != events::v1::PRIORITY_BULK) {
    return Wrong("priority", "is not set");
  }
  NewDelivery delivery;
  delivery.key = {Lower(organization_id), Lower(send.message_id()), send.generation()};
  delivery.account_sid = send.account_sid();
  delivery.medium = static_cast<Medium>(send.medium());
  delivery.sender_number = send.sender_number();
  delivery.customer_number = send.customer_number();
  delivery.body = send.body();
  delivery.media_urls.assign(send.media_urls().begin(), send.media_urls().end());
  delivery.content_sid = send.content_sid();
  delivery.content_variables = send.content_variables();
  delivery.messaging_service_sid = send.messaging_service_sid();
  // WhatsApp counts messages, not segments.
  delivery.segments =
      delivery.medium == Medium::kWhatsApp ? 1 : twilio::CountSegments(send.body()).segments;
  delivery.conversation_id = Lower(send.conversation_id());
  delivery.conversation_seq = send.conversation_seq();
  delivery.campaign_id = Lower(send.campaign_id());
  delivery.priority = static_cast<Priority>(send.priority());
  delivery.created_at = FromMicros(send.created_at_us());
  delivery.not_before = FromMicros(send.not_before_us());
  delivery.not_after = FromMicros(send.not_after_us());
  if (send.whatsapp_window_until_us() > 0) {
    delivery.whatsapp_window_until = FromMicros(send.whatsapp_window_until_us());
  }
  return delivery;
}

absl::Status CheckCancel(const std::string& organization_id, const events::v1::CancelSend& cancel) {
  PARLEY_RETURN_IF_ERROR(CheckUuid("organization_id", organization_id));
  return CheckUuid("message_id", cancel.message_id());
}

absl::Status CheckCampaign(const std::string& organization_id,
                           const events::v1::CampaignState& campaign) {
  PARLEY_RETURN_IF_ERROR(CheckUuid("organization_id", organization_id));
  PARLEY_RETURN_IF_ERROR(CheckUuid("campaign_id", campaign.campaign_id()));
  if (campaign.state() < events::v1::CampaignState::STATE_RUNNING ||
      campaign.state() > events::v1::CampaignState::STATE_CANCELED) {
    return Wrong("state", "is not set");
  }
  return absl::OkStatus();
}

}  // namespace parley::sender
