// Replies into Kafka.
#pragma once

#include "libs/kafka/producer.h"
#include "ports.h"

namespace parley::ai {

class ReplyPublisher final : public ReplySink {
 public:
  // How long one Publish waits for the brokers.
  static constexpr std::chrono::milliseconds kAcknowledgeMax{10'000};

  explicit ReplyPublisher(kafka::Producer& producer) : producer_(producer) {}
  absl::Status Publish(const events::v1::ReplyRecord& reply,
                       const std::string& traceparent) override;

 private:
  kafka::Producer& producer_;
};

}  // namespace parley::ai
