// What handling a webhook needs from outside.
#pragma once

#include <chrono>
#include <memory>

#include "absl/status/status.h"
#include "domain/directory.h"
#include "libs/webhooks/records.h"

namespace parley::ingest {

// Makes a record durable. Thread-safe.
class RecordPublisher {
 public:
  virtual ~RecordPublisher() = default;
  // OK: every in-sync replica has the record. Any error: it may or may not be there; whoever
  // reads it must take repeats. Blocks until then, at most until `deadline`.
  virtual absl::Status Publish(webhooks::OutgoingRecord record,
                               std::chrono::steady_clock::time_point deadline) = 0;
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
