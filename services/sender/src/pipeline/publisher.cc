#include "pipeline/publisher.h"

#include <algorithm>

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
    for (Change& change : changes) Add(std::move(change), 0, 0);
  }
  changed_.notify_one();
}

void Publisher::Enqueue(Publication publication) {
  // What is under way again is told by its next outcome, which has a note of its own.
  std::erase_if(publication.changes,
                [](const Change& change) { return change.state == State::kSending; });
  if (publication.changes.empty() && publication.id == 0) return;
  {
    const std::lock_guard lock(mutex_);
    if (publication.changes.empty()) {
      done_.push_back(publication.id);
    } else {
      open_[publication.id] = {++rounds_, publication.changes.size()};
    }
    for (Change& change : publication.changes) Add(std::move(change), publication.id, rounds_);
  }
  changed_.notify_one();
}

void Publisher::Add(Change change, std::int64_t publication, std::uint64_t round) {
  if (change.state == State::kSending) {
    first_held_ = first_held_ || held_until_.empty();  // Nobody waits for that time yet.
    held_until_.emplace_back(steady_clock::now() + options_.sending_hold, change.ord);
    held_.insert_or_assign(change.ord, std::move(change));
    return;
  }
  held_.erase(change.ord);
  Item item{std::move(change), publication, round};
  if (queued_.size() < options_.queued_max) {
    queued_.push_back(std::move(item));
  } else {
    LeaveToSearch(item);
  }
}

void Publisher::LeaveToSearch(const Item& item) { open_.erase(item.publication); }

Publisher::Time Publisher::ReleaseHeld(Time now) {
  while (!held_until_.empty()) {
    const auto& [at, ord] = held_until_.front();
    const auto held = held_.find(ord);
    if (held != held_.end()) {
      if (at > now) return at;
      queued_.push_back({std::move(held->second), 0, 0});
      held_.erase(held);
    }
    held_until_.pop_front();
  }
  return Time::max();
}

void Publisher::Run(std::stop_token stop) {
  Time search_at = steady_clock::now();
  Time mark_at = steady_clock::now();
  Time drained_by = Time::max();
  while (true) {
    std::deque<Item> items;
    bool marks = false;
    {
      std::unique_lock lock(mutex_);
      const bool marking = Marking();
      const Time held = ReleaseHeld(steady_clock::now());
      const Time wake = std::min({search_at, marking ? mark_at : search_at, held});
      if (stop.stop_requested()) {
        if (queued_.empty() && in_flight_ == 0 && !Marking()) return;
        changed_.wait_for(lock, milliseconds(10), [&] { return !queued_.empty(); });
      } else {
        changed_.wait_until(lock, stop, wake, [&] {
          return !queued_.empty() || first_held_ || (!marking && Marking());
        });
      }
      first_held_ = false;
      items.swap(queued_);
      marks = Marking() && (stop.stop_requested() || steady_clock::now() >= mark_at);
    }
    const Time now = steady_clock::now();
    if (stop.stop_requested() && drained_by == Time::max()) drained_by = now + kDrainMax;
    if (now >= drained_by) return;
    Publish(std::move(items));
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

void Publisher::Publish(std::deque<Item> items) {
  for (Item& item : items) {
    {
      const std::lock_guard lock(mutex_);
      if (in_flight_ >= options_.in_flight_max) {
        LeaveToSearch(item);
        continue;
      }
      ++in_flight_;
    }
    // What is marked later needs the key, the version and the state only.
    Item mark{{}, item.publication, item.round};
    mark.change.key = item.change.key;
    mark.change.version = item.change.version;
    mark.change.state = item.change.state;
    const absl::Status status = sink_.Publish(
        item.change,
        [this, mark = std::move(mark)](const absl::Status& result) { Acknowledged(mark, result); });
    if (!status.ok()) Acknowledged(item, status);
  }
}

void Publisher::Acknowledged(const Item& item, const absl::Status& status) {
  static auto& published =
      telemetry::Counter("parley_sender_results_published_total",
                         "Changes of sends that Kafka acknowledged. If it stands still while "
                         "messages are sent, the inbox shows old states: look at Kafka.");
  static auto& failed = telemetry::Counter(
      "parley_sender_results_failed_total",
      "Changes that could not be published just now; they are found again in the store. If it "
      "grows, look whether Kafka can be reached.");
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    --in_flight_;
    first = !Marking();
    if (!status.ok()) {
      LeaveToSearch(item);
    } else if (item.publication != 0) {
      const auto open = open_.find(item.publication);
      // An answer of an earlier round says nothing about what was lost in it.
      if (open != open_.end() && open->second.round == item.round && --open->second.left == 0) {
        done_.push_back(open->first);
        open_.erase(open);
      }
    } else if (item.change.state != State::kSending) {
      // A request on its way is followed by its outcome: one mark does for both.
      acknowledged_.push_back(item.change);
    }
    first = first && Marking();
  }
  (status.ok() ? published : failed).Increment();
  if (first) changed_.notify_one();
}

void Publisher::Mark() {
  std::vector<Change> marks;
  std::vector<std::int64_t> done;
  {
    const std::lock_guard lock(mutex_);
    marks.swap(acknowledged_);
    done.swap(done_);
  }
  if (!done.empty()) {
    const absl::Status status = store_.ForgetPublications(done);
    if (!status.ok()) telemetry::Warning("forget_publications_failed", status);
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
  {
    const std::lock_guard lock(mutex_);
    // While Kafka is away each search would find the same rows.
    if (in_flight_ > static_cast<std::size_t>(options_.rows_max)) return false;
  }
  auto rows = store_.Unpublished(options_.search_age, options_.rows_max);
  auto publications = store_.OpenPublications(options_.search_age, options_.rows_max);
  if (!rows.ok() || !publications.ok()) {
    telemetry::Warning("unpublished_search_failed",
                       rows.ok() ? publications.status() : rows.status());
    return false;
  }
  const auto rows_max = static_cast<std::size_t>(options_.rows_max);
  std::size_t changes = 0;
  for (Publication& publication : *publications) {
    changes += publication.changes.size();
    Enqueue(std::move(publication));
  }
  const bool more = rows->size() >= rows_max || changes >= rows_max;
  Enqueue(*std::move(rows));
  return more;
}

}  // namespace parley::sender
