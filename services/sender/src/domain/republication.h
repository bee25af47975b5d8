// Whether a replica has read a whole run of republished suppressions (consent.proto). A run is told
// by the time at which it began, spreads over all partitions, and ends with a record that says how
// many others it has; one that broke off has no such record. Pure; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace parley::sender {

class Republication {
 public:
  // A record of a run, as it was read and stored.
  struct Record {
    std::int64_t run_us = 0;              // When the run began, µs since 1970.
    std::optional<std::int64_t> records;  // In its last record: how many others it has.
    std::int32_t partition = 0;
    std::int64_t offset = 0;
  };
  // The oldest runs are forgotten beyond it.
  static constexpr std::size_t kRunsMax = 64;

  // Records of one partition come in order; what comes again counts once.
  void Note(const Record& record);
  // A run that began at `since_us` or later was read as a whole.
  bool IsComplete(std::int64_t since_us) const;
  // All is read again.
  void Clear();

 private:
  struct Run {
    std::int64_t read = 0;
    std::optional<std::int64_t> records;
  };
  std::map<std::int64_t, Run> runs_;
  std::map<std::int32_t, std::int64_t> read_up_to_;  // By partition.
};

}  // namespace parley::sender
