#include "projector/records.h"

#include <algorithm>
#include <string>
#include <vector>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "store/live_json.h"

namespace parley::gateway::projector {
namespace {

using events::v1::InboundRecord;
using events::v1::ReplyRecord;

// What an address or SID may have at most; longer ones are no addresses.
constexpr std::size_t kAddressBytesMax = 256;
// A webhook's body is at most 64 KiB, so its text is shorter.
constexpr std::size_t kTextBytesMax = 64 << 10;
// An index holds a recording's address until its call is known.
constexpr std::size_t kUrlBytesMax = 1024;

template <class Event>
absl::StatusOr<Event> Parse(std::string_view value) {
  Event event;
  if (!event.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return InvalidArgument("UNPARSABLE", "The value is no " + event.GetTypeName() + ".");
  }
  return event;
}

absl::Status Invalid(std::string_view what) {
  return InvalidArgument("INVALID_RECORD",
                         "The record has a wrong or missing " + std::string(what) + ".");
}

bool IsToken(std::string_view text) {
  return !text.empty() && text.size() <= kAddressBytesMax && IsCleanUtf8(text);
}

bool IsOptionalToken(std::string_view text) { return text.empty() || IsToken(text); }

bool IsText(std::string_view text) { return text.size() <= kTextBytesMax && IsCleanUtf8(text); }

absl::Status CheckMessage(const events::v1::InboundMessage& message) {
  if (!IsToken(message.message_sid())) return Invalid("message SID");
  if (!IsText(message.body())) return Invalid("text");
  if (!IsText(message.profile_name())) return Invalid("profile name");
  for (const events::v1::Media& media : message.media()) {
    if (!IsText(media.url()) || !IsText(media.content_type())) return Invalid("media");
  }
  return absl::OkStatus();
}

absl::Status CheckCall(const InboundRecord& record) {
  if (!IsToken(record.call().call_sid())) return Invalid("call SID");
  if (!IsText(record.call().caller_name())) return Invalid("caller name");
  return absl::OkStatus();
}

absl::Status CheckRecording(const events::v1::CallRecording& recording) {
  if (!IsToken(recording.call_sid())) return Invalid("call SID");
  if (!IsOptionalToken(recording.recording_sid())) return Invalid("recording SID");
  if (!IsText(recording.url()) || recording.url().size() > kUrlBytesMax) return Invalid("address");
  return absl::OkStatus();
}

// What the store has a column for, or derives: Twilio says it again under these names.
bool HasColumn(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "AccountSid", "Body",     "CallDuration", "CallSid",       "CallStatus", "From",
      "MessageSid", "NumMedia", "NumSegments",  "SmsMessageSid", "SmsSid",     "To"};
  return std::binary_search(std::begin(kNames), std::end(kNames), name) ||
         name.starts_with("MediaUrl") || name.starts_with("MediaContentType");
}

Time TimeOr(std::int64_t micros, Time otherwise) {
  return micros > 0 ? FromMicros(micros) : otherwise;
}

}  // namespace

absl::StatusOr<InboundRecord> ParseInbound(std::string_view value) {
  PARLEY_ASSIGN_OR_RETURN(InboundRecord record, Parse<InboundRecord>(value));
  if (!IsToken(record.account_sid())) return Invalid("account SID");
  if (!record.has_recording()) {  // Its status names no numbers.
    if (!IsToken(record.business_number())) return Invalid("business number");
    if (!IsToken(record.customer_number())) return Invalid("customer number");
    if (FromEvent(record.medium()) == v1::MEDIUM_UNSPECIFIED) return Invalid("medium");
  }
  if (!IsText(record.auto_reply())) return Invalid("auto-reply");
  switch (record.event_case()) {
    case InboundRecord::kMessage:
      PARLEY_RETURN_IF_ERROR(CheckMessage(record.message()));
      break;
    case InboundRecord::kCall:
      PARLEY_RETURN_IF_ERROR(CheckCall(record));
      break;
    case InboundRecord::kRecording:
      PARLEY_RETURN_IF_ERROR(CheckRecording(record.recording()));
      break;
    case InboundRecord::EVENT_NOT_SET:
      return Invalid("event");
  }
  return record;
}

absl::StatusOr<ReplyRecord> ParseReply(std::string_view value) {
  PARLEY_ASSIGN_OR_RETURN(ReplyRecord record, Parse<ReplyRecord>(value));
  if (!IsUuid(record.organization_id())) return Invalid("organization");
  if (!IsUuid(record.conversation_id())) return Invalid("conversation");
  if (!IsUuid(record.turn_id())) return Invalid("turn");
  if (record.outcome_case() == ReplyRecord::OUTCOME_NOT_SET) return Invalid("outcome");
  if (!IsText(record.text().body()) || !IsText(record.failure().message())) {
    return Invalid("text");
  }
  return record;
}

absl::StatusOr<events::v1::SendResult> ParseSendResult(std::string_view value) {
  PARLEY_ASSIGN_OR_RETURN(events::v1::SendResult result, Parse<events::v1::SendResult>(value));
  switch (result.result_case()) {
    case events::v1::SendResult::kAccepted:
      for (const auto& item : result.accepted().items()) {
        if (!IsUuid(item.organization_id()) || !IsUuid(item.message_id())) return Invalid("item");
      }
      break;
    case events::v1::SendResult::kOutcome: {
      const events::v1::SendOutcome& outcome = result.outcome();
      if (!IsUuid(outcome.organization_id())) return Invalid("organization");
      if (!IsUuid(outcome.message_id())) return Invalid("message id");
      if (!IsOptionalToken(outcome.account_sid()) || !IsOptionalToken(outcome.message_sid()) ||
          !IsOptionalToken(outcome.reason()) || !IsText(outcome.message())) {
        return Invalid("text");
      }
      if (outcome.state() == events::v1::SendOutcome::STATE_UNSPECIFIED) return Invalid("state");
      break;
    }
    case events::v1::SendResult::kConsentRequest:
      if (result.consent_request().at_us() <= 0) return Invalid("time");
      break;
    case events::v1::SendResult::RESULT_NOT_SET:
      return Invalid("result");
  }
  return result;
}

absl::StatusOr<events::v1::DeliveryStatusRecord> ParseDeliveryStatus(std::string_view value) {
  PARLEY_ASSIGN_OR_RETURN(events::v1::DeliveryStatusRecord record,
                          Parse<events::v1::DeliveryStatusRecord>(value));
  if (!IsToken(record.account_sid())) return Invalid("account SID");
  if (!IsToken(record.message_sid())) return Invalid("message SID");
  if (!IsToken(record.status())) return Invalid("status");
  if (!IsOptionalToken(record.business_number())) return Invalid("business number");
  return record;
}

absl::StatusOr<events::v1::ConsentRecord> ParseConsent(std::string_view value) {
  PARLEY_ASSIGN_OR_RETURN(events::v1::ConsentRecord record,
                          Parse<events::v1::ConsentRecord>(value));
  if (record.republication_us() != 0) return record;  // Out of our own store: not looked at.
  if (!IsToken(record.customer_number())) return Invalid("customer number");
  if (!IsOptionalToken(record.account_sid())) return Invalid("account SID");
  if (!IsOptionalToken(record.business_number())) return Invalid("business number");
  if (!record.organization_id().empty() && !IsUuid(record.organization_id())) {
    return Invalid("organization");
  }
  if (record.given_at_us() <= 0) return Invalid("time");
  if (record.keyword() != events::v1::KEYWORD_STOP &&
      record.keyword() != events::v1::KEYWORD_START) {
    return Invalid("keyword");
  }
  return record;
}

store::NewMessage ToNewMessage(const InboundRecord& record, Time now,
                               std::chrono::seconds reply_age_max) {
  store::NewMessage message;
  message.customer_number = record.customer_number();
  message.medium = FromEvent(record.medium());
  message.account_sid = record.account_sid();
  message.business_number = record.business_number();
  message.received_at = TimeOr(record.received_at_us(), now);
  message.overtaken = record.origin() != events::v1::ORIGIN_WEBHOOK;
  message.recovered = record.origin() == events::v1::ORIGIN_RECOVERED;
  message.parameters = ParametersJson(record);
  if (record.has_call()) {
    const events::v1::InboundCall& call = record.call();
    message.message_id = store::InboundMessageId(record.account_sid(), call.call_sid());
    message.kind = v1::Message::KIND_CALL;
    message.medium = v1::MEDIUM_VOICE;
    message.body = "Incoming call from " + record.customer_number();
    message.call_sid = call.call_sid();
    message.call_status = ParseCallStatus(call.status());
    message.call_seconds = std::max(0, call.duration_seconds());
    message.profile_name = call.caller_name();
    message.may_start_turn = false;
    return message;
  }
  const events::v1::InboundMessage& text = record.message();
  message.message_id = store::InboundMessageId(record.account_sid(), text.message_sid());
  message.kind = text.media().empty() ? v1::Message::KIND_TEXT : v1::Message::KIND_MMS;
  message.body = text.body();
  for (const events::v1::Media& media : text.media()) {
    message.media.push_back({media.url(), media.content_type()});
  }
  message.message_sid = text.message_sid();
  message.profile_name = text.profile_name();
  message.segments = text.segments();
  message.may_start_turn = text.keyword() == events::v1::KEYWORD_UNSPECIFIED &&
                           now - message.received_at <= reply_age_max;
  message.may_reply_first =
      message.may_start_turn && !message.overtaken && record.auto_reply().empty();
  return message;
}

store::NewMessage ToAutoReply(const InboundRecord& record, const store::NewMessage& inbound) {
  store::NewMessage reply;
  reply.organization_id = inbound.organization_id;
  reply.message_id = store::AutoReplyMessageId(inbound.message_id);
  reply.channel_id = inbound.channel_id;
  reply.customer_number = inbound.customer_number;
  reply.medium = inbound.medium;
  reply.direction = v1::Message::DIRECTION_OUTBOUND;
  reply.author = v1::Message::AUTHOR_SYSTEM;
  reply.body = record.auto_reply();
  reply.sent_by_twiml = true;
  reply.account_sid = inbound.account_sid;
  reply.business_number = inbound.business_number;
  reply.received_at = inbound.received_at;
  return reply;
}

store::CallReport ToCallReport(const InboundRecord& record, Time now) {
  store::CallReport report;
  report.account_sid = record.account_sid();
  report.at = TimeOr(record.received_at_us(), now);
  report.parameters = ParametersJson(record);
  if (record.has_call()) {
    report.call_sid = record.call().call_sid();
    report.status = ParseCallStatus(record.call().status());
    report.seconds = std::max(0, record.call().duration_seconds());
  } else {
    report.call_sid = record.recording().call_sid();
    report.recording_sid = record.recording().recording_sid();
    report.recording_url = record.recording().url();
  }
  return report;
}

std::optional<store::Consent> ToConsent(const InboundRecord& record, Time now) {
  const events::v1::Keyword keyword = record.message().keyword();
  if (keyword != events::v1::KEYWORD_STOP && keyword != events::v1::KEYWORD_START) {
    return std::nullopt;
  }
  return store::Consent{.organization_id = "",
                        .customer_number = record.customer_number(),
                        .business_number = record.business_number(),
                        .messaging_service_sid = record.message().messaging_service_sid(),
                        .opted_out = keyword == events::v1::KEYWORD_STOP,
                        .given_at = TimeOr(record.received_at_us(), now),
                        .source = "keyword"};
}

std::string ParametersJson(const InboundRecord& record) {
  std::vector<const events::v1::Parameter*> kept;
  for (const events::v1::Parameter& parameter : record.parameters()) {
    if (!HasColumn(parameter.name()) && IsCleanUtf8(parameter.name()) &&
        IsCleanUtf8(parameter.value())) {
      kept.push_back(&parameter);
    }
  }
  std::stable_sort(kept.begin(), kept.end(),
                   [](const auto* a, const auto* b) { return a->name() < b->name(); });
  std::string json = "{";
  for (auto at = kept.begin(); at != kept.end();) {
    const auto end =
        std::find_if(at, kept.end(), [&](const auto* one) { return one->name() != (*at)->name(); });
    if (json.size() > 1) json += ',';
    store::AppendJsonString(json, (*at)->name());
    json += ':';
    const bool list = end - at > 1;
    if (list) json += '[';
    for (auto one = at; one != end; ++one) {
      if (one != at) json += ',';
      store::AppendJsonString(json, (*one)->value());
    }
    if (list) json += ']';
    at = end;
  }
  return json + "}";
}

store::NewMessage ToNewMessage(const ReplyRecord& record, Time now) {
  store::NewMessage message;
  message.organization_id = record.organization_id();
  message.message_id = store::ReplyMessageId(record.turn_id());
  message.conversation_id = record.conversation_id();
  message.direction = v1::Message::DIRECTION_OUTBOUND;
  message.author = v1::Message::AUTHOR_AI;
  message.turn_id = record.turn_id();
  message.received_at = now;
  if (record.has_failure()) {
    message.turn_failure = record.failure().message();
    if (message.turn_failure.empty()) message.turn_failure = "The AI gave no answer.";
    return message;
  }
  message.body = record.text().body();
  if (Trim(message.body).empty()) {
    message.turn_failure = "The AI's answer was empty.";
  } else if (CodePoints(message.body) > kBodyCodePointsMax) {
    message.turn_failure = "The AI's answer was longer than 1,600 characters.";
  }
  return message;
}

}  // namespace parley::gateway::projector
