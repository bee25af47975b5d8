#include "intake.h"

#include <algorithm>
#include <utility>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::ai {
namespace {

prometheus::Gauge& UnfinishedGauge() {
  static auto& gauge =
      telemetry::Gauge("parley_ai_responder_unfinished_records",
                       "Records that wait for a worker or are worked on. At 1000 for long: raise "
                       "PARLEY_AI_WORKERS or run more replicas.");
  return gauge;
}

prometheus::Gauge& LagGauge() {
  static auto& gauge = telemetry::Gauge(
      "parley_ai_responder_lag_records",
      "Records in Kafka that were not polled yet. Growing: the workers do not keep up.");
  return gauge;
}

}  // namespace

Intake::Intake(kafka::Consumer& consumer, kafka::Producer& dead_letters, IntakeOptions options,
               Handler handle)
    : consumer_(consumer),
      dead_letters_(dead_letters),
      options_(options),
      handle_(std::move(handle)),
      lanes_(options.workers) {}

bool Intake::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    StoreFinished();
    UnfinishedGauge().Set(static_cast<double>(lanes_.size()));
    LagGauge().Set(static_cast<double>(consumer_.Lag()));
    if (!lanes_.WaitBelow(options_.unfinished_max, options_.poll_wait)) continue;
    auto records = consumer_.Poll(options_.unfinished_max - lanes_.size(), options_.poll_wait);
    if (!records.ok()) {
      telemetry::Warning("poll_failed", records.status());
      SleepFor(stop, options_.retry_min);
      continue;
    }
    TakeIn(*std::move(records));
  }
  return Drain();
}

void Intake::TakeIn(std::vector<kafka::Record> records) {
  if (consumer_.Generation() != generation_) {
    // Partitions were given or taken: what is unfinished comes again, here or elsewhere.
    generation_ = consumer_.Generation();
    tracker_.Clear();
  }
  for (kafka::Record& record : records) {
    if (!tracker_.Begin(kafka::Position::Of(record))) continue;
    const std::string lane = record.key;
    lanes_.Submit(lane, [this, record = std::move(record)] { Process(record); });
  }
}

void Intake::Process(const kafka::Record& record) {
  const std::stop_token abandon = abandon_.get_token();
  std::chrono::milliseconds wait = options_.retry_min;
  bool done = false;
  while (!ProcessOnce(record, done)) {
    if (!SleepFor(abandon, wait)) return;
    wait = std::min(wait * 2, options_.retry_max);
  }
  if (!done) return;
  const std::lock_guard lock(finished_mutex_);
  finished_.push_back(kafka::Position::Of(record));
}

// Returns false to be called again after a wait.
bool Intake::ProcessOnce(const kafka::Record& record, bool& done) {
  absl::Status status = handle_(record, abandon_.get_token());
  if (absl::IsCancelled(status)) return abandon_.stop_requested();
  if (!status.ok() && !IsRetryable(status)) status = kafka::Bury(dead_letters_, record, status);
  done = status.ok();
  if (!done) {
    telemetry::Warning("record_retried", status,
                       {{"partition", record.partition}, {"offset", record.offset}});
  }
  return done;
}

void Intake::StoreFinished() {
  std::vector<kafka::Position> finished;
  {
    const std::lock_guard lock(finished_mutex_);
    finished.swap(finished_);
  }
  for (const kafka::Position& position : finished) tracker_.Done(position);
  const std::vector<kafka::Record> risen = tracker_.TakeFinished();
  if (!risen.empty()) consumer_.StoreOffsets(risen);
}

bool Intake::Drain() {
  lanes_.Close();
  bool drained = lanes_.WaitBelow(1, options_.drain_wait);
  if (!drained) {
    abandon_.request_stop();
    drained = lanes_.WaitBelow(1, options_.abandon_wait);
    telemetry::Warning("drain_incomplete", {{"running", lanes_.size()}});
  }
  StoreFinished();
  const absl::Status committed = consumer_.CommitNow();
  if (!committed.ok()) telemetry::Warning("commit_failed", committed);
  return drained;
}

}  // namespace parley::ai
