#include "adapters/directory_feed.h"

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/kafka/consumer.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::ingest {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBatchMax = 1'000;
constexpr milliseconds kPollWait{200};
constexpr milliseconds kRetryWait{500};

struct FeedMetrics {
  prometheus::Gauge& complete = telemetry::Gauge(
      "parley_webhook_ingest_directory_complete_state",
      "1 once all accounts and numbers are known; while 0 every webhook is answered 503.");
  prometheus::Gauge& age =
      telemetry::Gauge("parley_webhook_ingest_directory_age_seconds",
                       "Time since the last full republication. Above two days: the gateway's "
                       "relay no longer republishes the directory.");
  prometheus::Gauge& records =
      telemetry::Gauge("parley_webhook_ingest_directory_records_count",
                       "Records of accounts and numbers that are known. If it is far below what "
                       "the gateway has, look at the log of its relay.");
  prometheus::Gauge& unreadable = telemetry::Gauge(
      "parley_webhook_ingest_directory_unreadable_accounts_count",
      "Accounts whose token PARLEY_DIRECTORY_KEY_FILE does not open; their webhooks get 503.");
  prometheus::Gauge& unknown_time_zones =
      telemetry::Gauge("parley_webhook_ingest_directory_unknown_time_zones_count",
                       "Numbers whose office hours are in a time zone that is unknown here: UTC is "
                       "used. Correct it, "
                       "or install tzdata.");
  prometheus::Counter& poison = telemetry::Counter(
      "parley_webhook_ingest_directory_unreadable_records_total",
      "Directory records that could not be read; they are in the dead-letter topic.");
};

FeedMetrics& Metrics() {
  static FeedMetrics metrics;
  return metrics;
}

}  // namespace

DirectoryFeed::DirectoryFeed(DirectoryFeedOptions options, const crypto::KeyRing& keys,
                             const SnapshotFile& snapshot, kafka::Producer& dead_letters,
                             const Clock& clock, std::unique_ptr<kafka::LogReader> reader)
    : options_(std::move(options)),
      snapshot_(snapshot),
      dead_letters_(dead_letters),
      clock_(clock),
      reader_(std::move(reader)),
      book_(keys),
      kafka_state_(Unavailable("KAFKA_UNAVAILABLE", "Kafka has not answered yet.")) {}

absl::StatusOr<std::unique_ptr<DirectoryFeed>> DirectoryFeed::Start(DirectoryFeedOptions options,
                                                                    const crypto::KeyRing& keys,
                                                                    const SnapshotFile& snapshot,
                                                                    kafka::Producer& dead_letters,
                                                                    const Clock& clock) {
  PARLEY_ASSIGN_OR_RETURN(auto reader, kafka::LogReader::Create({.brokers = options.brokers,
                                                                 .client_id = options.client_id,
                                                                 .topic = options.topic}));
  std::unique_ptr<DirectoryFeed> feed(new DirectoryFeed(std::move(options), keys, snapshot,
                                                        dead_letters, clock, std::move(reader)));
  feed->LoadSnapshot();
  feed->thread_ = std::jthread([raw = feed.get()](const std::stop_token& stop) { raw->Run(stop); });
  return feed;
}

DirectoryFeed::~DirectoryFeed() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  WriteSnapshotIfDue(/*at_once=*/true);
}

void DirectoryFeed::LoadSnapshot() {
  const auto content = snapshot_.Read();
  if (!content.ok()) {
    if (content.status().code() != absl::StatusCode::kNotFound) {
      telemetry::Warning("snapshot_unusable", content.status());
    }
    return;
  }
  const absl::Status loaded = book_.Load(*content);
  if (!loaded.ok() || !book_.seen_complete()) {
    telemetry::Warning("snapshot_unusable", loaded);
    return;
  }
  complete_ = true;  // Only complete directories are written.
  PublishIfComplete();
  telemetry::Info("snapshot_loaded", {{"records", book_.size()}});
}

void DirectoryFeed::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    // What stood there at the start was buried when it came.
    const bool is_new = reader_->ReachedStartEnd();
    const auto records = reader_->Poll(kBatchMax, kPollWait);
    Report(records.status());
    if (records.ok()) {
      Apply(*records, is_new);
      if (!complete_ && book_.seen_complete() && reader_->ReachedStartEnd()) {
        complete_ = true;
        snapshot_stale_ = true;
        telemetry::Info("directory_complete", {{"records", book_.size()}});
      }
      PublishIfComplete();
    }
    MeasureAge();  // Above all while Kafka is away.
    WriteSnapshotIfDue(/*at_once=*/false);
    if (!records.ok()) SleepFor(stop, kRetryWait);
  }
}

void DirectoryFeed::Apply(const std::vector<kafka::Record>& records, bool is_new) {
  for (const kafka::Record& record : records) {
    const auto change = book_.Apply(record.value);
    if (!change.ok()) {
      Metrics().poison.Increment();
      telemetry::Error("record_dead_lettered", change.status(),
                       {{"topic", record.topic}, {"offset", record.offset}});
      if (!is_new) continue;
      const absl::Status sent =
          dead_letters_.Produce(kafka::DeadLetter(record, change.status()), nullptr);
      if (!sent.ok()) telemetry::Error("dead_letter_failed", sent);
      continue;
    }
    if (*change == DirectoryBook::Change::kChanged) {
      published_stale_ = true;
      snapshot_stale_ = true;
    }
  }
}

void DirectoryFeed::PublishIfComplete() {
  if (!complete_ || !published_stale_) return;
  FeedMetrics& metrics = Metrics();
  current_.store(book_.Snapshot());
  published_stale_ = false;
  metrics.records.Set(static_cast<double>(book_.size()));
  metrics.unreadable.Set(static_cast<double>(book_.unreadable_accounts()));
  const auto unknown = static_cast<double>(book_.unknown_time_zones());
  if (unknown > metrics.unknown_time_zones.Value()) {
    telemetry::Warning("time_zone_unknown", {{"numbers", unknown}});
  }
  metrics.unknown_time_zones.Set(unknown);
}

void DirectoryFeed::MeasureAge() const {
  Metrics().complete.Set(complete_ ? 1 : 0);
  if (!book_.seen_complete()) return;
  Metrics().age.Set(static_cast<double>(ToMicros(clock_.Now()) - book_.complete_at_us()) / 1e6);
}

void DirectoryFeed::WriteSnapshotIfDue(bool at_once) {
  if (!complete_ || !snapshot_stale_) return;
  const auto now = clock_.Steady();
  if (!at_once && now - snapshot_written_ < options_.snapshot_every) return;
  snapshot_written_ = now;
  const absl::Status written = snapshot_.Write(book_.Serialize());
  if (written.ok()) {
    snapshot_stale_ = false;
  } else {
    telemetry::Error("snapshot_not_written", written);
  }
}

void DirectoryFeed::Report(const absl::Status& polled) {
  const std::lock_guard lock(state_mutex_);
  if (polled.code() != kafka_state_.code()) {
    if (polled.ok()) {
      telemetry::Info("kafka_reached");
    } else {
      telemetry::Warning("kafka_unreachable", polled);
    }
  }
  kafka_state_ = polled;
}

absl::Status DirectoryFeed::Ready() const {
  if (Current() != nullptr) return absl::OkStatus();
  const absl::Status kafka = KafkaReachable();
  if (!kafka.ok()) return kafka;
  return Unavailable("DIRECTORY_INCOMPLETE",
                     "The directory of accounts and numbers is not complete yet: the gateway's "
                     "relay has to publish it.");
}

absl::Status DirectoryFeed::KafkaReachable() const {
  const std::lock_guard lock(state_mutex_);
  return kafka_state_;
}

}  // namespace parley::ingest
