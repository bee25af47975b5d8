#include "spool/replay.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::ingest {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kReportEvery{1'000};

prometheus::Gauge& OldestAge() {
  static auto& gauge = telemetry::Gauge("parley_webhook_ingest_spool_oldest_age_seconds",
                                        "How long the oldest record waits on the disk for Kafka; 0 "
                                        "if none does. If it grows, look at Kafka.");
  return gauge;
}

enum class Outcome { kPending, kAcknowledged, kFailed, kRefused };

Outcome OutcomeOf(const absl::Status& status) {
  if (status.ok()) return Outcome::kAcknowledged;
  return absl::IsInvalidArgument(status) ? Outcome::kRefused : Outcome::kFailed;
}

}  // namespace

// Raised by callbacks and by the spool's writer.
struct Replay::Signal {
  std::mutex mutex;
  std::condition_variable_any raised;
  bool is_raised = false;
  std::atomic<bool> failed{false};  // Some record in flight was given up.

  void Raise() {
    {
      const std::lock_guard lock(mutex);
      if (std::exchange(is_raised, true)) return;
    }
    raised.notify_one();
  }
  void Wait(const std::stop_token& stop, milliseconds wait) {
    std::unique_lock lock(mutex);
    raised.wait_for(lock, stop, wait, [this] { return is_raised; });
    is_raised = false;
  }
};

struct Replay::InFlight {
  SpooledRecord record;
  std::size_t bytes = 0;
  std::atomic<Outcome> outcome{Outcome::kPending};
};

Replay::Replay(ReplayOptions options, Spool& spool, RecordProducer& kafka, Circuit& circuit,
               const Clock& clock)
    : options_(options),
      spool_(spool),
      kafka_(kafka),
      circuit_(circuit),
      clock_(clock),
      signal_(std::make_shared<Signal>()),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {
  spool_.OnMore([signal = signal_] { signal->Raise(); });
}

Replay::~Replay() { spool_.OnMore({}); }

void Replay::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    TakeAcknowledged();
    const bool goes_on = !StartAgain() && Fill();
    Report();
    if (goes_on) {
      signal_->Wait(stop, kReportEvery);
    } else {
      SleepFor(stop, options_.retry);
    }
  }
}

// False if something failed and time should pass.
bool Replay::Fill() {
  // Half of it at a time: reading a file for each acknowledgement would be slow.
  while (in_flight_.size() <= options_.records_max / 2 &&
         in_flight_bytes_ <= options_.bytes_max / 2) {
    absl::StatusOr<std::vector<SpooledRecord>> records =
        spool_.Read(position_, options_.bytes_max / 4);
    if (!records.ok()) {
      telemetry::Error("replay_failed", records.status());
      return false;
    }
    if (records->empty()) return true;
    for (SpooledRecord& record : *records) {
      const SpoolPosition at = record.at;
      if (Produce(std::move(record))) continue;
      position_ = at;
      return false;
    }
  }
  return true;
}

bool Replay::Produce(SpooledRecord record) {
  const auto entry = std::make_shared<InFlight>();
  entry->record = std::move(record);
  entry->bytes = entry->record.record.value.size() + entry->record.record.key.size();
  const absl::Status queued = kafka_.Produce(
      entry->record.record, [entry, signal = signal_, &circuit = circuit_](const absl::Status& s) {
        if (s.ok()) circuit.Acknowledged();
        const Outcome outcome = OutcomeOf(s);
        // In this order: whoever sees the outcome sees the failure, too.
        if (outcome == Outcome::kFailed) signal->failed = true;
        entry->outcome = outcome;
        signal->Raise();
      });
  if (absl::IsInvalidArgument(queued)) {
    entry->outcome = Outcome::kRefused;
  } else if (!queued.ok()) {
    telemetry::Warning("replay_failed", queued);
    return false;
  }
  in_flight_bytes_ += entry->bytes;
  in_flight_.push_back(entry);
  return true;
}

// Counts what Kafka has, up to the first record that it has not.
void Replay::TakeAcknowledged() {
  std::vector<SpooledRecord> taken;
  while (!in_flight_.empty()) {
    InFlight& oldest = *in_flight_.front();
    const Outcome outcome = oldest.outcome;
    if (outcome == Outcome::kPending || outcome == Outcome::kFailed) break;
    if (outcome == Outcome::kRefused) {
      const absl::Status kept = spool_.SetAside(oldest.record);
      telemetry::Error("replay_refused", kept, {{"sequence", oldest.record.sequence}});
      if (!kept.ok()) {
        oldest.outcome = Outcome::kFailed;
        signal_->failed = true;
        break;
      }
    }
    in_flight_bytes_ -= oldest.bytes;
    taken.push_back(std::move(oldest.record));
    in_flight_.pop_front();
  }
  spool_.Replayed(taken);
  replayed_ += taken.size();
}

// After a failure: begins anew at the first record that is not acknowledged, once everything in
// flight is reported, so that the producer never holds more than one window. True if time should
// pass first.
bool Replay::StartAgain() {
  if (!signal_->failed) return false;
  for (const auto& entry : in_flight_) {
    if (entry->outcome == Outcome::kPending) return true;
  }
  signal_->failed = false;
  if (in_flight_.empty()) return false;
  telemetry::Warning("replay_starts_again", {{"sequence", in_flight_.front()->record.sequence},
                                             {"records", in_flight_.size()}});
  position_ = in_flight_.front()->record.at;
  in_flight_.clear();
  in_flight_bytes_ = 0;
  return true;
}

void Replay::Report() {
  const auto now = std::chrono::steady_clock::now();
  const std::uint64_t left = spool_.records();
  if (now - reported_at_ < kReportEvery && left > 0) return;
  if (replayed_ > 0) telemetry::Info("replayed", {{"records", replayed_}, {"left", left}});
  replayed_ = 0;
  reported_at_ = now;
  std::chrono::duration<double> age{0};
  if (!in_flight_.empty()) age = clock_.Now() - in_flight_.front()->record.appended_at;
  OldestAge().Set(age.count());
}

}  // namespace parley::ingest
