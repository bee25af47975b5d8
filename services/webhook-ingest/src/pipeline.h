// From a webhook's bytes to durable records. Thread-safe, no HTTP.
//
// A request is answered 2xx only after Kafka has acknowledged what it brought. Everything else is a
// refusal with a reason, and has changed nothing, but that an unacknowledged record (503) may still
// arrive: it is deduplicated by whoever reads it.
#pragma once

#include <chrono>
#include <optional>

#include "domain/refusal.h"
#include "domain/verify.h"
#include "libs/base/clock.h"
#include "libs/webhooks/webhook.h"
#include "ports.h"

namespace parley::ingest {

struct PipelineOptions {
  VerifyOptions verify;
  std::chrono::milliseconds acknowledge_within{2'000};
};

class WebhookPipeline {
 public:
  // All outlive the pipeline.
  WebhookPipeline(PipelineOptions options, const DirectorySource& directory,
                  RecordPublisher& publisher, const Clock& clock);

  // None: taken.
  std::optional<Refusal> Handle(webhooks::Kind kind, const webhooks::WebhookRequest& request);

 private:
  std::optional<Refusal> Publish(webhooks::OutgoingRecord record,
                                 std::chrono::steady_clock::time_point deadline);

  const PipelineOptions options_;
  const DirectorySource& directory_;
  RecordPublisher& publisher_;
  const Clock& clock_;
};

}  // namespace parley::ingest
