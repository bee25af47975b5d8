#include "pipeline/publisher.h"

#include "libs/base/shutdown.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kDrainMax{5'000};
// Marks are not urgent: packed, they cost less.
constexpr milliseconds kMarkInterval{50};
// Between searches while each finds as much as it may: what it found is marked by then.
constexpr milliseconds kCatchUpInterval{300};

}  // namespace

void Publisher::Enqueue(std::vector<Change> changes) {
  if (changes.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (Change& change : changes) {
      if (queued_.size() >= options_.queued_max) break;
      queued_.push_back(std::move(change));
    }
  }
  changed_.notify_one();
}

void Publisher::Enqueue(Change change) {
  {
    const std::lock_guard lock(mutex_);
    if (queued_.size() < options_.queued_max) queued_.push_back(std::move(change));
  }
  changed_.notify_one();
}

void Publisher::Run(std::stop_token stop) {
  steady_clock::time_point search_at = steady_clock::now();
  steady_clock::time_point mark_at = steady_clock::now();
  steady_clock::time_point drained_by = steady_clock::time_point::max();
  while (true) {
    std::deque<Change> changes;
    bool marks = false;
    {
      std::unique_lock lock(mutex_);
      const bool marking = !acknowledged_.empty();
      const auto wake = marking ? std::min(search_at, mark_at) : search_at;
      if (stop.stop_requested()) {
        if (queued_.empty() && in_flight_ == 0 && acknowledged_.empty()) return;
        changed_.wait_for(lock, milliseconds(10), [&] { return !queued_.empty(); });
      } else {
        changed_.wait_until(lock, stop, wake, [&] {
          return !queued_.empty() || (!marking && !acknowledged_.empty());
        });
      }
      changes.swap(queued_);
      marks = !acknowledged_.empty() && (stop.stop_requested() || steady_clock::now() >= mark_at);
    }
    const auto now = steady_clock::now();
    if (stop.stop_requested() && drained_by == steady_clock::time_point::max()) {
      drained_by = now + kDrainMax;
    }
    if (now >= drained_by) return;
    Publish(std::move(changes));
    if (marks) {
      Mark();
      mark_at = steady_clock::now() + kMarkInterval;
    }
    if (now >= search_at && !stop.stop_requested()) {
      const bool more = Search();
      search_at = steady_clock::now() + (more ? kCatchUpInterval : options_.search_interval);
    }
  }
}

void Publisher::Publish(std::deque<Change> changes) {
  for (Change& change : changes) {
    {
      const std::lock_guard lock(mutex_);
      ++in_flight_;
    }
    const absl::Status status = sink_.Publish(
        change, [this, change](absl::Status result) { Acknowledged(change, result); });
    if (!status.ok()) Acknowledged(change, status);
  }
}

void Publisher::Acknowledged(const Change& change, const absl::Status& status) {
  static auto& published = telemetry::Counter("parley_sender_results_published_total",
                                              "Changes of sends that Kafka acknowledged.");
  static auto& failed = telemetry::Counter(
      "parley_sender_results_failed_total",
      "Changes that could not be published just now; they are found again in the store. If it "
      "grows, look whether Kafka can be reached.");
  {
    const std::lock_guard lock(mutex_);
    --in_flight_;
    // A request on its way is followed by its outcome: one mark does for both.
    if (status.ok() && change.state != State::kSending) acknowledged_.push_back(change);
  }
  (status.ok() ? published : failed).Increment();
  changed_.notify_one();
}

void Publisher::Mark() {
  std::vector<Change> marks;
  {
    const std::lock_guard lock(mutex_);
    marks.swap(acknowledged_);
  }
  const std::span<const Change> all(marks);
  const auto step = static_cast<std::size_t>(options_.rows_max);
  for (std::size_t at = 0; at < all.size(); at += step) {
    // Unmarked ones are published again by the next search; the gateway knows them by version.
    const absl::Status status =
        store_.MarkPublished(all.subspan(at, std::min(step, all.size() - at)));
    if (!status.ok()) telemetry::Warning("mark_published_failed", status);
  }
}

bool Publisher::Search() {
  auto found = store_.Unpublished(options_.search_age, options_.rows_max);
  if (!found.ok()) {
    telemetry::Warning("unpublished_search_failed", found.status());
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    // While Kafka is away each search would find the same rows.
    if (in_flight_ > static_cast<std::size_t>(options_.rows_max)) return false;
  }
  const bool more = static_cast<int>(found->size()) >= options_.rows_max;
  Enqueue(*std::move(found));
  return more;
}

}  // namespace parley::sender
