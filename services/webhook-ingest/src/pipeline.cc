#include "pipeline.h"

#include <random>

#include "domain/trace.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"

namespace parley::ingest {
namespace {

constexpr int kBadRequest = 400;
constexpr int kForbidden = 403;
constexpr int kUnsupportedMediaType = 415;
constexpr int kTooLarge = 413;
constexpr int kServiceUnavailable = 503;

Refusal FromStatus(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  int http_status = kBadRequest;
  if (reason == "FORM_TOO_LARGE") http_status = kTooLarge;
  if (reason == "CONTENT_TYPE") http_status = kUnsupportedMediaType;
  return {http_status, reason, std::string(status.message())};
}

std::string TraceparentOf(const webhooks::WebhookRequest& request) {
  if (IsTraceparent(request.traceparent)) return std::string(request.traceparent);
  thread_local std::mt19937_64 random{std::random_device{}()};
  return MakeTraceparent({random(), random(), random()});
}

void LogReceived(const webhooks::Webhook& webhook) {
  if (const auto* message = std::get_if<twilio::InboundMessage>(&webhook.event)) {
    telemetry::Info("received", {{"account_sid", message->account_sid},
                                 {"message_sid", message->message_sid},
                                 {"from", MaskNumber(message->from)},
                                 {"to", MaskNumber(message->to)},
                                 {"keyword", twilio::KeywordName(webhook.keyword())}});
  } else if (const auto* callback = std::get_if<twilio::StatusCallback>(&webhook.event)) {
    telemetry::Info("received", {{"account_sid", callback->account_sid},
                                 {"message_sid", callback->message_sid},
                                 {"message_id", webhook.target.message_id},
                                 {"status", callback->status_name},
                                 {"error_code", callback->error_code.value_or(0)}});
  }
}

const Refusal kDirectoryIncomplete = {
    kServiceUnavailable, "DIRECTORY_INCOMPLETE",
    "The accounts and numbers are still being read; try again in a moment."};

}  // namespace

WebhookPipeline::WebhookPipeline(PipelineOptions options, const DirectorySource& directory,
                                 RecordPublisher& publisher, const Clock& clock)
    : options_(std::move(options)), directory_(directory), publisher_(publisher), clock_(clock) {}

std::optional<Refusal> WebhookPipeline::Handle(webhooks::Kind kind,
                                               const webhooks::WebhookRequest& request) {
  const auto deadline = clock_.Steady() + options_.acknowledge_within;
  // No work for what cannot come from Twilio.
  if (options_.verify.check_signatures && request.signature.empty()) {
    return Refusal{kForbidden, "SIGNATURE_MISSING",
                   "The X-Twilio-Signature header is missing: Twilio signs every webhook."};
  }
  webhooks::Webhook webhook;
  const absl::Status parsed = webhooks::ParseWebhook(kind, request, webhook);
  if (!parsed.ok()) return FromStatus(parsed);
  const std::shared_ptr<const Directory> directory = directory_.Current();
  if (directory == nullptr) return kDirectoryIncomplete;
  if (auto refusal =
          Verify({request, webhook.params, webhook.account_sid(), webhook.business_number()},
                 *directory, options_.verify)) {
    return refusal;
  }

  LogReceived(webhook);
  const NumberEntry* number =
      directory->FindNumber(webhook.account_sid(), webhook.business_number());
  const std::string trace = TraceparentOf(request);
  for (webhooks::OutgoingRecord& record : webhooks::MakeRecords(
           webhook,
           {.organization_id = number == nullptr ? std::string_view() : number->organization_id,
           .traceparent = trace})) {
    if (auto refusal = Publish(std::move(record), deadline)) return refusal;
  }
  telemetry::Info("published", {{"account_sid", webhook.account_sid()}});
  return std::nullopt;
}

std::optional<Refusal> WebhookPipeline::Publish(webhooks::OutgoingRecord record,
                                                std::chrono::steady_clock::time_point deadline) {
  const absl::Status status = publisher_.Publish(std::move(record), deadline);
  if (status.ok()) return std::nullopt;
  telemetry::Warning("publish_failed", status);
  return Refusal{kServiceUnavailable, "NOT_DURABLE",
                 "The webhook could not be stored safely; send it again."};
}

}  // namespace parley::ingest
