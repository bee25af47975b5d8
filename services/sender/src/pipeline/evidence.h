// Callbacks as evidence: one that names our message and attempt proves that Twilio took it.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "libs/kafka/record.h"
#include "pipeline/publisher.h"
#include "ports.h"

namespace parley::sender {

class EvidenceHandler {
 public:
  EvidenceHandler(QueueStore& store, Publisher& publisher) : store_(store), publisher_(publisher) {}

  // As kafka::BatchHandler. What cannot be read is counted only: the projector, which needs every
  // record, moves it to the dead-letter topic.
  absl::Status Handle(const std::vector<kafka::Record>& records);

 private:
  QueueStore& store_;
  Publisher& publisher_;
};

}  // namespace parley::sender
