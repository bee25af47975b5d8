// Whether Kafka takes records just now, as far as they tell. Thread-safe.
//
// It opens when a record was not acknowledged in time, and closes with the next acknowledgement:
// the replay's, whose records keep trying, so that no webhook has to.
#pragma once

#include <atomic>
#include <mutex>

#include "absl/status/status.h"

namespace parley::ingest {

class Circuit {
 public:
  bool IsOpen() const { return open_.load(std::memory_order_acquire); }
  void Acknowledged() {
    if (IsOpen()) Close();
  }
  void Failed(const absl::Status& why);

 private:
  void Close();
  std::mutex mutex_;  // Of changes, so that the gauge and the log follow them in order.
  std::atomic<bool> open_{false};
};

}  // namespace parley::ingest
