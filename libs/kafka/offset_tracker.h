// The low-water mark of a consumer whose records are finished in any order: an offset may be
// stored only when nothing before it is unfinished. Pure; not thread-safe.
//
//   if (tracker.Begin(record)) hand it to a worker;
//   … tracker.Done(record) …
//   consumer.StoreOffsets(tracker.TakeFinished());
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libs/kafka/record.h"

namespace parley::kafka {

// Where a record stands, without the record.
struct Position {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;

  static Position Of(const Record& record) {
    return {record.topic, record.partition, record.offset};
  }
  bool operator==(const Position&) const = default;
};

class OffsetTracker {
 public:
  // Takes a record in; call in the order of arrival. False if it is already here: it was delivered
  // again after a rebalance, and its first delivery will finish it.
  bool Begin(const Position& position);

  // Marks a record as finished. One that is not here (any more) is ignored.
  void Done(const Position& position);

  // For each partition whose low-water mark rose since the last call: a record up to which, and
  // including which, everything is finished. Only its position is set.
  std::vector<Record> TakeFinished();

  // Forgets everything: the partitions were given away or given anew. What is still being worked
  // on comes again from the last stored offset.
  void Clear();

  // Records that were taken in and not finished.
  std::size_t unfinished() const { return unfinished_; }

 private:
  // By offset; true once finished. The finished head of each partition is what may be stored.
  using Offsets = std::map<std::int64_t, bool>;
  std::map<std::pair<std::string, std::int32_t>, Offsets> partitions_;
  std::size_t unfinished_ = 0;
};

}  // namespace parley::kafka
