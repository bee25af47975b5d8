#include "relay/batch.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "libs/telemetry/log.h"

namespace parley::gateway::relay {
namespace {

constexpr std::chrono::seconds kStopWait{5};

// Shared with the callbacks, which may outlive the wait.
struct Reports {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<bool> acknowledged;
  std::size_t left = 0;
  absl::Status first_error;
};

}  // namespace

std::vector<bool> ProduceBatch(kafka::Producer& producer,
                               const std::vector<kafka::OutRecord>& records,
                               const std::stop_token& stop) {
  const auto reports = std::make_shared<Reports>();
  reports->acknowledged.resize(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    {
      const std::lock_guard lock(reports->mutex);
      ++reports->left;
    }
    const absl::Status queued = producer.Produce(records[i], [reports, i](absl::Status status) {
      const std::lock_guard lock(reports->mutex);
      reports->acknowledged[i] = status.ok();
      if (!status.ok() && reports->first_error.ok()) reports->first_error = std::move(status);
      if (--reports->left == 0) reports->changed.notify_all();
    });
    if (!queued.ok()) {  // Nothing after it may overtake it.
      const std::lock_guard lock(reports->mutex);
      --reports->left;
      if (reports->first_error.ok()) reports->first_error = queued;
      break;
    }
  }
  std::unique_lock lock(reports->mutex);
  const auto done = [&] { return reports->left == 0; };
  if (!reports->changed.wait(lock, stop, done)) reports->changed.wait_for(lock, kStopWait, done);
  if (!reports->first_error.ok()) telemetry::Warning("produce_failed", reports->first_error);
  return reports->acknowledged;
}

}  // namespace parley::gateway::relay
