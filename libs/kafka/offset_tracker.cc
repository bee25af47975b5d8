#include "libs/kafka/offset_tracker.h"

namespace parley::kafka {

bool OffsetTracker::Begin(const Position& position) {
  const bool fresh =
      partitions_[{position.topic, position.partition}].try_emplace(position.offset, false).second;
  if (fresh) ++unfinished_;
  return fresh;
}

void OffsetTracker::Done(const Position& position) {
  const auto partition = partitions_.find({position.topic, position.partition});
  if (partition == partitions_.end()) return;
  const auto at = partition->second.find(position.offset);
  if (at == partition->second.end() || at->second) return;
  at->second = true;
  --unfinished_;
}

std::vector<Record> OffsetTracker::TakeFinished() {
  std::vector<Record> risen;
  for (auto& [partition, offsets] : partitions_) {
    std::int64_t last = -1;
    while (!offsets.empty() && offsets.begin()->second) {
      last = offsets.begin()->first;
      offsets.erase(offsets.begin());
    }
    if (last < 0) continue;
    Record& record = risen.emplace_back();
    record.topic = partition.first;
    record.partition = partition.second;
    record.offset = last;
  }
  return risen;
}

void OffsetTracker::Clear() {
  partitions_.clear();
  unfinished_ = 0;
}

}  // namespace parley::kafka
