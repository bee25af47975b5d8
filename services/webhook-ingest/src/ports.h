// What handling a webhook needs from outside.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "domain/directory.h"
#include "libs/webhooks/records.h"

namespace parley::ingest {

// Makes a record durable. Thread-safe.
class RecordPublisher {
 public:
  virtual ~RecordPublisher() = default;
  // OK: the record is durable, and will be in Kafka behind all that were published for its key
  // before. Any error: it may or may not be there; whoever reads it must take repeats. Waits for
  // Kafka until `deadline` at most, and then a little for the disk.
  virtual absl::Status Publish(webhooks::OutgoingRecord record,
                               std::chrono::steady_clock::time_point deadline) = 0;
};

// Kafka, as the publisher and the spool's replay see it. Thread-safe.
class RecordProducer {
 public:
  virtual ~RecordProducer() = default;
  // Told once for each record that was queued, on any thread: it must be quick and never block.
  // OK: every in-sync replica has it. kInvalidArgument: Kafka refuses it for good. Anything else:
  // Kafka may have it all the same.
  using Delivered = std::function<void(const absl::Status&)>;
  // Queues a copy. Records of one key that are queued are delivered in this order or not at all. On
  // an error `delivered` is not called.
  virtual absl::Status Produce(const webhooks::OutgoingRecord& record, Delivered delivered) = 0;
};

// Takes records whose loss is no harm: what was refused anyway. Thread-safe.
class BestEffortPublisher {
 public:
  virtual ~BestEffortPublisher() = default;
  // Returns at once; the record arrives if Kafka takes it soon. Never spooled.
  virtual void TryPublish(webhooks::OutgoingRecord record) = 0;
};

// What is known of accounts and numbers. Thread-safe.
class DirectorySource {
 public:
  virtual ~DirectorySource() = default;
  // Null until it is complete: then nobody can be refused, nor let in.
  virtual std::shared_ptr<const Directory> Current() const = 0;
};

}  // namespace parley::ingest
