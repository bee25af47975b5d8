// What the scheduler holds in memory, and what it reads from the table.
#include <algorithm>

#include "domain/scheduler.h"
#include "domain/scheduler_state.h"

namespace parley::sender {
namespace {
constexpr std::size_t kShareMin = 16;      // What one feed reads, however many there are.
constexpr std::size_t kParkedMax = 4'096;  // Beyond it those that are over are swept.
constexpr std::chrono::seconds kTrimInterval{1};
}  // namespace

// How many heads more may come to memory.
std::size_t Scheduler::Room(Priority priority) const {
  const std::size_t most =
      options_.heads_max +
      (priority == Priority::kInteractive ? options_.interactive_heads_max : 0);
  return most > heads() ? most - heads() : 0;
}

// What a feed may read at once, so that each that has more gets its part of the memory.
std::size_t Scheduler::Share() const {
  return std::min(options_.feed_heads_max,
                  std::max(kShareMin, options_.heads_max / std::max<std::size_t>(1, hungry_)));
}

// Less is not worth a read.
std::size_t Scheduler::RoomMin() const { return std::max<std::size_t>(1, Share() / 4); }

void Scheduler::Count(LaneState& lane, Priority priority, int by) {
  Feed& feed = lane.feeds[Index(priority)];
  feed.count = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(feed.count) + by);
  if (by < 0) NoteNeed(feed);
}

void Scheduler::SetMore(Feed& feed, bool more) {
  feed.more = more;
  const bool hungry = more && !feed.lane->shut;
  if (hungry && !feed.hungry) ++hungry_;
  if (!hungry && feed.hungry) --hungry_;
  feed.hungry = hungry;
  if (hungry || feed.needed == 0) return;
  needy_[Index(feed.priority)].erase(feed.needed);
  feed.needed = 0;
}

void Scheduler::NoteNeed(Feed& feed) {
  if (!feed.hungry || feed.loading || feed.needed != 0 || feed.count > Share() / 4) return;
  feed.needed = ++next_need_;
  needy_[Index(feed.priority)].emplace(feed.needed, &feed);
}

void Scheduler::MarkMore(std::int64_t lane_id) {
  const auto found = lanes_.find(lane_id);
  if (found == lanes_.end()) return;
  for (Feed& feed : found->second->feeds) {
    SetMore(feed, true);
    NoteNeed(feed);
  }
}

void Scheduler::MarkMoreAt(std::int64_t lane_id, SteadyTime at) {
  const auto found = lanes_.find(lane_id);
  if (found == lanes_.end()) return;
  for (Feed& feed : found->second->feeds) ReloadAt(feed, at);
}

void Scheduler::ReloadAt(Feed& feed, SteadyTime at) {
  if (at >= feed.reload_at) return;
  reloads_.erase({feed.reload_at, feed.nr});
  feed.reload_at = at;
  reloads_.emplace(std::pair(at, feed.nr), &feed);
}

// Forgets what waits on a lane of which nothing can go soon, and reads it again when it can.
void Scheduler::ShutOrOpen(LaneState& lane, SteadyTime now) {
  const SteadyTime paused_until = std::max(lane.paused_until, lane.account->paused_until);
  const bool shut = !lane.open || paused_until > now + options_.horizon;
  if (shut && lane.open) {
    for (Feed& feed : lane.feeds) ReloadAt(feed, paused_until - options_.horizon / 2);
  }
  if (shut == lane.shut) return;
  lane.shut = shut;
  for (Feed& feed : lane.feeds) SetMore(feed, feed.more || feed.count > 0);
  if (shut) {
    // An account may have thousands of numbers, most without anything in memory.
    if (std::all_of(std::begin(lane.feeds), std::end(lane.feeds),
                    [](const Feed& feed) { return feed.count == 0; })) {
      return;
    }
    const std::set<std::string> shortened =
        Drop([&lane](const Entry& entry) { return entry.lane == &lane; }, now);
    for (const std::string& conversation : shortened) Advance(conversation, now);
    return;
  }
  for (Feed& feed : lane.feeds) NoteNeed(feed);
}

std::set<std::string> Scheduler::Drop(const std::function<bool(const Entry&)>& which,
                                      SteadyTime now) {
  std::set<std::string> shortened;
  std::set<Queue*> queues;
  for (auto at = entries_.begin(); at != entries_.end();) {
    Entry& entry = *at->second;
    if (entry.where == Entry::Where::kInFlight || !which(entry)) {
      ++at;
      continue;
    }
    if (entry.where == Entry::Where::kQueued) {
      Queue& queue = QueueOf(*entry.lane, entry.head.key.organization_id, entry.head.priority);
      queue.heads.erase({entry.queued_due, entry.head.ord});
      queues.insert(&queue);
    }
    Feed& feed = entry.lane->feeds[Index(entry.head.priority)];
    --feed.count;
    SetMore(feed, true);
    if (!entry.conversation.empty()) {
      const auto found = conversations_.find(entry.conversation);
      Conversation& conversation = found->second;
      conversation.members.erase({entry.head.conversation_seq, entry.head.ord});
      if (conversation.queued == &entry) conversation.queued = nullptr;
      if (conversation.members.empty()) {
        conversations_.erase(found);
      } else {
        shortened.insert(entry.conversation);
      }
    }
    at = entries_.erase(at);
  }
  for (Queue* queue : queues) Place(*queue, now);
  return shortened;
}

void Scheduler::Park(std::int64_t ord, SteadyTime until, SteadyTime now) {
  const auto found = entries_.find(ord);
  if (found == entries_.end() || found->second->where != Entry::Where::kInFlight) return;
  const std::string key = found->second->conversation;
  const std::int64_t lane_id = found->second->head.lane_id;
  std::vector<std::int64_t> behind;
  if (!key.empty()) {
    parked_[key] = {until, found->second->head.conversation_seq};
    for (const auto& [place, entry] : conversations_.at(key).members) {
      if (entry->head.ord != ord) behind.push_back(entry->head.ord);
    }
  }
  for (const std::int64_t other : behind) {
    const auto at = entries_.find(other);
    Entry& entry = *at->second;
    conversations_.at(key).members.erase({entry.head.conversation_seq, other});
    --entry.lane->feeds[Index(entry.head.priority)].count;
    MarkMoreAt(entry.head.lane_id, until);
    entries_.erase(at);
  }
  Finish(ord, now);
  MarkMoreAt(lane_id, until);
}

// Memory is full, and somebody has nothing there: whoever has more than a fair part gives back
// what would go last.
void Scheduler::Trim(SteadyTime now) {
  const auto& needy = needy_[Index(Priority::kBulk)];
  if (now < trim_at_ || needy.empty()) return;
  trim_at_ = now + kTrimInterval;
  if (needy.begin()->second->count > 0) return;
  std::size_t feeds = 0;
  for (const auto& [id, lane] : lanes_) {
    for (const Feed& feed : lane->feeds) feeds += feed.count > 0 || feed.hungry ? 1 : 0;
  }
  const std::size_t part =
      std::max(kShareMin, options_.heads_max / std::max<std::size_t>(1, feeds));
  std::unordered_map<const Feed*, std::vector<std::pair<SteadyTime, std::int64_t>>> large;
  for (const auto& [ord, entry] : entries_) {
    if (entry->where == Entry::Where::kInFlight || entry->lane == nullptr) continue;
    const Feed& feed = entry->lane->feeds[Index(entry->head.priority)];
    if (feed.priority == Priority::kBulk && feed.count > part) {
      large[&feed].emplace_back(entry->head.due, ord);
    }
  }
  std::set<std::int64_t> last;
  for (auto& [feed, heads] : large) {
    std::sort(heads.begin(), heads.end());
    for (std::size_t i = part; i < heads.size(); ++i) last.insert(heads[i].second);
  }
  if (last.empty()) return;
  const std::set<std::string> shortened =
      Drop([&last](const Entry& entry) { return last.contains(entry.head.ord); }, now);
  for (const std::string& conversation : shortened) Advance(conversation, now);
}

std::vector<LoadRequest> Scheduler::TakeLoads(SteadyTime now) {
  while (!reloads_.empty() && reloads_.begin()->first.first <= now) {
    Feed* feed = reloads_.begin()->second;
    reloads_.erase(reloads_.begin());
    feed->reload_at = SteadyTime::max();
    SetMore(*feed, true);
    ShutOrOpen(*feed->lane, now);
    NoteNeed(*feed);
  }
  if (parked_.size() > kParkedMax) {
    std::erase_if(parked_, [now](const auto& parked) { return parked.second.until <= now; });
  }
  if (Room(Priority::kBulk) < RoomMin()) Trim(now);
  std::vector<LoadRequest> requests;
  std::size_t taken = 0;
  for (const Priority priority : {Priority::kInteractive, Priority::kBulk}) {
    auto& needy = needy_[Index(priority)];
    while (!needy.empty()) {
      const std::size_t all = Room(priority);
      const std::size_t room = all > taken ? all - taken : 0;
      if (room < RoomMin()) break;
      Feed* feed = needy.begin()->second;
      needy.erase(needy.begin());
      feed->needed = 0;
      ShutOrOpen(*feed->lane, now);
      if (!feed->hungry) continue;
      const std::size_t fresh = std::min(room, Share());
      taken += fresh;
      feed->loading = true;
      // What is in memory, or parked, is read again and skipped.
      requests.push_back({feed->lane->lane.id, priority, fresh + feed->count + feed->skipped});
    }
  }
  return requests;
}

void Scheduler::Loaded(const LoadedRows& rows, SteadyTime now) {
  const auto found = lanes_.find(rows.lane_id);
  if (found == lanes_.end()) return;
  LaneState& lane = *found->second;
  Feed& feed = lane.feeds[Index(rows.priority)];
  feed.loading = false;
  feed.skipped = 0;
  SetMore(feed, !rows.complete || lane.shut);
  if (!lane.shut) {
    for (const Head& head : rows.heads) Insert(lane, head, now);
  }
  if (rows.next_due) ReloadAt(feed, *rows.next_due - options_.horizon / 2);
  NoteNeed(feed);
}

void Scheduler::LoadFailed(const LoadRequest& request, SteadyTime retry_at) {
  const auto found = lanes_.find(request.lane_id);
  if (found == lanes_.end()) return;
  Feed& feed = found->second->feeds[Index(request.priority)];
  feed.loading = false;
  ReloadAt(feed, retry_at);
}

}  // namespace parley::sender
