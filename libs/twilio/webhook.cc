#include "libs/twilio/webhook.h"

#include <algorithm>
#include <charconv>

#include "libs/base/status.h"

namespace parley::twilio {
namespace {

constexpr std::size_t kSidChars = 34;
constexpr std::size_t kAddressBytesMax = 256;

absl::Status Missing(std::string_view name) {
  return InvalidArgument("PARAM_MISSING",
                         "The parameter " + std::string(name) + " is missing or empty.");
}

absl::Status Invalid(std::string_view name, std::string_view why) {
  return InvalidArgument("PARAM_INVALID",
                         "The parameter " + std::string(name) + " " + std::string(why) + ".");
}

absl::StatusOr<std::string_view> Required(const FormParams& params, std::string_view name) {
  const std::string_view value = params.Get(name);
  if (value.empty()) return Missing(name);
  return value;
}

absl::StatusOr<std::string_view> RequiredAddress(const FormParams& params, std::string_view name) {
  PARLEY_ASSIGN_OR_RETURN(const std::string_view value, Required(params, name));
  if (value.size() > kAddressBytesMax) return Invalid(name, "is too long for an address");
  return value;
}

absl::StatusOr<std::string_view> RequiredAccount(const FormParams& params) {
  PARLEY_ASSIGN_OR_RETURN(const std::string_view sid, Required(params, "AccountSid"));
  if (!IsSid(sid, "AC")) return Invalid("AccountSid", "is not AC and 32 hexadecimal digits");
  return sid;
}

// MessageSid, or one of the older names that carry the same value.
absl::StatusOr<std::string_view> RequiredMessage(const FormParams& params) {
  std::string_view sid = params.Get("MessageSid");
  if (sid.empty()) sid = params.Get("SmsMessageSid");
  if (sid.empty()) sid = params.Get("SmsSid");
  if (sid.empty()) return Missing("MessageSid");
  if (!IsMessageSid(sid)) return Invalid("MessageSid", "is not SM or MM and 32 hexadecimal digits");
  return sid;
}

absl::StatusOr<std::string_view> OptionalService(const FormParams& params) {
  const std::string_view sid = params.Get("MessagingServiceSid");
  if (!sid.empty() && !IsSid(sid, "MG")) {
    return Invalid("MessagingServiceSid", "is not MG and 32 hexadecimal digits");
  }
  return sid;
}

// A count that may be absent or empty.
absl::StatusOr<int> Count(const FormParams& params, std::string_view name, int absent, int max) {
  const std::string_view text = params.Get(name);
  if (text.empty()) return absent;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > max) {
    return Invalid(name, "is not a number from 0 to " + std::to_string(max));
  }
  return value;
}

}  // namespace

bool IsSid(std::string_view text, std::string_view prefix) {
  if (text.size() != kSidChars || text.substr(0, 2) != prefix) return false;
  return std::all_of(text.begin() + 2, text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

bool IsMessageSid(std::string_view text) { return IsSid(text, "SM") || IsSid(text, "MM"); }

absl::StatusOr<InboundMessage> ParseInboundMessage(const FormParams& params) {
  InboundMessage message;
  PARLEY_ASSIGN_OR_RETURN(message.account_sid, RequiredAccount(params));
  PARLEY_ASSIGN_OR_RETURN(message.message_sid, RequiredMessage(params));
  PARLEY_ASSIGN_OR_RETURN(message.from, RequiredAddress(params, "From"));
  PARLEY_ASSIGN_OR_RETURN(message.to, RequiredAddress(params, "To"));
  PARLEY_ASSIGN_OR_RETURN(message.messaging_service_sid, OptionalService(params));
  PARLEY_ASSIGN_OR_RETURN(message.segments, Count(params, "NumSegments", 1, 1000));
  PARLEY_ASSIGN_OR_RETURN(const int media, Count(params, "NumMedia", 0, kInboundMediaMax));
  message.body = params.Get("Body");
  message.profile_name = params.Get("ProfileName");
  message.opt_out_type = params.Get("OptOutType");
  for (int i = 0; i < media; ++i) {
    const std::string index = std::to_string(i);
    PARLEY_ASSIGN_OR_RETURN(const std::string_view url, Required(params, "MediaUrl" + index));
    message.media.push_back({url, params.Get("MediaContentType" + index)});
  }
  return message;
}

absl::StatusOr<StatusCallback> ParseStatusCallback(const FormParams& params) {
  StatusCallback callback;
  PARLEY_ASSIGN_OR_RETURN(callback.account_sid, RequiredAccount(params));
  PARLEY_ASSIGN_OR_RETURN(callback.message_sid, RequiredMessage(params));
  callback.status_name = params.Get("MessageStatus");
  if (callback.status_name.empty()) callback.status_name = params.Get("SmsStatus");
  if (callback.status_name.empty()) return Missing("MessageStatus");
  const auto status = ParseStatus(callback.status_name);
  if (!status) return Invalid("MessageStatus", "is no state that Twilio documents");
  callback.status = *status;
  callback.from = params.Get("From");
  callback.to = params.Get("To");
  if (callback.from.size() > kAddressBytesMax) return Invalid("From", "is too long for an address");
  if (callback.to.size() > kAddressBytesMax) return Invalid("To", "is too long for an address");
  PARLEY_ASSIGN_OR_RETURN(callback.messaging_service_sid, OptionalService(params));
  if (!params.Get("ErrorCode").empty()) {
    PARLEY_ASSIGN_OR_RETURN(const int code, Count(params, "ErrorCode", 0, 999'999));
    if (code != 0) callback.error_code = code;
  }
  callback.error_message = params.Get("ErrorMessage");
  callback.channel_status_message = params.Get("ChannelStatusMessage");
  return callback;
}

}  // namespace parley::twilio
