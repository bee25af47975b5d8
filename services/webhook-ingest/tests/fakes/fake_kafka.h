// Kafka as the spool sees it: up, away, or giving records up.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/status.h"
#include "ports.h"

namespace parley::ingest {

class FakeKafka final : public RecordProducer {
 public:
  enum class Mode {
    kUp,        // Acknowledges at once.
    kAway,      // Keeps what it gets until ComeBack or GiveUp.
    kFull,      // Takes nothing.
    kFailing,   // Reports each record as failed.
    kRefusing,  // Refuses each for good.
  };

  absl::Status Produce(const webhooks::OutgoingRecord& record, Delivered delivered) override {
    Mode mode;
    {
      const std::lock_guard lock(mutex_);
      mode = mode_;
      if (mode == Mode::kFull) return Unavailable("KAFKA_QUEUE_FULL", "told to");
      if (mode == Mode::kUp) log_.push_back(record);
      if (mode == Mode::kAway) waiting_.emplace_back(record, delivered);
    }
    if (mode == Mode::kUp) delivered(absl::OkStatus());
    if (mode == Mode::kFailing) delivered(Unavailable("KAFKA_UNAVAILABLE", "told to"));
    if (mode == Mode::kRefusing) delivered(InvalidArgument("KAFKA_RECORD", "told to"));
    return absl::OkStatus();
  }

  void Set(Mode mode) {
    const std::lock_guard lock(mutex_);
    mode_ = mode;
  }
  // Acknowledges what waits, in order, and all that follows.
  void ComeBack() {
    std::deque<std::pair<webhooks::OutgoingRecord, Delivered>> waiting;
    {
      const std::lock_guard lock(mutex_);
      mode_ = Mode::kUp;
      waiting.swap(waiting_);
      for (const auto& [record, delivered] : waiting) log_.push_back(record);
    }
    for (const auto& [record, delivered] : waiting) delivered(absl::OkStatus());
  }
  // Reports what waits as failed.
  void GiveUp() {
    std::deque<std::pair<webhooks::OutgoingRecord, Delivered>> waiting;
    {
      const std::lock_guard lock(mutex_);
      waiting.swap(waiting_);
    }
    for (const auto& [record, delivered] : waiting) {
      delivered(Unavailable("KAFKA_UNAVAILABLE", "told to"));
    }
  }

  std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  std::vector<webhooks::OutgoingRecord> log() const {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  // The types of a key's records in the log, in order, repeats left out: tests number them there.
  std::vector<std::string> Of(const std::string& key) const {
    std::vector<std::string> found;
    for (const webhooks::OutgoingRecord& record : log()) {
      if (record.key != key) continue;
      if (std::find(found.begin(), found.end(), record.type) == found.end()) {
        found.push_back(record.type);
      }
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  Mode mode_ = Mode::kUp;
  std::deque<std::pair<webhooks::OutgoingRecord, Delivered>> waiting_;
  std::vector<webhooks::OutgoingRecord> log_;
};

}  // namespace parley::ingest
