#include "domain/scheduler.h"

#include <algorithm>

namespace parley::sender {

// Reads of the table for one lane and priority.
struct Scheduler::Feed {
  std::int64_t nr = 0;
  LaneState* lane = nullptr;
  Priority priority = Priority::kInteractive;
  std::size_t count = 0;  // Heads in memory that are not in flight.
  bool more = false;      // The table may have others.
  bool loading = false;
  SteadyTime reload_at = SteadyTime::max();
};

// What one organization sends over one lane with one priority.
struct Scheduler::Queue {
  enum class Where { kNowhere, kReady, kTimed, kBlocked };
  std::int64_t nr = 0;
  LaneState* lane = nullptr;
  Organization* organization = nullptr;
  Priority priority = Priority::kInteractive;
  std::map<std::pair<SteadyTime, std::int64_t>, Entry*> heads;  // By due, then arrival.
  Where where = Where::kNowhere;
  SteadyTime timer;
};

// What the requests of one account share.
struct Scheduler::Account {
  SteadyTime paused_until = SteadyTime::min();
  int limit = 0;  // 0: none.
  int in_flight = 0;
  std::map<std::int64_t, Queue*> blocked;  // By the limit.
  bool IsFull() const { return limit > 0 && in_flight >= limit; }
};

struct Scheduler::LaneState {
  Lane lane;
  Account* account = nullptr;
  std::shared_ptr<Limiter> limiter;
  bool open = true;
  SteadyTime paused_until = SteadyTime::min();
  Feed feeds[kPriorities];
  std::map<std::pair<std::string, Priority>, std::unique_ptr<Queue>> queues;
};

struct Scheduler::Entry {
  enum class Where { kQueued, kBehind, kInFlight };
  Head head;
  Account* account = nullptr;
  LaneState* lane = nullptr;  // Null once its shard was removed.
  Where where = Where::kBehind;
  SteadyTime queued_due;     // Its key in the queue.
  std::string conversation;  // Key in conversations_; empty: in none.
};

struct Scheduler::Conversation {
  std::map<std::pair<std::int64_t, std::int64_t>, Entry*> members;  // By seq, then arrival.
  Entry* in_flight = nullptr;
  Entry* queued = nullptr;
};

struct Scheduler::Organization {
  std::deque<Queue*> ready[kPriorities];
  bool in_ring = false;
};

Scheduler::Scheduler(const Options& options) : options_(options), lookahead_(options.lookahead) {}
Scheduler::~Scheduler() = default;

// Lanes -----------------------------------------------------------------------------------------

void Scheduler::AddLane(const Lane& lane, std::shared_ptr<Limiter> limiter, bool open) {
  auto state = std::make_unique<LaneState>();
  state->lane = lane;
  state->limiter = std::move(limiter);
  state->open = open;
  auto& account = accounts_[lane.account_sid];
  if (account == nullptr) account = std::make_unique<Account>();
  state->account = account.get();
  for (int i = 0; i < kPriorities; ++i) {
    state->feeds[i].nr = ++next_nr_;
    state->feeds[i].lane = state.get();
    state->feeds[i].priority = static_cast<Priority>(i + 1);
  }
  lanes_.try_emplace(lane.id, std::move(state));
}

const Lane* Scheduler::FindLane(std::int64_t lane_id) const {
  const auto found = lanes_.find(lane_id);
  return found == lanes_.end() ? nullptr : &found->second->lane;
}

std::shared_ptr<Limiter> Scheduler::LimiterOf(std::int64_t lane_id) const {
  const auto found = lanes_.find(lane_id);
  return found == lanes_.end() ? nullptr : found->second->limiter;
}

std::vector<std::int64_t> Scheduler::LaneIds() const {
  std::vector<std::int64_t> ids;
  for (const auto& [id, lane] : lanes_) ids.push_back(id);
  return ids;
}

void Scheduler::RemoveShard(int shard, SteadyTime now) {
  std::set<std::string> shortened;  // Conversations that go on over other lanes.
  for (auto at = entries_.begin(); at != entries_.end();) {
    Entry& entry = *at->second;
    const bool removed = entry.lane != nullptr && entry.lane->lane.shard == shard;
    if (removed && entry.where == Entry::Where::kInFlight) entry.lane = nullptr;
    if (!removed || entry.where == Entry::Where::kInFlight) {
      ++at;
      continue;
    }
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
  for (auto at = lanes_.begin(); at != lanes_.end();) {
    if (at->second->lane.shard != shard) {
      ++at;
      continue;
    }
    for (auto& [key, queue] : at->second->queues) Unplace(*queue);
    for (Feed& feed : at->second->feeds) {
      needy_.erase(feed.nr);
      reloads_.erase({feed.reload_at, feed.nr});
    }
    at = lanes_.erase(at);
  }
  for (const std::string& conversation : shortened) Advance(conversation, now);
}

void Scheduler::SetOpen(std::int64_t lane_id, bool open, SteadyTime now) {
  const auto found = lanes_.find(lane_id);
  if (found == lanes_.end() || found->second->open == open) return;
  found->second->open = open;
  PlaceAll(*found->second, now);
}

void Scheduler::PauseLane(std::int64_t lane_id, SteadyTime until, SteadyTime now) {
  const auto found = lanes_.find(lane_id);
  if (found == lanes_.end()) return;
  found->second->paused_until = std::max(found->second->paused_until, until);
  PlaceAll(*found->second, now);
}

void Scheduler::PauseAccount(const std::string& account_sid, SteadyTime until, SteadyTime now) {
  const auto found = accounts_.find(account_sid);
  if (found == accounts_.end() || found->second->paused_until >= until) return;
  found->second->paused_until = until;
  for (auto& [id, lane] : lanes_) {
    if (lane->account == found->second.get()) PlaceAll(*lane, now);
  }
}

void Scheduler::LimitAccount(const std::string& account_sid, int limit, SteadyTime now) {
  const auto found = accounts_.find(account_sid);
  if (found == accounts_.end()) return;
  found->second->limit = limit;
  Landed(*found->second, now);
}

// There may be room for another request of the account.
void Scheduler::Landed(Account& account, SteadyTime now) {
  if (account.blocked.empty() || account.IsFull()) return;
  const auto blocked = std::exchange(account.blocked, {});
  for (const auto& [nr, queue] : blocked) {
    queue->where = Queue::Where::kNowhere;
    Place(*queue, now);
  }
}

void Scheduler::Allow(bool interactive, bool bulk) {
  allowed_[Index(Priority::kInteractive)] = interactive;
  allowed_[Index(Priority::kBulk)] = bulk;
}

void Scheduler::PlaceAll(LaneState& lane, SteadyTime now) {
  for (auto& [key, queue] : lane.queues) Place(*queue, now);
}

// Heads -----------------------------------------------------------------------------------------

void Scheduler::Offer(const Head& head, SteadyTime now) {
  const auto found = lanes_.find(head.lane_id);
  if (found == lanes_.end() || entries_.contains(head.ord)) return;
  LaneState& lane = *found->second;
  Feed& feed = lane.feeds[Index(head.priority)];
  if (head.due > now + options_.horizon) {
    ReloadAt(feed, head.due - options_.horizon / 2);
    return;
  }
  // Behind rows that only the table has: they come first.
  if (feed.more || feed.count >= options_.feed_heads_max || entries_.size() >= options_.heads_max) {
    feed.more = true;
    NoteNeed(lane, head.priority);
    return;
  }
  Insert(lane, head, now);
}

void Scheduler::Insert(LaneState& lane, const Head& head, SteadyTime now) {
  auto [at, fresh] = entries_.try_emplace(head.ord, nullptr);
  if (!fresh) return;
  at->second = std::make_unique<Entry>();
  Entry& entry = *at->second;
  entry.head = head;
  entry.account = lane.account;
  entry.lane = &lane;
  Count(lane, head.priority, +1);
  if (head.conversation_id.empty()) {
    PutInQueue(entry, now);
    return;
  }
  entry.conversation = head.key.organization_id + "/" + head.conversation_id + "/" +
                       (head.priority == Priority::kBulk ? "b" : "i");
  conversations_[entry.conversation].members.emplace(std::pair(head.conversation_seq, head.ord),
                                                     &entry);
  Advance(entry.conversation, now);
}

// Lets the first message of a conversation queue, unless one is in flight.
void Scheduler::Advance(const std::string& key, SteadyTime now) {
  const auto found = conversations_.find(key);
  if (found == conversations_.end()) return;
  Conversation& conversation = found->second;
  if (conversation.in_flight != nullptr) return;
  Entry* first = conversation.members.begin()->second;
  if (conversation.queued == first) return;
  if (conversation.queued != nullptr) {
    TakeFromQueue(*conversation.queued, now);
    conversation.queued->where = Entry::Where::kBehind;
  }
  conversation.queued = first;
  PutInQueue(*first, now);
}

void Scheduler::LeaveConversation(Entry& entry, SteadyTime now) {
  if (entry.conversation.empty()) return;
  const auto found = conversations_.find(entry.conversation);
  if (found == conversations_.end()) return;
  Conversation& conversation = found->second;
  conversation.members.erase({entry.head.conversation_seq, entry.head.ord});
  if (conversation.in_flight == &entry) conversation.in_flight = nullptr;
  if (conversation.queued == &entry) conversation.queued = nullptr;
  if (conversation.members.empty()) {
    conversations_.erase(found);
  } else {
    Advance(entry.conversation, now);
  }
}

Scheduler::Queue& Scheduler::QueueOf(LaneState& lane, const std::string& organization_id,
                                     Priority priority) {
  auto& slot = lane.queues[{organization_id, priority}];
  if (slot == nullptr) {
    auto& organization = organizations_[organization_id];
    if (organization == nullptr) organization = std::make_unique<Organization>();
    slot = std::make_unique<Queue>();
    slot->nr = ++next_nr_;
    slot->lane = &lane;
    slot->organization = organization.get();
    slot->priority = priority;
  }
  return *slot;
}

void Scheduler::PutInQueue(Entry& entry, SteadyTime now) {
  Queue& queue = QueueOf(*entry.lane, entry.head.key.organization_id, entry.head.priority);
  entry.where = Entry::Where::kQueued;
  entry.queued_due = entry.head.due;
  queue.heads.emplace(std::pair(entry.queued_due, entry.head.ord), &entry);
  if (queue.heads.begin()->second == &entry) Place(queue, now);
}

void Scheduler::TakeFromQueue(Entry& entry, SteadyTime now) {
  Queue& queue = QueueOf(*entry.lane, entry.head.key.organization_id, entry.head.priority);
  queue.heads.erase({entry.queued_due, entry.head.ord});
  Place(queue, now);
}

// Reads from the table --------------------------------------------------------------------------

void Scheduler::Count(LaneState& lane, Priority priority, int by) {
  Feed& feed = lane.feeds[Index(priority)];
  feed.count = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(feed.count) + by);
  if (by < 0) NoteNeed(lane, priority);
}

void Scheduler::NoteNeed(LaneState& lane, Priority priority) {
  Feed& feed = lane.feeds[Index(priority)];
  if (feed.more && !feed.loading && feed.count <= options_.feed_heads_max / 4) {
    needy_.emplace(feed.nr, &feed);
  }
}

void Scheduler::MarkMore(std::int64_t lane_id) {
  const auto found = lanes_.find(lane_id);
  if (found == lanes_.end()) return;
  for (Feed& feed : found->second->feeds) {
    feed.more = true;
    NoteNeed(*found->second, feed.priority);
  }
}

void Scheduler::MarkMoreAt(std::int64_t lane_id, SteadyTime at) {
  const auto found = lanes_.find(lane_id);
  if (found == lanes_.end()) return;
  for (Feed& feed : found->second->feeds) ReloadAt(feed, at);
}

std::vector<LoadRequest> Scheduler::TakeLoads(SteadyTime now) {
  while (!reloads_.empty() && reloads_.begin()->first.first <= now) {
    Feed* feed = reloads_.begin()->second;
    reloads_.erase(reloads_.begin());
    feed->reload_at = SteadyTime::max();
    feed->more = true;
    NoteNeed(*feed->lane, feed->priority);
  }
  std::vector<LoadRequest> requests;
  std::size_t room = options_.heads_max > heads() ? options_.heads_max - heads() : 0;
  while (!needy_.empty() && room > 0) {
    Feed* feed = needy_.begin()->second;
    needy_.erase(needy_.begin());
    // What is in memory is read again, and skipped.
    const std::size_t fresh = std::min(room, options_.feed_heads_max);
    room -= fresh;
    feed->loading = true;
    requests.push_back({feed->lane->lane.id, feed->priority, fresh + feed->count});
  }
  return requests;
}

void Scheduler::Loaded(const LoadedRows& rows, SteadyTime now) {
  const auto found = lanes_.find(rows.lane_id);
  if (found == lanes_.end()) return;
  LaneState& lane = *found->second;
  Feed& feed = lane.feeds[Index(rows.priority)];
  feed.loading = false;
  feed.more = !rows.complete;
  for (const Head& head : rows.heads) Insert(lane, head, now);
  if (rows.next_due) ReloadAt(feed, *rows.next_due - options_.horizon / 2);
  NoteNeed(lane, rows.priority);
}

void Scheduler::LoadFailed(const LoadRequest& request, SteadyTime retry_at) {
  const auto found = lanes_.find(request.lane_id);
  if (found == lanes_.end()) return;
  Feed& feed = found->second->feeds[Index(request.priority)];
  feed.loading = false;
  ReloadAt(feed, retry_at);
}

void Scheduler::ReloadAt(Feed& feed, SteadyTime at) {
  if (at >= feed.reload_at) return;
  reloads_.erase({feed.reload_at, feed.nr});
  feed.reload_at = at;
  reloads_.emplace(std::pair(at, feed.nr), &feed);
}

// Choice ----------------------------------------------------------------------------------------

SteadyTime Scheduler::ReadyAt(const Queue& queue, SteadyTime now, bool* by_rate) const {
  const LaneState& lane = *queue.lane;
  SteadyTime at = std::max(queue.heads.begin()->first.first, lane.paused_until);
  at = std::max(at, lane.account->paused_until);
  const SteadyTime slot = lane.limiter->Expected(now) - lookahead_;
  *by_rate = slot > at && slot > now;
  return std::max(at, slot);
}

void Scheduler::Unplace(Queue& queue) {
  switch (queue.where) {
    case Queue::Where::kNowhere:
      return;
    case Queue::Where::kTimed:
      timers_.erase({queue.timer, queue.nr});
      break;
    case Queue::Where::kBlocked:
      queue.lane->account->blocked.erase(queue.nr);
      break;
    case Queue::Where::kReady: {
      auto& ready = queue.organization->ready[Index(queue.priority)];
      ready.erase(std::find(ready.begin(), ready.end(), &queue));
      --ready_;
      break;
    }
  }
  queue.where = Queue::Where::kNowhere;
}

// Puts a queue where it belongs: ready, waiting for a time, or nowhere.
void Scheduler::Place(Queue& queue, SteadyTime now) {
  if (queue.heads.empty() || !queue.lane->open) {
    Unplace(queue);
    return;
  }
  if (queue.lane->account->IsFull()) {
    if (queue.where == Queue::Where::kBlocked) return;
    Unplace(queue);
    queue.where = Queue::Where::kBlocked;
    queue.lane->account->blocked.emplace(queue.nr, &queue);
    return;
  }
  bool by_rate = false;
  const SteadyTime at = ReadyAt(queue, now, &by_rate);
  if (at <= now) {
    if (queue.where == Queue::Where::kReady) return;  // It keeps its turn.
    Unplace(queue);
    queue.where = Queue::Where::kReady;
    queue.organization->ready[Index(queue.priority)].push_back(&queue);
    ++ready_;
    if (!queue.organization->in_ring) {
      queue.organization->in_ring = true;
      ring_.push_back(queue.organization);
    }
    return;
  }
  if (by_rate) ++rate_waits_;
  Unplace(queue);
  queue.where = Queue::Where::kTimed;
  queue.timer = at;
  timers_.emplace(std::pair(at, queue.nr), &queue);
}

void Scheduler::WakeTimers(SteadyTime now) {
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    Queue& queue = *timers_.begin()->second;
    timers_.erase(timers_.begin());
    queue.where = Queue::Where::kNowhere;
    Place(queue, now);
  }
}

// The next organization's turn: its first number with something interactive, else with bulk.
Scheduler::Queue* Scheduler::NextReady() {
  for (std::size_t tries = ring_.size(); tries > 0; --tries) {
    Organization* organization = ring_.front();
    ring_.pop_front();
    for (int priority = 0; priority < kPriorities; ++priority) {
      auto& ready = organization->ready[priority];
      if (ready.empty() || !allowed_[priority]) continue;
      Queue* queue = ready.front();
      ready.pop_front();
      --ready_;
      queue->where = Queue::Where::kNowhere;
      ring_.push_back(organization);
      return queue;
    }
    if (organization->ready[0].empty() && organization->ready[1].empty()) {
      organization->in_ring = false;
    } else {
      ring_.push_back(organization);  // Not allowed just now.
    }
  }
  return nullptr;
}

std::vector<Head> Scheduler::Pick(SteadyTime now, std::size_t count) {
  WakeTimers(now);
  std::vector<Head> picked;
  while (picked.size() < count) {
    Queue* queue = NextReady();
    if (queue == nullptr) break;
    bool by_rate = false;
    if (queue->heads.empty() || !queue->lane->open || queue->lane->account->IsFull() ||
        ReadyAt(*queue, now, &by_rate) > now) {
      Place(*queue, now);  // Another queue of the lane or account took the slot.
      continue;
    }
    Entry& entry = *queue->heads.begin()->second;
    queue->heads.erase(queue->heads.begin());
    entry.where = Entry::Where::kInFlight;
    ++in_flight_;
    ++entry.account->in_flight;
    Count(*queue->lane, entry.head.priority, -1);
    if (!entry.conversation.empty()) {
      Conversation& conversation = conversations_.at(entry.conversation);
      conversation.queued = nullptr;
      conversation.in_flight = &entry;
    }
    queue->lane->limiter->Reserve(entry.head.segments);
    picked.push_back(entry.head);
    Place(*queue, now);
  }
  return picked;
}

void Scheduler::Finish(std::int64_t ord, SteadyTime now) {
  const auto found = entries_.find(ord);
  if (found == entries_.end() || found->second->where != Entry::Where::kInFlight) return;
  const std::unique_ptr<Entry> entry = std::move(found->second);
  entries_.erase(found);
  --in_flight_;
  --entry->account->in_flight;
  Landed(*entry->account, now);
  LeaveConversation(*entry, now);
}

void Scheduler::Requeue(std::int64_t ord, SteadyTime due, int attempt, SteadyTime now) {
  const auto found = entries_.find(ord);
  if (found == entries_.end() || found->second->where != Entry::Where::kInFlight) return;
  Entry& entry = *found->second;
  Head head = entry.head;
  LaneState* lane = entry.lane;
  Finish(ord, now);
  if (lane == nullptr) {
    MarkMore(head.lane_id);  // Its shard was given up meanwhile, and may be ours again.
    return;
  }
  head.due = due;
  head.attempt = attempt;
  if (due > now + options_.horizon) {
    Offer(head, now);  // Notes when to read it again.
  } else {
    Insert(*lane, head, now);
  }
}

SteadyTime Scheduler::NextWake() const {
  SteadyTime wake = SteadyTime::max();
  if (!needy_.empty() && heads() < options_.heads_max) return SteadyTime::min();
  if (!timers_.empty()) wake = std::min(wake, timers_.begin()->first.first);
  if (!reloads_.empty()) wake = std::min(wake, reloads_.begin()->first.first);
  return wake;
}

}  // namespace parley::sender
