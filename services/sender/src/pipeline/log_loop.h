// Reads a whole log and keeps reading: for topics of which every replica needs all. What cannot be
// parsed goes to the topic's dead letters.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "domain/delivery.h"
#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"

namespace parley::sender {

class LogLoop {
 public:
  // Moves a record to the dead-letter topic.
  using Bury = std::function<void(const kafka::Record&, const absl::Status&)>;
  // Stores a batch; on an error the same batch comes again.
  using Handle = std::function<absl::Status(const std::vector<kafka::Record>&, const Bury&)>;

  // How far the log is known; told on the loop's thread.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    // Kafka was asked at that time, and all that it had then is handled.
    virtual void AtEnd(SteadyTime asked_at) = 0;
    // Records came, so the brokers are there; they may not be handled yet.
    virtual void Heard(SteadyTime at) = 0;
    // They did not answer this time.
    virtual void Missed() = 0;
  };

  // `resumed`: the reader begins where the log was stored up to, so all that it reads is new. Else
  // what stood there at the start was buried when it came.
  LogLoop(kafka::LogReader& reader, kafka::Producer& dead_letters, bool resumed = false)
      : reader_(reader), dead_letters_(dead_letters), resumed_(resumed) {}

  // With a watcher the brokers are asked for their ends several times a second.
  void Run(const Handle& handle, Watcher* watcher, std::stop_token stop);

 private:
  kafka::LogReader& reader_;
  kafka::Producer& dead_letters_;
  const bool resumed_;
};

}  // namespace parley::sender
