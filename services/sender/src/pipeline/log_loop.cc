#include "pipeline/log_loop.h"

#include "libs/base/shutdown.h"
#include "libs/kafka/consumer.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {
using std::chrono::milliseconds;
constexpr std::size_t kBatchMax = 500;
constexpr milliseconds kWait{200};
constexpr milliseconds kRetry{200};
constexpr milliseconds kAnswer{500};
}  // namespace

void LogLoop::Run(const Handle& handle, const Looked& looked, std::stop_token stop) {
  bool away = false;
  while (!stop.stop_requested()) {
    const auto records = reader_.Poll(kBatchMax, kWait);
    if (!records.ok()) {
      away = true;
      looked(false, false);
      SleepFor(stop, kRetry);
      continue;
    }
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
      looked(false, false);  // What was said is not known where it is asked for.
      if (!SleepFor(stop, kRetry)) return;
    }
    for (const kafka::OutRecord& record : dead) {
      telemetry::Counter("parley_kafka_dead_letters_total",
                         "Records moved to a dead-letter topic; read their parley-reason header, "
                         "mend the cause and replay them.",
                         {{"topic", record.topic}})
          .Increment();
      const absl::Status produced = dead_letters_.Produce(record, [](absl::Status) {});
      if (!produced.ok()) telemetry::Warning("dead_letter_lost", produced);
    }
    // An outage is told once and followed by silence: only an answer ends it.
    if (away && reader_.ReachedStartEnd() && !reader_.AtEnd(kAnswer)) {
      looked(false, false);
      continue;
    }
    away = false;
    looked(true, reader_.ReachedStartEnd());
  }
}

}  // namespace parley::sender
