// Who opted out: records of parley.consent, kept in the store, where the gate looks, and how fresh
// that is.
#pragma once

#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "domain/consent_freshness.h"
#include "ports.h"

namespace parley::sender {

// Errors: kInvalidArgument.
absl::StatusOr<ConsentRow> ParseConsent(const std::string& value);

// As the reader's thread tells it and the pump asks. Thread-safe.
class ConsentWatch {
 public:
  explicit ConsentWatch(SteadyTime start) : freshness_(start) {}

  void AtEnd(SteadyTime asked_at) {
    const std::lock_guard lock(mutex_);
    freshness_.AtEnd(asked_at);
  }
  void Heard(SteadyTime at) {
    const std::lock_guard lock(mutex_);
    freshness_.Heard(at);
  }
  Permission Allowed(SteadyTime now) const {
    const std::lock_guard lock(mutex_);
    return freshness_.Allowed(now);
  }

 private:
  mutable std::mutex mutex_;
  ConsentFreshness freshness_;
};

}  // namespace parley::sender
