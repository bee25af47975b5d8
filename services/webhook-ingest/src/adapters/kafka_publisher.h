// Kafka's ports over libs/kafka: our topics' names and headers.
#pragma once

#include "libs/kafka/producer.h"
#include "ports.h"

namespace parley::ingest {

class KafkaPublisher final : public RecordProducer, public BestEffortPublisher {
 public:
  explicit KafkaPublisher(kafka::Producer& producer) : producer_(producer) {}

  absl::Status Produce(const webhooks::OutgoingRecord& record, Delivered delivered) override;
  void TryPublish(webhooks::OutgoingRecord record) override;

 private:
  kafka::Producer& producer_;
};

}  // namespace parley::ingest
