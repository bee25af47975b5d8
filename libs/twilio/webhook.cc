#include "libs/twilio/webhook.h"

#include <algorithm>
#include <charconv>

#include "libs/base/status.h"
#include "libs/twilio/number.h"

namespace parley::twilio {
namespace {

constexpr std::size_t kSidChars = 34;
constexpr std::size_t kAddressBytesMax = 256;
constexpr std::size_t kWordBytesMax = 64;  // Of a state or a type.
constexpr std::size_t kUrlBytesMax = 2'048;
constexpr int kDurationSecondsMax = 7 * 24 * 3'600;

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

// An address of a channel that we serve: nothing else may reach the records, whose readers could
// not tell it from a phone number. RCS is served as SMS, into which it falls back.
absl::Status CheckAddress(std::string_view name, std::string_view address) {
  if (address.size() > kAddressBytesMax) return Invalid(name, "is too long for an address");
  const Channel channel = ChannelOf(address);
  const bool served = channel == Channel::kWhatsApp || channel == Channel::kRcs ||
                      (channel == Channel::kSms && address.find(':') == std::string_view::npos);
  if (served) return absl::OkStatus();
  return InvalidArgument("CHANNEL_UNSUPPORTED",
                         "The parameter " + std::string(name) +
                             " is no phone number: only SMS, MMS, RCS, WhatsApp and calls are "
                             "served.");
}

absl::StatusOr<std::string_view> RequiredAddress(const FormParams& params, std::string_view name) {
  PARLEY_ASSIGN_OR_RETURN(const std::string_view value, Required(params, name));
  PARLEY_RETURN_IF_ERROR(CheckAddress(name, value));
  return value;
}

absl::StatusOr<std::string_view> OptionalAddress(const FormParams& params, std::string_view name) {
  const std::string_view value = params.Get(name);
  PARLEY_RETURN_IF_ERROR(CheckAddress(name, value));
  return value;
}

absl::StatusOr<std::string_view> Bounded(const FormParams& params, std::string_view name,
                                         std::size_t bytes_max) {
  const std::string_view value = params.Get(name);
  if (value.size() > bytes_max) return Invalid(name, "is too long");
  return value;
}

absl::StatusOr<std::string_view> RequiredCall(const FormParams& params) {
  PARLEY_ASSIGN_OR_RETURN(const std::string_view sid, Required(params, "CallSid"));
  if (!IsSid(sid, "CA")) return Invalid("CallSid", "is not CA and 32 hexadecimal digits");
  return sid;
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

void ReadWhatsApp(const FormParams& params, InboundMessage& message) {
  message.button_text = params.Get("ButtonText");
  message.list_title = params.Get("ListTitle");
  message.message_type = params.Get("MessageType");
  message.latitude = params.Get("Latitude");
  message.longitude = params.Get("Longitude");
  message.address = params.Get("Address");
  message.label = params.Get("Label");
}

void AppendLine(std::string_view line, std::string& out) {
  if (line.empty()) return;
  if (!out.empty()) out.push_back('\n');
  out.append(line);
}

}  // namespace

std::string TextOf(const InboundMessage& message) {
  for (const std::string_view text : {message.body, message.button_text, message.list_title}) {
    if (!text.empty()) return std::string(text);
  }
  std::string place;
  AppendLine(message.label, place);
  AppendLine(message.address, place);
  if (!message.latitude.empty() && !message.longitude.empty()) {
    AppendLine(std::string(message.latitude).append(", ").append(message.longitude), place);
  }
  if (!place.empty() || !message.media.empty()) return place;
  const std::string_view type = message.message_type.substr(0, kWordBytesMax);
  if (type.empty() || type == "text") return "";
  return std::string("[").append(type).append("]");
}

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
  if (message.body.empty() || ChannelOf(message.from) == Channel::kWhatsApp) {
    ReadWhatsApp(params, message);
  }
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
  PARLEY_ASSIGN_OR_RETURN(callback.from, OptionalAddress(params, "From"));
  PARLEY_ASSIGN_OR_RETURN(callback.to, OptionalAddress(params, "To"));
  PARLEY_ASSIGN_OR_RETURN(callback.messaging_service_sid, OptionalService(params));
  if (!params.Get("ErrorCode").empty()) {
    PARLEY_ASSIGN_OR_RETURN(const int code, Count(params, "ErrorCode", 0, 999'999));
    if (code != 0) callback.error_code = code;
  }
  callback.error_message = params.Get("ErrorMessage");
  callback.channel_status_message = params.Get("ChannelStatusMessage");
  return callback;
}

absl::StatusOr<CallReport> ParseCall(const FormParams& params) {
  CallReport call;
  PARLEY_ASSIGN_OR_RETURN(call.account_sid, RequiredAccount(params));
  PARLEY_ASSIGN_OR_RETURN(call.call_sid, RequiredCall(params));
  PARLEY_ASSIGN_OR_RETURN(call.from, RequiredAddress(params, "From"));
  PARLEY_ASSIGN_OR_RETURN(call.to, RequiredAddress(params, "To"));
  PARLEY_ASSIGN_OR_RETURN(call.status, Bounded(params, "CallStatus", kWordBytesMax));
  if (call.status.empty()) return Missing("CallStatus");
  PARLEY_ASSIGN_OR_RETURN(call.caller_name, Bounded(params, "CallerName", kAddressBytesMax));
  PARLEY_ASSIGN_OR_RETURN(call.dial_status, Bounded(params, "DialCallStatus", kWordBytesMax));
  PARLEY_ASSIGN_OR_RETURN(call.duration_seconds,
                          Count(params, "CallDuration", 0, kDurationSecondsMax));
  call.inbound = params.Get("Direction").substr(0, 8) != "outbound";
  return call;
}

absl::StatusOr<RecordingReport> ParseRecording(const FormParams& params) {
  RecordingReport recording;
  PARLEY_ASSIGN_OR_RETURN(recording.account_sid, RequiredAccount(params));
  PARLEY_ASSIGN_OR_RETURN(recording.call_sid, RequiredCall(params));
  recording.recording_sid = params.Get("RecordingSid");
  if (!recording.recording_sid.empty() && !IsSid(recording.recording_sid, "RE")) {
    return Invalid("RecordingSid", "is not RE and 32 hexadecimal digits");
  }
  PARLEY_ASSIGN_OR_RETURN(recording.url, Bounded(params, "RecordingUrl", kUrlBytesMax));
  PARLEY_ASSIGN_OR_RETURN(recording.status, Bounded(params, "RecordingStatus", kWordBytesMax));
  PARLEY_ASSIGN_OR_RETURN(recording.from, OptionalAddress(params, "From"));
  PARLEY_ASSIGN_OR_RETURN(recording.to, OptionalAddress(params, "To"));
  PARLEY_ASSIGN_OR_RETURN(recording.duration_seconds,
                          Count(params, "RecordingDuration", 0, kDurationSecondsMax));
  return recording;
}

bool IsCallStatus(const FormParams& params) {
  return params.Has("CallSid") && params.Get("MessageSid").empty() &&
         params.Get("SmsSid").empty() && params.Get("SmsMessageSid").empty();
}

}  // namespace parley::twilio
