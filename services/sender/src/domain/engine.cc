#include "domain/engine.h"

#include <algorithm>

namespace parley::sender {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kStoreRetry{200};
// The slack that a request's deadline leaves for a lease and its clock.
constexpr milliseconds kDeadlineSlack{6'000};
// A lane that was silent for so long by the store's clock is idle, whatever steps that clock made.
constexpr std::chrono::hours kIdle{1};

}  // namespace

Engine::Engine(const LaneRules& rules, const EngineOptions& options, SteadyTime now)
    : rules_(rules),
      options_(options),
      scheduler_(options.scheduler),
      search_at_(now + options.search_interval),
      batch_limit_(options.batch_max) {}

void Engine::Read(Mail mail, SteadyTime now) {
  // Revoked first: what was granted since comes with a new epoch.
  for (std::size_t shard = 0; mail.revoked.any() && shard < mail.revoked.size(); ++shard) {
    if (!mail.revoked.test(shard)) continue;
    epochs_[shard] = 0;
    scheduler_.RemoveShard(static_cast<int>(shard), now);
  }
  to_search_ &= ~mail.revoked;
  for (const OwnedShard& shard : mail.granted) {
    const auto index = static_cast<std::size_t>(shard.shard);
    epochs_[index] = shard.epoch;
    granted_at_[index] = now;
    owner_died_.set(index, shard.owner_died);
    to_search_.set(index);
  }
  if (mail.search || now >= search_at_) {
    search_at_ = now + options_.search_interval;
    for (std::size_t shard = 0; shard < epochs_.size(); ++shard) {
      if (epochs_[shard] != 0) to_search_.set(shard);
    }
  }
  for (const auto& [lane, until] : mail.lane_pauses) scheduler_.PauseLane(lane, until, now);
  for (const auto& [account, until] : mail.account_pauses) {
    scheduler_.PauseAccount(account, until, now);
  }
  for (const auto& [account, limit] : mail.account_limits) {
    scheduler_.LimitAccount(account, limit, now);
  }
  if (mail.directory_changed) ReadDirectory(now);
  for (const Settled& settled : mail.settled) {
    if (settled.requeue) {
      scheduler_.Requeue(settled.ord, now + settled.wait, settled.attempt, now);
    } else {
      scheduler_.Finish(settled.ord, now);
      if (settled.unclear) scheduler_.MarkMoreAt(settled.lane_id, now + kStoreRetry);
    }
  }
  for (const std::int64_t lane : mail.poked) {
    if (scheduler_.HasLane(lane)) {
      scheduler_.MarkMore(lane);
    } else {
      unknown_lanes_.insert(lane);
    }
  }
  for (const StoredHead& stored : mail.offered) {
    if (scheduler_.HasLane(stored.lane.id)) {
      scheduler_.Offer(stored.head, now);
    } else if (epochs_[static_cast<std::size_t>(stored.lane.shard)] != 0) {
      unknown_lanes_.insert(stored.lane.id);  // All that waits there is read then.
    }
  }
}

void Engine::ReadDirectory(SteadyTime now) {
  scheduler_.ForEachLane([&](const Lane& lane, Limiter& limiter) {
    limiter.SetInterval(rules_.Interval(lane));
    // Another token: what the old one met with says nothing.
    const std::int64_t version = rules_.AccountVersion(lane.account_sid);
    std::int64_t& known = account_versions_[lane.account_sid];
    if (known != 0 && version > known) scheduler_.ResumeAccount(lane.account_sid, now);
    known = std::max(known, version);
    scheduler_.SetOpen(lane.id, rules_.IsOpen(lane), now);
  });
}

// Lanes and queues -------------------------------------------------------------------------------

std::vector<std::int64_t> Engine::TakeUnknownLanes() {
  std::vector<std::int64_t> ids(unknown_lanes_.begin(), unknown_lanes_.end());
  unknown_lanes_.clear();
  return ids;
}

void Engine::FoundLanes(std::span<const LaneRow> rows) {
  for (const LaneRow& row : rows) AddLane(row);
}

void Engine::LostLanes(std::span<const std::int64_t> ids, SteadyTime now) {
  unknown_lanes_.insert(ids.begin(), ids.end());
  retry_at_ = now + kStoreRetry;
}

void Engine::AddLane(const LaneRow& row) {
  const auto shard = static_cast<std::size_t>(row.lane.shard);
  if (epochs_[shard] == 0) return;
  if (!scheduler_.HasLane(row.lane.id)) {
    const microseconds interval = rules_.Interval(row.lane);
    scheduler_.AddLane(row.lane,
                       std::make_shared<Limiter>(Gcra(interval, FirstSlot(row, interval))),
                       rules_.IsOpen(row.lane));
    account_versions_.try_emplace(row.lane.account_sid,
                                  rules_.AccountVersion(row.lane.account_sid));
  }
  scheduler_.MarkMore(row.lane.id);
}

// Counted from the grant and not by the store's clock, which may have been set. What the last
// sender said of the lane when it gave it away was true then, and the grant came later.
SteadyTime Engine::FirstSlot(const LaneRow& row, microseconds interval) const {
  const auto shard = static_cast<std::size_t>(row.lane.shard);
  if (interval.count() == 0 || !row.last_request_age || *row.last_request_age >= kIdle) {
    return SteadyTime::min();
  }
  if (row.busy) return granted_at_[shard] + *row.busy;
  // It journalled before the grant, and may have written until then, or as late as its window
  // allows if it may still live.
  const auto window = owner_died_.test(shard) ? milliseconds(0) : options_.write_window;
  return granted_at_[shard] + window + interval * row.last_segments;
}

ShardSet Engine::TakeSearch(SteadyTime now) {
  if (retry_at_ <= now) retry_at_ = SteadyTime::max();
  return std::exchange(to_search_, {});
}

void Engine::LostSearch(const ShardSet& shards, SteadyTime now) {
  to_search_ |= shards;
  retry_at_ = now + kStoreRetry;
}

void Engine::Loaded(std::span<const LoadedRows> rows, SteadyTime now) {
  for (const LoadedRows& loaded : rows) scheduler_.Loaded(loaded, now);
}

void Engine::LostLoads(std::span<const LoadRequest> requests, SteadyTime now) {
  for (const LoadRequest& request : requests) scheduler_.LoadFailed(request, now + kStoreRetry);
}

// Journal ----------------------------------------------------------------------------------------

std::optional<JournalRequest> Engine::Plan(SteadyTime now, std::size_t free, const ShardSet& owned,
                                           Permission permission, std::int64_t token) {
  scheduler_.Allow(permission.interactive, permission.bulk);
  std::vector<Head> heads = scheduler_.Pick(now, std::min(free, batch_limit_));
  saturated_ = free <= heads.size() && scheduler_.HasReady();
  if (heads.empty()) return std::nullopt;
  JournalRequest request;
  request.replica = options_.replica;
  request.token = token;
  request.deadline = kDeadlineSlack + options_.send_timeout;
  request.write_by = now + options_.write_window;
  request.entries.reserve(heads.size());
  for (Head& head : heads) {
    JournalEntry entry;
    entry.shard = scheduler_.FindLane(head.lane_id)->shard;
    const auto shard = static_cast<std::size_t>(entry.shard);
    entry.begun = owned.test(shard) && handover_.Begin(entry.shard);
    entry.epoch = entry.begun ? epochs_[shard] : 0;
    entry.head = std::move(head);
    request.entries.push_back(std::move(entry));
  }
  return request;
}

Journaled Engine::Finish(const JournalRequest& request,
                         absl::StatusOr<std::vector<JournalResult>> results, SteadyTime started,
                         SteadyTime now) {
  Adapt(std::chrono::duration_cast<microseconds>(now - started));
  Journaled journaled;
  if (!results.ok()) {
    // The commit is in doubt: if it happened, the rows go back; if not, they are read again.
    for (const JournalEntry& entry : request.entries) {
      scheduler_.LimiterOf(entry.head.lane_id)->GiveUp(entry.head.segments);
      Job job;
      job.head = entry.head;
      job.journal = request.token;
      job.lane = *scheduler_.FindLane(entry.head.lane_id);
      if (entry.begun) handover_.GivenUp(entry.shard);
      journaled.abandoned.push_back(Abandoned(job));
      journaled.abandoned.back().in_doubt = true;
    }
    return journaled;
  }
  const bool late = now >= request.write_by;
  for (std::size_t i = 0; i < results->size(); ++i) {
    Hand(request.entries[i], (*results)[i], late, now, journaled);
  }
  return journaled;
}

// A batch that takes longer than the write window is abandoned as a whole: while the store is that
// slow, smaller ones still get through. What waits for its slot is journalled so early that the
// transaction is over when the slot comes.
void Engine::Adapt(microseconds journal_took) {
  journal_time_ = (journal_time_ * 7 + journal_took) / 8;
  scheduler_.SetLookahead(std::clamp<microseconds>(journal_time_ * 2, options_.scheduler.lookahead,
                                                   options_.write_window / 4));
  if (journal_took >= options_.write_window / 2) {
    batch_limit_ = std::max<std::size_t>(1, batch_limit_ / 4);
  } else if (journal_took < options_.write_window / 8) {
    batch_limit_ = std::min(options_.batch_max, batch_limit_ * 2);
  }
}

void Engine::Hand(const JournalEntry& entry, JournalResult& result, bool late, SteadyTime now,
                  Journaled& journaled) {
  const Head& head = entry.head;
  auto limiter = scheduler_.LimiterOf(head.lane_id);
  if (result.change) journaled.changes.push_back(*std::move(result.change));
  if (result.verdict != Verdict::kSend || late) {
    limiter->GiveUp(head.segments);
    if (entry.begun) handover_.GivenUp(entry.shard);
  }
  switch (result.verdict) {
    case Verdict::kLater:
      scheduler_.Park(head.ord, now + kBusyDelay, now);
      return;
    case Verdict::kNotOurs:
      scheduler_.Finish(head.ord, now);
      scheduler_.MarkMoreAt(head.lane_id, now + kBusyDelay);
      return;
    case Verdict::kHold:
    case Verdict::kEnd:
      scheduler_.Finish(head.ord, now);
      return;
    case Verdict::kSend:
      break;
  }
  result.job.lane = *scheduler_.FindLane(head.lane_id);
  journaled.changes.push_back(SendingChange(result.job, result));
  if (late) {
    journaled.abandoned.push_back(Abandoned(result.job));
  } else {
    journaled.dispatches.push_back(
        {std::move(result.job), std::move(limiter), {&handover_, entry.shard, head.lane_id}});
  }
}

SteadyTime Engine::NextWake() const {
  return std::min({scheduler_.NextWake(), search_at_, retry_at_});
}

}  // namespace parley::sender
