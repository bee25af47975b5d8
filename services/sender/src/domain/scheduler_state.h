// What the scheduler holds. Internal to it.
#pragma once

#include "domain/scheduler.h"

namespace parley::sender {

// Reads of the table for one lane and priority.
struct Scheduler::Feed {
  std::int64_t nr = 0;
  LaneState* lane = nullptr;
  Priority priority = Priority::kInteractive;
  std::size_t count = 0;    // Heads in memory that are not in flight.
  std::size_t skipped = 0;  // Of the last read: their conversations are parked.
  bool more = false;        // The table may have others.
  bool hungry = false;      // Counted in hungry_.
  bool loading = false;
  std::int64_t needed = 0;  // Its place in needy_; 0: it is not there.
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
  bool shut = false;  // Nothing of it can go within the horizon: memory holds nothing of it.
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

struct Scheduler::Organization : Turns::Party {
  std::deque<Queue*> ready[kPriorities];
};

}  // namespace parley::sender
