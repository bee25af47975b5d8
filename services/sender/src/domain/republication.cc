#include "domain/republication.h"

#include <algorithm>

namespace parley::sender {

void Republication::Note(const Record& record) {
  const auto [seen, first] = read_up_to_.try_emplace(record.partition, record.offset);
  if (!first && record.offset <= seen->second) return;
  seen->second = record.offset;
  Run& run = runs_[record.run_us];
  if (record.records) {
    run.records = std::max(*record.records, run.records.value_or(0));
  } else {
    ++run.read;
  }
  if (runs_.size() > kRunsMax) runs_.erase(runs_.begin());
}

bool Republication::IsComplete(std::int64_t since_us) const {
  return std::any_of(runs_.lower_bound(since_us), runs_.end(), [](const auto& entry) {
    const Run& run = entry.second;
    return run.records && run.read >= *run.records;
  });
}

void Republication::Clear() {
  runs_.clear();
  read_up_to_.clear();
}

}  // namespace parley::sender
