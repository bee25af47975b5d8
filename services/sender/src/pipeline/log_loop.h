// Reads a whole log from its beginning and keeps reading: for topics of which every replica needs
// all. What cannot be parsed goes to the topic's dead letters.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"

namespace parley::sender {

class LogLoop {
 public:
  // Moves a record to the dead-letter topic.
  using Bury = std::function<void(const kafka::Record&, const absl::Status&)>;
  // Stores a batch; on an error the same batch comes again.
  using Handle = std::function<absl::Status(const std::vector<kafka::Record>&, const Bury&)>;
  // After each look: whether Kafka answered, and whether all that was there at the start is done.
  using Looked = std::function<void(bool reachable, bool complete)>;

  LogLoop(kafka::LogReader& reader, kafka::Producer& dead_letters)
      : reader_(reader), dead_letters_(dead_letters) {}

  void Run(const Handle& handle, const Looked& looked, std::stop_token stop);

 private:
  kafka::LogReader& reader_;
  kafka::Producer& dead_letters_;
};

}  // namespace parley::sender
