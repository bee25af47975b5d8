// The outbox rows that are on their way to Kafka. Thread-safe.
//
// Rows stay here from being produced until they are deleted, so that the next look into the outbox
// leaves them alone; several batches may be on their way at once.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace parley::gateway::relay {

class Flight {
 public:
  void Begin(std::int64_t id);

  // Kafka has it, or does not; called from the producer's thread.
  void Report(std::int64_t id, absl::Status status);

  // Rows that Kafka has; they stay until Forget().
  std::vector<std::int64_t> Acknowledged() const;
  void Forget(const std::vector<std::int64_t>& ids);

  // After a failure nothing more may be produced until everything else was reported, or later rows
  // would overtake the failed ones. Then the failed are forgotten, to be read again, and this is
  // true once more.
  bool MayProduce();

  // PostgreSQL's array of all rows here: "{1,2}".
  std::string IdArray() const;
  std::size_t size() const;
  bool AllReported() const;
  absl::Status last_error() const;

 private:
  enum class State { kUnderWay, kAcknowledged, kFailed };
  bool AllReportedLocked() const;

  mutable std::mutex mutex_;
  std::map<std::int64_t, State> rows_;
  std::size_t under_way_ = 0;
  std::size_t failed_ = 0;
  absl::Status last_error_;
};

}  // namespace parley::gateway::relay
