// Results on parley.send-results.
#pragma once

#include "libs/kafka/producer.h"
#include "ports.h"

namespace parley::sender {

class KafkaResults final : public ResultSink, public SuppressionSource {
 public:
  explicit KafkaResults(kafka::Producer& producer) : producer_(producer) {}
  absl::Status Publish(const Change& change, std::function<void(absl::Status)> done) override;
  void PublishAccepted(std::span<const DeliveryKey> keys) override;
  void RequestSuppressions(std::int64_t since_us) override;

 private:
  kafka::Producer& producer_;
};

}  // namespace parley::sender
