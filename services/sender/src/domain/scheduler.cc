#include "domain/scheduler.h"

#include <algorithm>

#include "domain/scheduler_state.h"

namespace parley::sender {

Scheduler::Scheduler(const Options& options) : options_(options), lookahead_(options.lookahead) {}
Scheduler::~Scheduler() = default;

// Lanes -----------------------------------------------------------------------------------------

void Scheduler::AddLane(const Lane& lane, std::shared_ptr<Limiter> limiter, bool open) {
  auto state = std::make_unique<LaneState>();
  state->lane = lane;
  state->limiter = std::move(limiter);
  state->open = open;
  auto& account = accounts_[lane.account_sid];
  if (account == nullptr) {
    account = std::make_unique<Account>();
    account->limit = options_.account_limit;
  }
  state->account = account.get();
  for (int i = 0; i < kPriorities; ++i) {
    state->feeds[i].nr = ++next_nr_;
    state->feeds[i].lane = state.get();
    state->feeds[i].priority = static_cast<Priority>(i + 1);
  }
  LaneState& added = *lanes_.try_emplace(lane.id, std::move(state)).first->second;
  added.shut = !open;  // Its account may be paused, too: that shows when it is loaded.
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
  for (auto& [ord, entry] : entries_) {
    if (entry->where == Entry::Where::kInFlight && entry->lane != nullptr &&
        entry->lane->lane.shard == shard) {
      entry->lane = nullptr;
    }
  }
  // Conversations that go on over other lanes do so once these lanes are gone.
  const std::set<std::string> shortened = Drop(
      [shard](const Entry& entry) {
        return entry.lane != nullptr && entry.lane->lane.shard == shard;
      },
      now);
  for (auto at = lanes_.begin(); at != lanes_.end();) {
    if (at->second->lane.shard != shard) {
      ++at;
      continue;
    }
    for (auto& [key, queue] : at->second->queues) Unplace(*queue);
    for (Feed& feed : at->second->feeds) {
      SetMore(feed, false);
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
  ShutOrOpen(*found->second, now);
}

void Scheduler::PauseLane(std::int64_t lane_id, SteadyTime until, SteadyTime now) {
  const auto found = lanes_.find(lane_id);
  if (found == lanes_.end()) return;
  found->second->paused_until = std::max(found->second->paused_until, until);
  PlaceAll(*found->second, now);
  ShutOrOpen(*found->second, now);
}

void Scheduler::PauseAccount(const std::string& account_sid, SteadyTime until, SteadyTime now) {
  const auto found = accounts_.find(account_sid);
  if (found == accounts_.end() || found->second->paused_until >= until) return;
  found->second->paused_until = until;
  PlaceAccount(*found->second, now);
}

void Scheduler::ResumeAccount(const std::string& account_sid, SteadyTime now) {
  const auto found = accounts_.find(account_sid);
  if (found == accounts_.end()) return;
  found->second->paused_until = SteadyTime::min();
  found->second->limit = options_.account_limit;
  Landed(*found->second, now);
  PlaceAccount(*found->second, now);
}

void Scheduler::PlaceAccount(const Account& account, SteadyTime now) {
  for (auto& [id, lane] : lanes_) {
    if (lane->account != &account) continue;
    PlaceAll(*lane, now);
    ShutOrOpen(*lane, now);
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
  if (lane.shut || feed.more || feed.count >= options_.feed_heads_max || Room(head.priority) == 0) {
    SetMore(feed, true);
    NoteNeed(feed);
    return;
  }
  Insert(lane, head, now);
}

void Scheduler::Insert(LaneState& lane, const Head& head, SteadyTime now) {
  std::string conversation;
  if (!head.conversation_id.empty()) {
    conversation = head.key.organization_id + "/" + head.conversation_id + "/" +
                   (head.priority == Priority::kBulk ? "b" : "i");
    const auto parked = parked_.find(conversation);
    if (parked != parked_.end() && parked->second.until <= now) {
      parked_.erase(parked);
    } else if (parked != parked_.end() && head.conversation_seq >= parked->second.seq) {
      Feed& feed = lane.feeds[Index(head.priority)];
      ++feed.skipped;
      ReloadAt(feed, parked->second.until);
      return;
    }
  }
  auto [at, fresh] = entries_.try_emplace(head.ord, nullptr);
  if (!fresh) return;
  at->second = std::make_unique<Entry>();
  Entry& entry = *at->second;
  entry.head = head;
  entry.account = lane.account;
  entry.lane = &lane;
  Count(lane, head.priority, +1);
  if (conversation.empty()) {
    PutInQueue(entry, now);
    return;
  }
  entry.conversation = std::move(conversation);
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
    if (organization == nullptr) {
      organization = std::make_unique<Organization>();
      organization->nr = ++next_nr_;
      const auto weight = options_.weights.find(organization_id);
      if (weight != options_.weights.end()) organization->weight = weight->second;
    }
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
    turns_.Enter(*queue.organization);
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
  auto at = turns_.waiting().begin();
  while (at != turns_.waiting().end()) {
    auto& organization = static_cast<Organization&>(*at->second);
    ++at;
    for (int priority = 0; priority < kPriorities; ++priority) {
      auto& ready = organization.ready[priority];
      if (ready.empty() || !allowed_[priority]) continue;
      Queue* queue = ready.front();
      ready.pop_front();
      --ready_;
      queue->where = Queue::Where::kNowhere;
      return queue;
    }
    if (organization.ready[0].empty() && organization.ready[1].empty()) turns_.Leave(organization);
  }
  return nullptr;
}

std::vector<Scheduler::Waiting> Scheduler::WhoWaits(SteadyTime now) const {
  std::vector<Waiting> waiting;
  for (const auto& [id, organization] : organizations_) {
    Waiting who{id, {}};
    for (int priority = 0; priority < kPriorities; ++priority) {
      for (const Queue* queue : organization->ready[priority]) {
        bool by_rate = false;
        who.priorities[priority] |= allowed_[priority] && !queue->heads.empty() &&
                                    queue->lane->open && !queue->lane->account->IsFull() &&
                                    ReadyAt(*queue, now, &by_rate) <= now;
      }
    }
    if (who.priorities[0] || who.priorities[1]) waiting.push_back(std::move(who));
  }
  return waiting;
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
    turns_.Charge(*queue->organization, entry.head.segments);
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
  if (lane->shut || due > now + options_.horizon) {
    Offer(head, now);  // Notes when to read it again.
  } else {
    Insert(*lane, head, now);
  }
}

SteadyTime Scheduler::NextWake() const {
  SteadyTime wake = SteadyTime::max();
  for (const Priority priority : {Priority::kInteractive, Priority::kBulk}) {
    if (!needy_[Index(priority)].empty() && Room(priority) >= RoomMin()) return SteadyTime::min();
  }
  if (!needy_[Index(Priority::kBulk)].empty()) wake = trim_at_;
  if (!timers_.empty()) wake = std::min(wake, timers_.begin()->first.first);
  if (!reloads_.empty()) wake = std::min(wake, reloads_.begin()->first.first);
  return wake;
}

}  // namespace parley::sender
