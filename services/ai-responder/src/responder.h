// Answers one conversation event.
#pragma once

#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <unordered_set>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/kafka/record.h"
#include "ports.h"

namespace parley::ai {

// The turns that this process answered last, so that a record that comes again after a rebalance
// costs no second call of the provider. Thread-safe, bounded; forgetting one is harmless.
class AnsweredTurns {
 public:
  static constexpr std::size_t kTurnsMax = 4096;

  bool Contains(const std::string& turn_id) const;
  void Add(const std::string& turn_id);

 private:
  mutable std::mutex mutex_;
  std::unordered_set<std::string> known_;
  std::deque<std::string> order_;  // Oldest first.
};

// Thread-safe; records of one conversation must come one after the other.
class Responder {
 public:
  Responder(Provider& provider, ReplySink& replies, const Clock& clock)
      : provider_(provider), replies_(replies), clock_(clock) {}

  // OK: the record is done with, its reply acknowledged. Retryable: hand it over again.
  // kCancelled: `stop` came first; nothing was published. Anything else: the record itself is bad.
  absl::Status Handle(const kafka::Record& record, const std::stop_token& stop);

 private:
  absl::StatusOr<Completion> Answer(const Turn& turn, const std::stop_token& stop);

  Provider& provider_;
  ReplySink& replies_;
  const Clock& clock_;
  AnsweredTurns answered_;
};

}  // namespace parley::ai
