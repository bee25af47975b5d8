#include "spool/circuit.h"

#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::ingest {
namespace {

prometheus::Gauge& Gauge() {
  static auto& gauge = telemetry::Gauge("parley_webhook_ingest_kafka_away",
                                        "1 while Kafka does not acknowledge records in time: "
                                        "webhooks go to the spool. Look at Kafka.");
  return gauge;
}

}  // namespace

void Circuit::Failed(const absl::Status& why) {
  const std::lock_guard lock(mutex_);
  if (open_.exchange(true)) return;
  Gauge().Set(1);
  telemetry::Warning("kafka_away", why);
}

void Circuit::Close() {
  const std::lock_guard lock(mutex_);
  if (!open_.exchange(false)) return;
  Gauge().Set(0);
  telemetry::Info("kafka_back");
}

}  // namespace parley::ingest
