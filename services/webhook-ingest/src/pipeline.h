// From a webhook's bytes to durable records. Thread-safe, no HTTP.
//
// A request is answered 2xx only after what it brought is durable. Everything else is a refusal
// with a reason, and has changed nothing, but that a record that was not acknowledged (503) may
// still arrive: it is deduplicated by whoever reads it.
#pragma once

#include <chrono>
#include <mutex>
#include <variant>

#include "domain/answer.h"
#include "domain/quarantine.h"
#include "domain/refusal.h"
#include "domain/verify.h"
#include "libs/base/clock.h"
#include "libs/webhooks/webhook.h"
#include "ports.h"

namespace parley::ingest {

struct PipelineOptions {
  VerifyOptions verify;
  std::chrono::milliseconds acknowledge_within{2'000};
  QuarantineLimits quarantine;
};

// What Twilio gets.
using Outcome = std::variant<Answer, Refusal>;

class WebhookPipeline {
 public:
  // All outlive the pipeline.
  WebhookPipeline(PipelineOptions options, const DirectorySource& directory,
                  RecordPublisher& publisher, BestEffortPublisher& quarantine, const Clock& clock);

  Outcome Handle(webhooks::Kind kind, const webhooks::WebhookRequest& request,
                 const Arrival& arrival);

 private:
  Outcome Take(const webhooks::Webhook& webhook, const Directory& directory,
               std::string_view public_url, std::chrono::steady_clock::time_point deadline);
  std::optional<Refusal> Publish(webhooks::OutgoingRecord record,
                                 std::chrono::steady_clock::time_point deadline);
  // Keeps what was refused for its signature alone, within limits.
  void Quarantine(webhooks::Kind kind, const webhooks::Webhook& webhook, const Arrival& arrival,
                  const Directory& directory, std::string_view reason);

  const PipelineOptions options_;
  const DirectorySource& directory_;
  RecordPublisher& publisher_;
  BestEffortPublisher& quarantine_;
  const Clock& clock_;
  std::mutex gate_mutex_;  // Only refusals take it.
  QuarantineGate gate_;
};

}  // namespace parley::ingest
