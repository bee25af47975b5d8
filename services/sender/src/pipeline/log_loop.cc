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
}  // namespace

void LogLoop::Run(const Handle& handle, const Looked& looked, std::stop_token stop) {
  while (!stop.stop_requested()) {
    const auto records = reader_.Poll(kBatchMax, kWait);
    if (!records.ok()) {
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
    looked(true, reader_.ReachedStartEnd());
  }
}

}  // namespace parley::sender
