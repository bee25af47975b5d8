#include "adapters/kafka_publisher.h"

#include "libs/telemetry/log.h"

namespace parley::ingest {
namespace {

// While Kafka is away the producer's queue is for what must arrive.
constexpr int kBestEffortInFlightMax = 1'000;

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

}  // namespace

absl::Status KafkaPublisher::Produce(const webhooks::OutgoingRecord& record, Delivered delivered) {
  kafka::OutRecord out{.topic = TopicName(record.topic),
                       .key = record.key,
                       .value = record.value,
                       .headers = {{kafka::kTypeHeader, record.type}}};
  if (!record.traceparent.empty()) {
    out.headers.emplace_back(kafka::kTraceHeader, record.traceparent);
  }
  return producer_.Produce(out, std::move(delivered));
}

void KafkaPublisher::TryPublish(webhooks::OutgoingRecord record) {
  if (producer_.InFlight() >= kBestEffortInFlightMax) {
    telemetry::Warning("record_lost", {{"type", record.type}, {"reason", "KAFKA_SLOW"}});
    return;
  }
  const absl::Status queued = Produce(record, [](const absl::Status& status) {
    if (!status.ok()) telemetry::Warning("record_lost", status);
  });
  if (!queued.ok()) telemetry::Warning("record_lost", queued);
}

}  // namespace parley::ingest
