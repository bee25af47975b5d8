// Chooses which waiting send goes next: fair between organizations, interactive before bulk, in
// order within a conversation, and no lane faster than its rate.
//
// It holds the heads of each queue, not the queues: the table has the rest, and `TakeLoads` says
// what to read from it. Pure: time comes in as an argument. Not thread-safe.
//
// A head is in exactly one place: queued (its lane's set), behind (an earlier message of its
// conversation goes first), or in flight (picked, until Finish or Requeue).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "domain/delivery.h"
#include "domain/limiter.h"
#include "domain/turns.h"

namespace parley::sender {

// Rows of one lane and priority that memory should hold.
struct LoadRequest {
  std::int64_t lane_id = 0;
  Priority priority = Priority::kInteractive;
  std::size_t rows_max = 0;
};

// What the table had for a LoadRequest.
struct LoadedRows {
  std::int64_t lane_id = 0;
  Priority priority = Priority::kInteractive;
  std::vector<Head> heads;
  bool complete = false;               // There were fewer than rows_max within the horizon.
  std::optional<SteadyTime> next_due;  // Of the first row beyond the horizon.
};

class Scheduler {
 public:
  struct Options {
    std::size_t heads_max = 32'768;  // In memory, over all lanes.
    // That many more for interactive ones, so that bulk never keeps them out.
    std::size_t interactive_heads_max = 8'192;
    std::size_t feed_heads_max = 512;          // Of one lane and priority.
    std::chrono::milliseconds horizon{5'000};  // Rows due later than this stay in the table.
    // How long before its slot a send is picked, so that the journal is done when the slot comes.
    std::chrono::microseconds lookahead{10'000};
    // Requests of an account at once that nobody limited yet; 0: any number.
    int account_limit = 0;
    // Shares of organizations; whoever is not named has 1.
    std::map<std::string, int> weights;
  };

  Scheduler() : Scheduler(Options{}) {}
  explicit Scheduler(const Options& options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // A lane of ours. `open`: its account is known.
  void AddLane(const Lane& lane, std::shared_ptr<Limiter> limiter, bool open);
  bool HasLane(std::int64_t lane_id) const { return lanes_.contains(lane_id); }
  const Lane* FindLane(std::int64_t lane_id) const;
  std::shared_ptr<Limiter> LimiterOf(std::int64_t lane_id) const;
  std::vector<std::int64_t> LaneIds() const;
  // Calls `visit(lane, limiter)` for each lane.
  template <class Visit>
  void ForEachLane(const Visit& visit) const {
    for (const std::int64_t id : LaneIds()) visit(*FindLane(id), *LimiterOf(id));
  }
  // Forgets the lanes of a shard and what waits there; what is in flight may still be ended.
  void RemoveShard(int shard, SteadyTime now);

  // What cannot go within the horizon is not held in memory: closed lanes, and paused ones.
  void SetOpen(std::int64_t lane_id, bool open, SteadyTime now);
  void PauseLane(std::int64_t lane_id, SteadyTime until, SteadyTime now);
  void PauseAccount(const std::string& account_sid, SteadyTime until, SteadyTime now);
  // Ends the account's pause and its limit.
  void ResumeAccount(const std::string& account_sid, SteadyTime now);
  // At most `limit` sends of the account in flight; 0: any number.
  void LimitAccount(const std::string& account_sid, int limit, SteadyTime now);
  void SetLookahead(std::chrono::microseconds lookahead) { lookahead_ = lookahead; }
  // Which priorities may be picked at all.
  void Allow(bool interactive, bool bulk);

  // A row that was just stored. What does not fit is read from the table later.
  void Offer(const Head& head, SteadyTime now);
  // The table may hold rows of this lane that memory has not: read them now, or later.
  void MarkMore(std::int64_t lane_id);
  void MarkMoreAt(std::int64_t lane_id, SteadyTime at);

  // What to read now; answer each with Loaded or LoadFailed.
  std::vector<LoadRequest> TakeLoads(SteadyTime now);
  void Loaded(const LoadedRows& rows, SteadyTime now);
  void LoadFailed(const LoadRequest& request, SteadyTime retry_at);

  // At most `count` heads that may go now. End each with Finish, Requeue or Drop.
  std::vector<Head> Pick(SteadyTime now, std::size_t count);
  // True if Pick would give something.
  bool HasReady() const { return ready_ > 0; }

  // Settled, or no longer ours: the next of its conversation may go.
  void Finish(std::int64_t ord, SteadyTime now);
  // It waits again, after `attempt` requests.
  void Requeue(std::int64_t ord, SteadyTime due, int attempt, SteadyTime now);

  // Its conversation is busy, as the table knows: this one, and what is behind it, is forgotten and
  // read again at `until`.
  void Park(std::int64_t ord, SteadyTime until, SteadyTime now);

  // Who could send at `now` if there were a worker, and with which priorities. For tests.
  struct Waiting {
    std::string organization_id;
    bool priorities[kPriorities] = {};
  };
  std::vector<Waiting> WhoWaits(SteadyTime now) const;

  // When to call TakeLoads and Pick again if nothing else happens.
  SteadyTime NextWake() const;

  std::size_t heads() const { return entries_.size() - in_flight_; }
  std::size_t in_flight() const { return in_flight_; }
  // Times that a head waited for its lane's rate.
  std::int64_t rate_waits() const { return rate_waits_; }

 private:
  struct Queue;
  struct Feed;
  struct LaneState;
  struct Entry;
  struct Conversation;
  struct Organization;
  struct Account;
  // From this message on a conversation waits until then; what comes before it may be what it
  // waits for.
  struct Parked {
    SteadyTime until;
    std::int64_t seq = 0;
  };
  using Conversations = std::unordered_map<std::string, Conversation>;

  Queue& QueueOf(LaneState& lane, const std::string& organization_id, Priority priority);
  void Insert(LaneState& lane, const Head& head, SteadyTime now);
  void PutInQueue(Entry& entry, SteadyTime now);
  void TakeFromQueue(Entry& entry, SteadyTime now);
  void Advance(const std::string& conversation, SteadyTime now);
  void LeaveConversation(Entry& entry, SteadyTime now);
  void Count(LaneState& lane, Priority priority, int by);
  void NoteNeed(Feed& feed);
  void SetMore(Feed& feed, bool more);
  void ShutOrOpen(LaneState& lane, SteadyTime now);
  void PlaceAccount(const Account& account, SteadyTime now);
  // Forgets waiting heads; conversations that lost one and have others, whom to Advance.
  std::set<std::string> Drop(const std::function<bool(const Entry&)>& which, SteadyTime now);
  void Trim(SteadyTime now);
  std::size_t Room(Priority priority) const;
  std::size_t Share() const;
  std::size_t RoomMin() const;
  void ReloadAt(Feed& feed, SteadyTime at);
  SteadyTime ReadyAt(const Queue& queue, SteadyTime now, bool* by_rate) const;
  void Place(Queue& queue, SteadyTime now);
  void Unplace(Queue& queue);
  void PlaceAll(LaneState& lane, SteadyTime now);
  void Landed(Account& account, SteadyTime now);
  void WakeTimers(SteadyTime now);
  Queue* NextReady();

  const Options options_;
  std::chrono::microseconds lookahead_;
  std::unordered_map<std::int64_t, std::unique_ptr<LaneState>> lanes_;
  std::unordered_map<std::string, std::unique_ptr<Organization>> organizations_;
  std::unordered_map<std::int64_t, std::unique_ptr<Entry>> entries_;  // By ord.
  Conversations conversations_;
  std::unordered_map<std::string, std::unique_ptr<Account>> accounts_;
  std::unordered_map<std::string, Parked> parked_;  // By conversation.
  Turns turns_;                                     // Organizations with something ready.
  // By time, then by age: the same history gives the same order.
  std::map<std::pair<SteadyTime, std::int64_t>, Queue*> timers_;
  std::map<std::pair<SteadyTime, std::int64_t>, Feed*> reloads_;
  std::map<std::int64_t, Feed*> needy_[kPriorities];  // Whoever waits longest is first.
  std::int64_t next_need_ = 0;
  std::size_t hungry_ = 0;  // Feeds that may load and have more in the table.
  SteadyTime trim_at_ = SteadyTime::min();
  std::int64_t next_nr_ = 0;
  bool allowed_[kPriorities] = {true, true};
  std::size_t ready_ = 0;
  std::size_t in_flight_ = 0;
  std::int64_t rate_waits_ = 0;
};

}  // namespace parley::sender
