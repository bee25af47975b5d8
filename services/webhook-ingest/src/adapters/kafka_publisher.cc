#include "adapters/kafka_publisher.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"

namespace parley::ingest {
namespace {

// Shared by the request and the callback: whichever comes last frees it.
struct Acknowledgement {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<absl::Status> status;
};

const char* TopicName(webhooks::Topic topic) {
  switch (topic) {
    case webhooks::Topic::kInbound:
      return kafka::kInboundTopic;
    case webhooks::Topic::kConsent:
      return kafka::kConsentTopic;
    case webhooks::Topic::kDeliveryStatus:
      return kafka::kDeliveryStatusTopic;
    case webhooks::Topic::kQuarantine:
      return kafka::kQuarantineTopic;
  }
  return "";
}

kafka::OutRecord ToKafka(webhooks::OutgoingRecord record) {
  kafka::OutRecord out{.topic = TopicName(record.topic),
                       .key = std::move(record.key),
                       .value = std::move(record.value),
                       .headers = {}};
  out.headers.emplace_back(kafka::kTypeHeader, std::move(record.type));
  if (!record.traceparent.empty()) {
    out.headers.emplace_back(kafka::kTraceHeader, std::move(record.traceparent));
  }
  return out;
}

}  // namespace

absl::Status KafkaPublisher::Publish(webhooks::OutgoingRecord record,
                                     std::chrono::steady_clock::time_point deadline) {
  const kafka::OutRecord out = ToKafka(std::move(record));
  const auto acknowledgement = std::make_shared<Acknowledgement>();
  const absl::Status queued = producer_.Produce(out, [this, acknowledgement](absl::Status status) {
    healthy_.store(status.ok(), std::memory_order_relaxed);
    {
      const std::lock_guard lock(acknowledgement->mutex);
      acknowledgement->status = std::move(status);
    }
    acknowledgement->arrived.notify_one();
  });
  if (!queued.ok()) {
    healthy_.store(false, std::memory_order_relaxed);
    return queued;
  }
  std::unique_lock lock(acknowledgement->mutex);
  if (!acknowledgement->arrived.wait_until(lock, deadline,
                                           [&] { return acknowledgement->status.has_value(); })) {
    healthy_.store(false, std::memory_order_relaxed);
    return ErrorStatus(absl::StatusCode::kDeadlineExceeded, "KAFKA_TIMEOUT",
                       "Kafka did not acknowledge the record in time.");
  }
  return *acknowledgement->status;
}

void KafkaPublisher::TryPublish(webhooks::OutgoingRecord record) {
  const absl::Status queued =
      producer_.Produce(ToKafka(std::move(record)), [](const absl::Status& status) {
        if (!status.ok()) telemetry::Warning("record_lost", status);
      });
  if (!queued.ok()) telemetry::Warning("record_lost", queued);
}

}  // namespace parley::ingest
