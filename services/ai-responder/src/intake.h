// From Kafka to the workers, and the offsets back: conversations side by side, each one's records
// in order, and an offset stored only when nothing before it is unfinished.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "absl/status/status.h"
#include "lanes.h"
#include "libs/kafka/consumer.h"
#include "libs/kafka/offset_tracker.h"
#include "libs/kafka/producer.h"

namespace parley::ai {

struct IntakeOptions {
  int workers = 16;
  // Records that wait or are worked on; no more are polled meanwhile.
  std::size_t unfinished_max = 1'000;
  std::chrono::milliseconds poll_wait{100};
  std::chrono::milliseconds retry_min{100};
  std::chrono::milliseconds retry_max{5'000};
  // What runs when the process must end gets this long; then it is told to stop, and gets
  // `abandon_wait` to do so. Together well below the 25 s of DESIGN §9.
  std::chrono::milliseconds drain_wait{15'000};
  std::chrono::milliseconds abandon_wait{3'000};
};

class Intake {
 public:
  // As Responder::Handle: OK or an error of the record finishes it (the latter as a dead letter),
  // retryable errors hand it over again, kCancelled leaves it to the next process.
  using Handler =
      std::function<absl::Status(const kafka::Record& record, const std::stop_token& stop)>;

  Intake(kafka::Consumer& consumer, kafka::Producer& dead_letters, IntakeOptions options,
         Handler handle);

  // Runs until `stop`, then finishes what runs and commits. False if something still runs that
  // does not stop: the process must then end without destroying this object.
  bool Run(const std::stop_token& stop);

 private:
  void TakeIn(std::vector<kafka::Record> records);
  void Process(const kafka::Record& record);
  bool ProcessOnce(const kafka::Record& record, bool& done);
  void StoreFinished();
  bool Drain();

  kafka::Consumer& consumer_;
  kafka::Producer& dead_letters_;
  const IntakeOptions options_;
  const Handler handle_;
  kafka::OffsetTracker tracker_;  // The polling thread's own.
  std::int64_t generation_ = 0;
  std::mutex finished_mutex_;
  std::vector<kafka::Position> finished_;  // By the workers, since the last StoreFinished.
  std::stop_source abandon_;
  Lanes lanes_;  // Last: its threads use all of the above.
};

}  // namespace parley::ai
