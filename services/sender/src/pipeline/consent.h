// Who opted out: reads all of parley.consent and keeps it in the store, where the gate looks. Says
// which sends may go as far as consent is known.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/delivery.h"
#include "libs/kafka/record.h"
#include "pipeline/pump.h"
#include "ports.h"

namespace parley::sender {

// Errors: kInvalidArgument.
absl::StatusOr<ConsentRow> ParseConsent(const std::string& value);

// What the reader reports after each look at Kafka, and what that allows. Thread-safe.
// Until everything was read once nothing goes; without a broker for 5 s interactive sends go on
// with what the store knows, and bulk waits.
class ConsentFreshness {
 public:
  explicit ConsentFreshness(SteadyTime start) : away_since_(start) {}

  // Kafka answered; `complete`: all that was there at the start has been stored.
  void Reached(bool complete);
  // Kafka did not answer.
  void Away(SteadyTime now);

  Permission Allowed(SteadyTime now) const;

 private:
  static constexpr std::chrono::seconds kBrokerPatience{5};
  mutable std::mutex mutex_;
  bool complete_ = false;
  std::optional<SteadyTime> away_since_;
};

}  // namespace parley::sender
