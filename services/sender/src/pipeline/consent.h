// Who opted out: records of parley.consent, kept in the store, where the gate looks, and how fresh
// that is.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/consent_freshness.h"
#include "domain/republication.h"
#include "pipeline/log_loop.h"
#include "ports.h"

namespace parley::sender {

// None: the record that ends a republication, which names nobody. Errors: kInvalidArgument.
absl::StatusOr<std::optional<ConsentRow>> ParseConsent(const std::string& value);

// The run of republished suppressions that a record is part of; none: news, or it is unreadable, or
// the run is said to begin after its record was written.
std::optional<Republication::Record> RunOf(const kafka::Record& record);

// Stores batches of the log, and how far it is stored.
class ConsentHandler {
 public:
  using OnStored = std::function<void(const std::vector<kafka::Record>&)>;

  // `on_stored` is told of each batch once it is stored.
  explicit ConsentHandler(DirectoryStore& store, OnStored on_stored = nullptr)
      : store_(store), on_stored_(std::move(on_stored)) {}

  // As LogLoop::Handle. Errors: the store's.
  absl::Status Handle(const std::vector<kafka::Record>& records, const LogLoop::Bury& bury);

 private:
  DirectoryStore& store_;
  const OnStored on_stored_;
};

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

// Notes how far consent is known, and wakes the pump when that lets sends go. Told on the loop's
// thread.
class ConsentWatcher final : public LogLoop::Watcher {
 public:
  // `wake` must not block.
  ConsentWatcher(ConsentWatch& consent, std::function<void()> wake,
                 std::function<SteadyTime()> now = std::chrono::steady_clock::now);
  void AtEnd(SteadyTime asked_at) override;
  void Heard(SteadyTime at) override;
  void Missed() override;

 private:
  void Log(Permission allowed);

  ConsentWatch& consent_;
  const std::function<void()> wake_;
  const std::function<SteadyTime()> now_;
  bool logged_fresh_ = false;
};

}  // namespace parley::sender
