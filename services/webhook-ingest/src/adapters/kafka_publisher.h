// RecordPublisher over libs/kafka: one small wait for each record, completed by the producer's
// delivery callback; request threads share no lock.
#pragma once

#include <atomic>

#include "libs/kafka/producer.h"
#include "ports.h"

namespace parley::ingest {

class KafkaPublisher final : public RecordPublisher, public BestEffortPublisher {
 public:
  explicit KafkaPublisher(kafka::Producer& producer) : producer_(producer) {}

  absl::Status Publish(webhooks::OutgoingRecord record,
                       std::chrono::steady_clock::time_point deadline) override;
  void TryPublish(webhooks::OutgoingRecord record) override;

  // False while the last records were not acknowledged in time.
  bool Healthy() const { return healthy_.load(std::memory_order_relaxed); }

 private:
  kafka::Producer& producer_;
  // Shared with callbacks, which may outlive a request but not the producer.
  std::atomic<bool> healthy_{true};
};

}  // namespace parley::ingest
