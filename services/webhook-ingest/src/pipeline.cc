#include "pipeline.h"

#include <random>

#include "domain/records.h"
#include "domain/trace.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/twilio/form.h"
#include "libs/twilio/number.h"

namespace parley::ingest {
namespace {

constexpr int kBadRequest = 400;
constexpr int kForbidden = 403;
constexpr int kTooLarge = 413;
constexpr int kServiceUnavailable = 503;
constexpr std::size_t kIdempotencyTokenBytesMax = 128;
constexpr std::string_view kFormType = "application/x-www-form-urlencoded";

Refusal FromStatus(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  return {reason == "FORM_TOO_LARGE" ? kTooLarge : kBadRequest, reason,
          std::string(status.message())};
}

std::string_view QueryOf(std::string_view target) {
  const auto question = target.find('?');
  return question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
}

bool IsForm(std::string_view content_type) {
  return Lower(Trim(content_type.substr(0, content_type.find(';')))) == kFormType;
}

// Names that decide who a webhook belongs to must be there once: two readers could choose
// differently between two values.
std::optional<Refusal> CheckUnambiguous(const twilio::FormParams& params) {
  for (const std::string_view name : {"AccountSid", "MessageSid", "From", "To", "Body"}) {
    int seen = 0;
    for (const twilio::FormParam param : params) seen += param.name == name ? 1 : 0;
    if (seen > 1) {
      return Refusal{kBadRequest, "PARAM_REPEATED",
                     "The parameter " + std::string(name) + " is there more than once."};
    }
  }
  return std::nullopt;
}

// Twilio's is a UUID; what else stands there must not spoil the record.
bool IsIdempotencyToken(std::string_view text) {
  return text.size() <= kIdempotencyTokenBytesMax && IsCleanUtf8(text);
}

// Twilio's parameters: the body's for POST, the query's for GET.
std::optional<Refusal> ReadParams(const WebhookRequest& request, const VerifyOptions& options,
                                  twilio::FormParams& params) {
  // No work for what cannot come from Twilio.
  if (options.check_signatures && request.signature.empty()) {
    return Refusal{kForbidden, "SIGNATURE_MISSING",
                   "The X-Twilio-Signature header is missing: Twilio signs every webhook."};
  }
  if (!IsIdempotencyToken(request.idempotency_token)) {
    return Refusal{kBadRequest, "HEADER_INVALID", "I-Twilio-Idempotency-Token is no token."};
  }
  if (!request.is_get && !IsForm(request.content_type)) {
    return NoForm();
  }
  auto parsed = twilio::ParseForm(request.is_get ? QueryOf(request.target) : request.body);
  if (!parsed.ok()) return FromStatus(parsed.status());
  params = *std::move(parsed);
  return CheckUnambiguous(params);
}

std::string TraceparentOf(const WebhookRequest& request) {
  if (IsTraceparent(request.traceparent)) return std::string(request.traceparent);
  thread_local std::mt19937_64 random{std::random_device{}()};
  return MakeTraceparent({random(), random(), random()});
}

const Refusal kDirectoryIncomplete = {
    kServiceUnavailable, "DIRECTORY_INCOMPLETE",
    "The accounts and numbers are still being read; try again in a moment."};

}  // namespace

WebhookPipeline::WebhookPipeline(PipelineOptions options, const DirectorySource& directory,
                                 RecordPublisher& publisher, const Clock& clock)
    : options_(std::move(options)), directory_(directory), publisher_(publisher), clock_(clock) {}

std::optional<Refusal> WebhookPipeline::HandleMessage(const WebhookRequest& request) {
  const auto deadline = clock_.Steady() + options_.acknowledge_within;
  twilio::FormParams params;
  if (auto refusal = ReadParams(request, options_.verify, params)) return refusal;
  const auto message = twilio::ParseInboundMessage(params);
  if (!message.ok()) return FromStatus(message.status());
  const std::shared_ptr<const Directory> directory = directory_.Current();
  if (directory == nullptr) return kDirectoryIncomplete;
  const std::string_view business_number = twilio::WithoutChannel(message->to);
  if (auto refusal = Verify({request, params, message->account_sid, business_number}, *directory,
                            options_.verify)) {
    return refusal;
  }

  const twilio::Keyword keyword = twilio::FindKeyword({.body = message->body,
                                                       .opt_out_type = message->opt_out_type,
                                                       .business_number = business_number});
  telemetry::Info("received", {{"account_sid", message->account_sid},
                               {"message_sid", message->message_sid},
                               {"from", MaskNumber(message->from)},
                               {"to", MaskNumber(message->to)},
                               {"keyword", twilio::KeywordName(keyword)}});
  const std::string trace = TraceparentOf(request);
  const MessageInput input{request, params, *message, keyword, trace};
  if (keyword == twilio::Keyword::kStop || keyword == twilio::Keyword::kStart) {
    const NumberEntry* number = directory->FindNumber(message->account_sid, business_number);
    // First: whoever opted out must get nothing more even if the rest fails.
    if (auto refusal = Publish(
            ConsentRecord(input, number == nullptr ? std::string_view() : number->organization_id),
            deadline)) {
      return refusal;
    }
  }
  if (auto refusal = Publish(InboundRecord(input), deadline)) return refusal;
  telemetry::Info("published",
                  {{"account_sid", message->account_sid}, {"message_sid", message->message_sid}});
  return std::nullopt;
}

std::optional<Refusal> WebhookPipeline::HandleStatus(const WebhookRequest& request) {
  const auto deadline = clock_.Steady() + options_.acknowledge_within;
  twilio::FormParams params;
  if (auto refusal = ReadParams(request, options_.verify, params)) return refusal;
  const auto callback = twilio::ParseStatusCallback(params);
  if (!callback.ok()) return FromStatus(callback.status());
  twilio::CallbackTarget target;
  {
    const auto query = twilio::ParseForm(QueryOf(request.target));
    if (!query.ok()) return FromStatus(query.status());
    auto parsed = twilio::ParseCallbackTarget(*query);
    if (!parsed.ok()) return FromStatus(parsed.status());
    target = *std::move(parsed);
  }
  const std::shared_ptr<const Directory> directory = directory_.Current();
  if (directory == nullptr) return kDirectoryIncomplete;
  const std::string_view business_number = twilio::WithoutChannel(callback->from);
  if (auto refusal = Verify({request, params, callback->account_sid, business_number}, *directory,
                            options_.verify)) {
    return refusal;
  }

  telemetry::Info("received", {{"account_sid", callback->account_sid},
                               {"message_sid", callback->message_sid},
                               {"message_id", target.message_id},
                               {"status", callback->status_name},
                               {"error_code", callback->error_code.value_or(0)}});
  const std::string trace = TraceparentOf(request);
  if (auto refusal =
          Publish(DeliveryStatusRecord({request, params, *callback, target, trace}), deadline)) {
    return refusal;
  }
  telemetry::Info("published",
                  {{"account_sid", callback->account_sid}, {"message_sid", callback->message_sid}});
  return std::nullopt;
}

std::optional<Refusal> WebhookPipeline::Publish(OutgoingRecord record,
                                                std::chrono::steady_clock::time_point deadline) {
  const absl::Status status = publisher_.Publish(std::move(record), deadline);
  if (status.ok()) return std::nullopt;
  telemetry::Warning("publish_failed", status);
  return Refusal{kServiceUnavailable, "NOT_DURABLE",
                 "The webhook could not be stored safely; send it again."};
}

}  // namespace parley::ingest
