// Reads every partition of one topic from its beginning, without a group: for topics whose whole
// content each replica needs (parley.directory, parley.consent).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/kafka/record.h"

namespace parley::kafka {

struct LogReaderOptions {
  std::string brokers;
  std::string client_id;
  std::string topic;
};

// Not thread-safe. Brokers and topic need not be there at construction.
class LogReader {
 public:
  static absl::StatusOr<std::unique_ptr<LogReader>> Create(const LogReaderOptions& options);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // As Consumer::Poll. kUnavailable while the brokers cannot be reached.
  absl::StatusOr<std::vector<Record>> Poll(std::size_t records_max, std::chrono::milliseconds wait);

  // True once every partition was read up to the end that it had when this reader first reached
  // the brokers.
  bool ReachedStartEnd() const;

  // True if, at this moment, the brokers answer and Poll has reached the end of every partition;
  // asks the brokers, which takes about a millisecond and at most `wait`.
  bool AtEnd(std::chrono::milliseconds wait);

 private:
  struct State;
  explicit LogReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace parley::kafka
