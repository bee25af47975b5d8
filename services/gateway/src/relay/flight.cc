#include "relay/flight.h"

#include <utility>

namespace parley::gateway::relay {

void Flight::Begin(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  rows_[id] = State::kUnderWay;
  ++under_way_;
}

void Flight::Report(std::int64_t id, absl::Status status) {
  const std::lock_guard lock(mutex_);
  const auto row = rows_.find(id);
  if (row == rows_.end() || row->second != State::kUnderWay) return;
  --under_way_;
  row->second = status.ok() ? State::kAcknowledged : State::kFailed;
  if (!status.ok()) {
    ++failed_;
    last_error_ = std::move(status);
  }
}

std::vector<std::int64_t> Flight::Acknowledged() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::int64_t> ids;
  for (const auto& [id, state] : rows_) {
    if (state == State::kAcknowledged) ids.push_back(id);
  }
  return ids;
}

void Flight::Forget(const std::vector<std::int64_t>& ids) {
  const std::lock_guard lock(mutex_);
  for (const std::int64_t id : ids) rows_.erase(id);
}

bool Flight::MayProduce() {
  const std::lock_guard lock(mutex_);
  if (failed_ == 0) return true;
  if (!AllReportedLocked()) return false;
  std::erase_if(rows_, [](const auto& row) { return row.second == State::kFailed; });
  failed_ = 0;
  return true;
}

std::string Flight::IdArray() const {
  const std::lock_guard lock(mutex_);
  std::string array = "{";
  for (const auto& [id, state] : rows_) {
    if (array.size() > 1) array += ',';
    array += std::to_string(id);
  }
  return array + "}";
}

std::size_t Flight::size() const {
  const std::lock_guard lock(mutex_);
  return rows_.size();
}

bool Flight::AllReported() const {
  const std::lock_guard lock(mutex_);
  return AllReportedLocked();
}

bool Flight::AllReportedLocked() const { return under_way_ == 0; }

absl::Status Flight::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

}  // namespace parley::gateway::relay
