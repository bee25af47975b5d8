// Results on parley.send-results.
#pragma once

#include "libs/kafka/producer.h"
#include "ports.h"

namespace parley::sender {

class KafkaResults final : public ResultSink {
 public:
  explicit KafkaResults(kafka::Producer& producer) : producer_(producer) {}
  absl::Status Publish(const Change& change, std::function<void(absl::Status)> done) override;
  void PublishAccepted(std::span<const DeliveryKey> keys) override;

 private:
  kafka::Producer& producer_;
};

}  // namespace parley::sender
