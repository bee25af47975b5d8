#include "libs/webhooks/webhook.h"

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/twilio/number.h"

namespace parley::webhooks {
namespace {

constexpr std::size_t kIdempotencyTokenBytesMax = 128;
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
  for (const std::string_view name : {"AccountSid", "MessageSid", "From", "To", "Body"}) {
    int seen = 0;
    for (const twilio::FormParam param : params) seen += param.name == name ? 1 : 0;
    if (seen > 1) {
      return InvalidArgument("PARAM_REPEATED",
                             "The parameter " + std::string(name) + " is there more than once.");
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

absl::Status ReadEvent(Kind kind, Webhook& webhook) {
  switch (kind) {
    case Kind::kMessage: {
      PARLEY_ASSIGN_OR_RETURN(webhook.event, twilio::ParseInboundMessage(webhook.params));
      return absl::OkStatus();
    }
    case Kind::kStatus: {
      PARLEY_ASSIGN_OR_RETURN(webhook.event, twilio::ParseStatusCallback(webhook.params));
      PARLEY_ASSIGN_OR_RETURN(const twilio::FormParams query,
                              twilio::ParseForm(QueryOf(webhook.request.target)));
      PARLEY_ASSIGN_OR_RETURN(webhook.target, twilio::ParseCallbackTarget(query));
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

}  // namespace

std::string_view Webhook::account_sid() const {
  return std::visit(Overloaded{[](std::monostate) { return std::string_view(); },
                               [](const auto& known) { return known.account_sid; }},
                    event);
}

std::string_view Webhook::business_number() const {
  return std::visit(Overloaded{[](std::monostate) { return std::string_view(); },
                               [](const twilio::InboundMessage& message) {
                                 return twilio::WithoutChannel(message.to);
                               },
                               [](const twilio::StatusCallback& callback) {
                                 return twilio::WithoutChannel(callback.from);
                               }},
                    event);
}

std::string_view Webhook::customer_number() const {
  return std::visit(Overloaded{[](std::monostate) { return std::string_view(); },
                               [](const twilio::InboundMessage& message) {
                                 return twilio::WithoutChannel(message.from);
                               },
                               [](const twilio::StatusCallback& callback) {
                                 return twilio::WithoutChannel(callback.to);
                               }},
                    event);
}

twilio::Keyword Webhook::keyword() const {
  const auto* message = std::get_if<twilio::InboundMessage>(&event);
  if (message == nullptr) return twilio::Keyword::kNone;
  return twilio::FindKeyword({.body = message->body,
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
  }
  return records;
}

}  // namespace parley::webhooks
