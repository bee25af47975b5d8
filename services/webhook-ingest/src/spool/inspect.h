// Looks at a spool's folder without touching it: also while a process uses it, and at a copy.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "spool/files.h"
#include "spool/segment.h"

namespace parley::ingest {

struct SegmentFacts {
  std::string name;
  std::uint64_t bytes = 0;
  SegmentScan scan;
  std::uint64_t waiting = 0;  // Records that are not replayed.
  Time oldest;                // Of those; only if there are some.
  bool is_aside = false;      // Kept for people: *.damaged, *.refused.
  // The end is being written just now, by the process that uses the folder.
  bool is_growing = false;
};

struct SpoolFacts {
  bool in_use = false;         // By a running process.
  std::uint64_t replayed = 0;  // All up to this sequence are in Kafka.
  std::vector<SegmentFacts> segments;

  std::uint64_t waiting() const;
  // True if bytes that may have held an acknowledged record cannot be read.
  bool IsDamaged() const;
};

// `visit` sees each record that waits or is kept aside, in order. Errors: those of Files.
absl::StatusOr<SpoolFacts> InspectSpool(
    const std::string& folder, Files& files, bool in_use,
    const std::function<void(const SegmentFacts& segment, const SpoolRecord& record)>& visit = {});

}  // namespace parley::ingest
