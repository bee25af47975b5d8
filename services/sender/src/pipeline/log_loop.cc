#include "pipeline/log_loop.h"

#include "libs/base/shutdown.h"
#include "libs/kafka/consumer.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {
using std::chrono::milliseconds;
using std::chrono::steady_clock;
constexpr std::size_t kBatchMax = 500;
// Between looks at the ends; well below the 400 ms for which one is good.
constexpr milliseconds kWatchedWait{100};
constexpr milliseconds kWait{500};
constexpr milliseconds kRetry{200};
constexpr milliseconds kAnswer{250};
}  // namespace

void LogLoop::Run(const Handle& handle, Watcher* watcher, std::stop_token stop) {
  while (!stop.stop_requested()) {
    const bool is_new = resumed_ || reader_.ReachedStartEnd();
    const auto records = reader_.Poll(kBatchMax, watcher != nullptr ? kWatchedWait : kWait);
    if (!records.ok()) {
      if (watcher != nullptr) watcher->Missed();
      SleepFor(stop, kRetry);
      continue;
    }
    if (watcher != nullptr && !records->empty()) watcher->Heard(steady_clock::now());
    std::vector<kafka::OutRecord> dead;
    const Bury bury = [&](const kafka::Record& record, const absl::Status& reason) {
      telemetry::Error("dead_letter", reason, {{"topic", record.topic}, {"offset", record.offset}});
      dead.push_back(kafka::DeadLetter(record, reason));
    };
    while (!records->empty()) {
      dead.clear();
      const absl::Status handled = handle(*records, bury);
      if (handled.ok()) break;
      telemetry::Warning("log_not_stored", handled);
      // What was said is not known where it is asked for.
      if (watcher != nullptr) watcher->Heard(steady_clock::now());
      if (!SleepFor(stop, kRetry)) return;
    }
    for (const kafka::OutRecord& record : dead) {
      telemetry::Counter("parley_kafka_dead_letters_total",
                         "Records moved to a dead-letter topic; read their parley-reason header, "
                         "mend the cause and replay them.",
                         {{"topic", record.topic}})
          .Increment();
      if (!is_new) continue;
      const absl::Status produced = dead_letters_.Produce(record, [](absl::Status) {});
      if (!produced.ok()) telemetry::Warning("dead_letter_lost", produced);
    }
    if (watcher == nullptr) continue;
    if (const auto known_at = reader_.AtEnd(kAnswer)) {
      watcher->AtEnd(*known_at);
    } else {
      watcher->Missed();
    }
  }
}

}  // namespace parley::sender
