#include "libs/webhooks/webhook.h"

#include <array>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/twilio/number.h"

namespace parley::webhooks {
namespace {

constexpr std::size_t kIdempotencyTokenBytesMax = 128;
constexpr std::size_t kPartyBytesMax = 64;
constexpr std::string_view kFormType = "application/x-www-form-urlencoded";

std::string_view QueryOf(std::string_view target) {
  const auto question = target.find('?');
  return question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
}

bool IsForm(std::string_view content_type) {
  return Lower(Trim(content_type.substr(0, content_type.find(';')))) == kFormType;
}

// Names that decide who a webhook belongs to must be there once: two readers could choose
// differently between two values.
absl::Status CheckUnambiguous(const twilio::FormParams& params) {
  constexpr std::array<std::string_view, 7> kNames = {
      "AccountSid", "MessageSid", "CallSid", "From", "To", "Body", "OptOutType"};
  std::array<bool, kNames.size()> seen{};
  for (const twilio::FormParam param : params) {
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (param.name != kNames[i]) continue;
      if (seen[i]) {
        return InvalidArgument("PARAM_REPEATED", "The parameter " + std::string(kNames[i]) +
                                                     " is there more than once.");
      }
      seen[i] = true;
    }
  }
  return absl::OkStatus();
}

// Twilio's is a UUID; what else stands there must not spoil the record.
bool IsIdempotencyToken(std::string_view text) {
  return text.size() <= kIdempotencyTokenBytesMax && IsCleanUtf8(text);
}

absl::Status ReadParams(const WebhookRequest& request, twilio::FormParams& params) {
  if (!IsIdempotencyToken(request.idempotency_token)) {
    return InvalidArgument("HEADER_INVALID", "I-Twilio-Idempotency-Token is no token.");
  }
  if (!request.is_get && !IsForm(request.content_type)) return NoForm();
  PARLEY_ASSIGN_OR_RETURN(
      params, twilio::ParseForm(request.is_get ? QueryOf(request.target) : request.body));
  return CheckUnambiguous(params);
}

absl::StatusOr<twilio::FormParams> QueryParams(const Webhook& webhook) {
  return twilio::ParseForm(QueryOf(webhook.request.target));
}

absl::Status ReadStatus(Webhook& webhook) {
  if (twilio::IsCallStatus(webhook.params)) {
    PARLEY_ASSIGN_OR_RETURN(webhook.event, twilio::ParseCall(webhook.params));
    return absl::OkStatus();
  }
  PARLEY_ASSIGN_OR_RETURN(webhook.event, twilio::ParseStatusCallback(webhook.params));
  PARLEY_ASSIGN_OR_RETURN(const twilio::FormParams query, QueryParams(webhook));
  PARLEY_ASSIGN_OR_RETURN(webhook.target, twilio::ParseCallbackTarget(query));
  return absl::OkStatus();
}

absl::Status ReadRecording(Webhook& webhook) {
  PARLEY_ASSIGN_OR_RETURN(const twilio::RecordingReport recording,
                          twilio::ParseRecording(webhook.params));
  PARLEY_ASSIGN_OR_RETURN(const twilio::FormParams query, QueryParams(webhook));
  webhook.parties = twilio::ParseCallParties(query);
  if (webhook.parties.business.size() > kPartyBytesMax ||
      webhook.parties.customer.size() > kPartyBytesMax) {
    return InvalidArgument("PARAM_INVALID", "The query's parties are no phone numbers.");
  }
  if (!recording.to.empty()) webhook.parties.business = twilio::WithoutChannel(recording.to);
  if (!recording.from.empty()) webhook.parties.customer = twilio::WithoutChannel(recording.from);
  webhook.event = recording;
  return absl::OkStatus();
}

absl::Status ReadEvent(Kind kind, Webhook& webhook) {
  switch (kind) {
    case Kind::kMessage: {
      PARLEY_ASSIGN_OR_RETURN(webhook.event, twilio::ParseInboundMessage(webhook.params));
      return absl::OkStatus();
    }
    case Kind::kStatus:
      return ReadStatus(webhook);
    case Kind::kVoice: {
      PARLEY_ASSIGN_OR_RETURN(webhook.event, twilio::ParseCall(webhook.params));
      return absl::OkStatus();
    }
    case Kind::kRecording:
      return ReadRecording(webhook);
  }
  return absl::OkStatus();
}

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
// Clang 14, which builds the fuzz targets, does not deduce it by itself.
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

}  // namespace

std::string_view Webhook::account_sid() const {
  return std::visit(Overloaded{[](std::monostate) { return std::string_view(); },
                               [](const auto& known) { return known.account_sid; }},
                    event);
}

std::string_view Webhook::business_number() const {
  using View = std::string_view;
  return std::visit(
      Overloaded{[](std::monostate) { return View(); },
                 [](const twilio::InboundMessage& it) { return twilio::WithoutChannel(it.to); },
                 [](const twilio::StatusCallback& it) { return twilio::WithoutChannel(it.from); },
                 [](const twilio::CallReport& it) {
                   return twilio::WithoutChannel(it.inbound ? it.to : it.from);
                 },
                 [this](const twilio::RecordingReport&) { return View(parties.business); }},
      event);
}

std::string_view Webhook::customer_number() const {
  using View = std::string_view;
  return std::visit(
      Overloaded{[](std::monostate) { return View(); },
                 [](const twilio::InboundMessage& it) { return twilio::WithoutChannel(it.from); },
                 [](const twilio::StatusCallback& it) { return twilio::WithoutChannel(it.to); },
                 [](const twilio::CallReport& it) {
                   return twilio::WithoutChannel(it.inbound ? it.from : it.to);
                 },
                 [this](const twilio::RecordingReport&) { return View(parties.customer); }},
      event);
}

twilio::Keyword Webhook::keyword() const {
  const auto* message = std::get_if<twilio::InboundMessage>(&event);
  if (message == nullptr) return twilio::Keyword::kNone;
  // A WhatsApp button "STOP" is that word, even where Twilio leaves Body empty.
  return twilio::FindKeyword({.body = message->body.empty() ? message->button_text : message->body,
                              .opt_out_type = message->opt_out_type,
                              .business_number = business_number()});
}

absl::Status ParseWebhook(Kind kind, const WebhookRequest& request, Webhook& webhook) {
  webhook.request = request;
  PARLEY_RETURN_IF_ERROR(ReadParams(request, webhook.params));
  return ReadEvent(kind, webhook);
}

std::vector<OutgoingRecord> MakeRecords(const Webhook& webhook, const RecordContext& context) {
  std::vector<OutgoingRecord> records;
  if (const auto* message = std::get_if<twilio::InboundMessage>(&webhook.event)) {
    const MessageInput input{webhook.request,   webhook.params,      *message,
                             webhook.keyword(), context.traceparent, context.origin,
                             context.auto_reply};
    if (input.keyword == twilio::Keyword::kStop || input.keyword == twilio::Keyword::kStart) {
      records.push_back(ConsentRecord(input, context.organization_id));
    }
    records.push_back(InboundRecord(input));
  } else if (const auto* callback = std::get_if<twilio::StatusCallback>(&webhook.event)) {
    records.push_back(DeliveryStatusRecord(
        {webhook.request, webhook.params, *callback, webhook.target, context.traceparent}));
  } else if (const auto* call = std::get_if<twilio::CallReport>(&webhook.event)) {
    if (call->inbound) {
      records.push_back(CallRecord({webhook.request, webhook.params, *call, context.traceparent,
                                    context.origin, context.answered_by}));
    }
  } else if (const auto* recording = std::get_if<twilio::RecordingReport>(&webhook.event)) {
    records.push_back(
        RecordingRecord({webhook.request, webhook.params, *recording, webhook.business_number(),
                         webhook.customer_number(), context.traceparent, context.origin}));
  }
  return records;
}

}  // namespace parley::webhooks
