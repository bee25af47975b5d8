// Reads every partition of one topic from its beginning, or from where somebody was before, without
// a group: for topics whose whole content each replica needs (parley.directory, parley.consent).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/kafka/record.h"

namespace parley::kafka {

struct LogReaderOptions {
  std::string brokers;
  std::string client_id;
  std::string topic;
  // Where to begin, by partition. Other partitions, and offsets that the log does not have, begin
  // at its beginning.
  std::map<std::int32_t, std::int64_t> start = {};
  // How often partitions that were added later are looked for.
  std::chrono::milliseconds partitions_interval{10'000};
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

  // The latest time of which it is certain that everything the log had then was returned by Poll;
  // none: nothing new is certain since the last call, or the brokers do not answer. It asks them
  // for their ends, which takes about a millisecond and at most `wait`, and holds Poll's position
  // against the answer until that is reached: so it comes to an end while the log is written
  // steadily, too.
  std::optional<std::chrono::steady_clock::time_point> AtEnd(std::chrono::milliseconds wait);

 private:
  struct State;
  explicit LogReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace parley::kafka
