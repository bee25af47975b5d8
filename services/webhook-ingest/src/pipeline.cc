#include "pipeline.h"

#include <array>
#include <optional>
#include <random>

#include "domain/trace.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/webhooks/signer.h"

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
  } else if (const auto* call = std::get_if<twilio::CallReport>(&webhook.event)) {
    telemetry::Info("received", {{"account_sid", call->account_sid},
                                 {"call_sid", call->call_sid},
                                 {"from", MaskNumber(call->from)},
                                 {"to", MaskNumber(call->to)},
                                 {"status", call->status}});
  } else if (const auto* recording = std::get_if<twilio::RecordingReport>(&webhook.event)) {
    telemetry::Info("received", {{"account_sid", recording->account_sid},
                                 {"call_sid", recording->call_sid},
                                 {"recording_sid", recording->recording_sid},
                                 {"status", recording->status}});
  }
}

VerifyInput Identity(const webhooks::Webhook& webhook, const Arrival& arrival) {
  return {webhook.request, webhook.params, webhook.account_sid(), webhook.business_number(),
          arrival.requested_url};
}

const Refusal kDirectoryIncomplete = {
    kServiceUnavailable, "DIRECTORY_INCOMPLETE",
    "The accounts and numbers are still being read; try again in a moment."};

const Refusal kUnsigned = {kForbidden, "SIGNATURE_MISSING",
                           "The X-Twilio-Signature header is missing: Twilio signs every webhook."};

}  // namespace

WebhookPipeline::WebhookPipeline(PipelineOptions options, const DirectorySource& directory,
                                 RecordPublisher& publisher, BestEffortPublisher& quarantine,
                                 const Clock& clock)
    : options_(std::move(options)),
      directory_(directory),
      publisher_(publisher),
      quarantine_(quarantine),
      clock_(clock),
      gate_(options_.quarantine) {}

Outcome WebhookPipeline::Handle(webhooks::Kind kind, const webhooks::WebhookRequest& request,
                                const Arrival& arrival) {
  const auto deadline = clock_.Steady() + options_.acknowledge_within;
  webhooks::Webhook webhook;
  const absl::Status parsed = webhooks::ParseWebhook(kind, request, webhook);
  const std::shared_ptr<const Directory> directory = directory_.Current();
  if (directory == nullptr) return kDirectoryIncomplete;  // Nobody can be refused yet.
  if (options_.verify.check_signatures && request.signature.empty()) {
    // What cannot come from Twilio learns nothing else from us.
    if (parsed.ok()) Quarantine(kind, webhook, arrival, *directory, kUnsigned.reason);
    return kUnsigned;
  }
  if (!parsed.ok()) return FromStatus(parsed);
  const auto verdict = Verify(Identity(webhook, arrival), *directory, options_.verify);
  if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
    Quarantine(kind, webhook, arrival, *directory, refusal->reason);
    return *refusal;
  }
  return Take(webhook, *directory, std::get<Verified>(verdict).public_url, deadline);
}

Outcome WebhookPipeline::Take(const webhooks::Webhook& webhook, const Directory& directory,
                              std::string_view public_url,
                              std::chrono::steady_clock::time_point deadline) {
  LogReceived(webhook);
  const NumberEntry* number =
      directory.FindNumber(webhook.account_sid(), webhook.business_number());
  Answer answer = MakeAnswer(webhook, number, public_url);
  const std::string trace = TraceparentOf(webhook.request);
  for (webhooks::OutgoingRecord& record : webhooks::MakeRecords(
           webhook,
           {.organization_id = number == nullptr ? std::string_view() : number->organization_id,
           .traceparent = trace,
           .auto_reply = answer.auto_reply,
           .answered_by = answer.answered_by})) {
    if (auto refusal = Publish(std::move(record), deadline)) return *std::move(refusal);
  }
  telemetry::Info("published", {{"account_sid", webhook.account_sid()}});
  return answer;
}

std::optional<Refusal> WebhookPipeline::Publish(webhooks::OutgoingRecord record,
                                                std::chrono::steady_clock::time_point deadline) {
  const absl::Status status = publisher_.Publish(std::move(record), deadline);
  if (status.ok()) return std::nullopt;
  telemetry::Warning("publish_failed", status);
  return Refusal{kServiceUnavailable, "NOT_DURABLE",
                 "The webhook could not be stored safely; send it again."};
}

void WebhookPipeline::Quarantine(webhooks::Kind kind, const webhooks::Webhook& webhook,
                                 const Arrival& arrival, const Directory& directory,
                                 std::string_view reason) {
  if (!IsQuarantined(reason) || directory.FindAccount(webhook.account_sid()) == nullptr) return;
  {
    const std::lock_guard lock(gate_mutex_);
    if (!gate_.Admit({.account_sid = webhook.account_sid(),
                      .remote_address = arrival.remote_address,
                      .idempotency_token = webhook.request.idempotency_token},
                     clock_.Steady())) {
      return;
    }
  }
  const VerifyInput identity = Identity(webhook, arrival);
  const std::array public_urls = PublicUrls(identity, directory, options_.verify);
  quarantine_.TryPublish(
      QuarantineRecord({.kind = kind,
                        .webhook = webhook,
                        .arrival = arrival,
                        .reason = reason,
                        .tried_urls = webhooks::TriedUrls(webhook.request, public_urls),
                        .traceparent = TraceparentOf(webhook.request)}));
  telemetry::Info("quarantined", {{"account_sid", webhook.account_sid()}, {"reason", reason}});
}

}  // namespace parley::ingest
