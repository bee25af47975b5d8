#include "pipeline/pump.h"

#include <random>
#include <thread>

#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kStoreRetry{200};
constexpr milliseconds kBusyRetry{1'000};  // A conversation waits for what another process sent.
constexpr microseconds kCollect{500};      // For more free workers, when all are busy.

std::int64_t NewToken() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return std::uniform_int_distribution<std::int64_t>(1)(random);
}

}  // namespace

Pump::Pump(QueueStore& store, const Directory& directory, Settler& settler, Publisher& publisher,
           std::function<Permission()> permission, const PumpOptions& options)
    : store_(store),
      directory_(directory),
      settler_(settler),
      publisher_(publisher),
      permission_(std::move(permission)),
      options_(options),
      search_at_(steady_clock::now() + options.search_interval),
      batch_limit_(options.batch_max) {}

// Mail -------------------------------------------------------------------------------------------

void Pump::Offer(std::vector<StoredHead> heads) {
  {
    const std::lock_guard lock(mutex_);
    for (StoredHead& head : heads) {
      if (epochs_[static_cast<std::size_t>(head.lane.shard)] != 0) {
        mailbox_.offered.push_back(std::move(head));
      }
    }
  }
  changed_.notify_one();
}

void Pump::Poke(const std::vector<std::int64_t>& lanes) {
  {
    const std::lock_guard lock(mutex_);
    mailbox_.poked.insert(lanes.begin(), lanes.end());
  }
  changed_.notify_one();
}

void Pump::Search() {
  {
    const std::lock_guard lock(mutex_);
    mailbox_.search = true;
  }
  changed_.notify_one();
}

void Pump::Tell(std::vector<Settled> settled) {
  {
    const std::lock_guard lock(mutex_);
    mailbox_.settled.insert(mailbox_.settled.end(), settled.begin(), settled.end());
  }
  changed_.notify_one();
}

void Pump::WorkerDone() {
  {
    const std::lock_guard lock(mutex_);
    if (!waiting_for_worker_) return;
    waiting_for_worker_ = false;
    mailbox_.woken = true;
  }
  changed_.notify_one();
}

void Pump::Wake() {
  {
    const std::lock_guard lock(mutex_);
    mailbox_.woken = true;
  }
  changed_.notify_one();
}

void Pump::DirectoryChanged() {
  {
    const std::lock_guard lock(mutex_);
    mailbox_.directory_changed = true;
  }
  changed_.notify_one();
}

void Pump::PauseLane(std::int64_t lane_id, SteadyTime until) {
  const std::lock_guard lock(mutex_);
  mailbox_.lane_pauses.emplace_back(lane_id, until);
}

void Pump::PauseAccount(const std::string& account_sid, SteadyTime until) {
  const std::lock_guard lock(mutex_);
  mailbox_.account_pauses.emplace_back(account_sid, until);
}

void Pump::Grant(const std::vector<OwnedShard>& shards) {
  {
    const std::lock_guard lock(mutex_);
    for (const OwnedShard& shard : shards) {
      epochs_[static_cast<std::size_t>(shard.shard)] = shard.epoch;
      mailbox_.granted.push_back(shard);
    }
  }
  changed_.notify_one();
}

void Pump::Revoke(const ShardSet& shards) {
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t shard = 0; shard < shards.size(); ++shard) {
      if (shards.test(shard)) epochs_[shard] = 0;
    }
    mailbox_.revoked |= shards;
    std::erase_if(mailbox_.granted, [&](const OwnedShard& granted) {
      return shards.test(static_cast<std::size_t>(granted.shard));
    });
  }
  changed_.notify_one();
}

ShardSet Pump::Owned() const {
  const std::lock_guard lock(mutex_);
  ShardSet owned;
  for (std::size_t shard = 0; shard < epochs_.size(); ++shard)
    owned.set(shard, epochs_[shard] != 0);
  return owned;
}

// The loop ---------------------------------------------------------------------------------------

void Pump::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Read(Wait(stop));
    if (stop.stop_requested()) return;
    FindQueues();
    Load();
    Send(stop);
    ReportMetrics();
  }
}

Pump::Mailbox Pump::Wait(const std::stop_token& stop) {
  const SteadyTime wake = std::min({scheduler_.NextWake(), search_at_, retry_at_});
  std::unique_lock lock(mutex_);
  const auto has_mail = [this] {
    return mailbox_.woken || mailbox_.search || mailbox_.directory_changed ||
           !mailbox_.offered.empty() || !mailbox_.poked.empty() || !mailbox_.settled.empty() ||
           !mailbox_.granted.empty() || mailbox_.revoked.any();
  };
  if (saturated_) {
    // Nothing can be picked before a worker is free; outcomes need not wake us one by one.
    waiting_for_worker_ = workers_->Free() == 0;
    if (waiting_for_worker_) {
      changed_.wait_until(lock, stop, search_at_, [&] {
        return !waiting_for_worker_ || mailbox_.revoked.any() || !mailbox_.granted.empty();
      });
      lock.unlock();
      std::this_thread::sleep_for(kCollect);  // Group commit: more will be free by then.
      lock.lock();
    }
  } else if (wake > steady_clock::now()) {
    changed_.wait_until(lock, stop, wake, has_mail);
  }
  Mailbox mail;
  std::swap(mail, mailbox_);
  return mail;
}

void Pump::Read(Mailbox mail) {
  const SteadyTime now = steady_clock::now();
  // Revoked first: what was granted since comes with a new epoch.
  for (int shard = 0; shard < kShards; ++shard) {
    if (mail.revoked.test(static_cast<std::size_t>(shard))) scheduler_.RemoveShard(shard);
  }
  to_search_ &= ~mail.revoked;
  for (const OwnedShard& shard : mail.granted) {
    to_search_.set(static_cast<std::size_t>(shard.shard));
  }
  if (mail.search || now >= search_at_) to_search_ |= Owned();
  for (const auto& [lane, until] : mail.lane_pauses) scheduler_.PauseLane(lane, until, now);
  for (const auto& [account, until] : mail.account_pauses) {
    scheduler_.PauseAccount(account, until, now);
  }
  if (mail.directory_changed) {
    scheduler_.ForEachLane([&](const Lane& lane, Limiter& limiter) {
      limiter.SetInterval(directory_.Interval(lane));
      scheduler_.SetOpen(lane.id, directory_.FindAccount(lane.account_sid) != nullptr, now);
    });
  }
  for (const Settled& settled : mail.settled) {
    if (settled.requeue) {
      scheduler_.Requeue(settled.ord, now + settled.wait, settled.attempt, now);
    } else {
      scheduler_.Finish(settled.ord, now);
      if (settled.unclear) scheduler_.MarkMoreAt(settled.lane_id, now + kStoreRetry);
    }
  }
  std::set<std::int64_t> fresh;
  for (const StoredHead& stored : mail.offered) {
    if (!scheduler_.HasLane(stored.lane.id)) fresh.insert(stored.lane.id);
  }
  for (const std::int64_t lane : mail.poked) {
    if (scheduler_.HasLane(lane)) {
      scheduler_.MarkMore(lane);
    } else {
      fresh.insert(lane);
    }
  }
  fresh.merge(unknown_lanes_);
  unknown_lanes_.clear();
  if (!fresh.empty()) EnsureLanes(fresh);
  for (const StoredHead& stored : mail.offered) scheduler_.Offer(stored.head, now);
}

// Makes these lanes known; all that waits in the table is read for them.
void Pump::EnsureLanes(const std::set<std::int64_t>& ids) {
  const std::vector<std::int64_t> wanted(ids.begin(), ids.end());
  const auto rows = store_.FindLanes(wanted);
  if (!rows.ok()) {
    telemetry::Warning("lanes_unread", rows.status());
    unknown_lanes_ = ids;
    retry_at_ = steady_clock::now() + kStoreRetry;
    return;
  }
  for (const LaneRow& row : *rows) AddLane(row);
}

void Pump::AddLane(const LaneRow& row) {
  {
    const std::lock_guard lock(mutex_);
    if (epochs_[static_cast<std::size_t>(row.lane.shard)] == 0) return;
  }
  if (!scheduler_.HasLane(row.lane.id)) {
    const microseconds interval = directory_.Interval(row.lane);
    SteadyTime first = SteadyTime::min();
    if (row.last_request_age) {
      // Its last owner may have written as late as the write window allows.
      first = steady_clock::now() - *row.last_request_age + options_.write_window +
              interval * row.last_segments;
      if (interval.count() == 0) first = SteadyTime::min();
    }
    scheduler_.AddLane(row.lane, std::make_shared<Limiter>(Gcra(interval, first)),
                       directory_.FindAccount(row.lane.account_sid) != nullptr);
  }
  scheduler_.MarkMore(row.lane.id);
}

void Pump::FindQueues() {
  const SteadyTime now = steady_clock::now();
  if (now >= search_at_) search_at_ = now + options_.search_interval;
  if (retry_at_ <= now) retry_at_ = SteadyTime::max();
  if (to_search_.none()) return;
  const auto rows = store_.QueuedLanes(to_search_);
  if (!rows.ok()) {
    telemetry::Warning("queues_unread", rows.status());
    retry_at_ = now + kStoreRetry;
    return;
  }
  for (const LaneRow& row : *rows) AddLane(row);
  to_search_.reset();
}

void Pump::Load() {
  const std::vector<LoadRequest> requests = scheduler_.TakeLoads(steady_clock::now());
  if (requests.empty()) return;
  const auto loaded = store_.LoadHeads(requests, Scheduler::Options{}.horizon);
  const SteadyTime now = steady_clock::now();
  if (!loaded.ok()) {
    telemetry::Warning("heads_unread", loaded.status());
    for (const LoadRequest& request : requests) scheduler_.LoadFailed(request, now + kStoreRetry);
    return;
  }
  for (const LoadedRows& rows : *loaded) scheduler_.Loaded(rows, now);
}

std::vector<JournalEntry> Pump::ToEntries(std::vector<Head> heads) {
  std::vector<JournalEntry> entries;
  entries.reserve(heads.size());
  const std::lock_guard lock(mutex_);
  for (Head& head : heads) {
    const Lane* lane = scheduler_.FindLane(head.lane_id);
    JournalEntry entry;
    entry.shard = lane->shard;
    entry.epoch = epochs_[static_cast<std::size_t>(lane->shard)];
    entry.head = std::move(head);
    entries.push_back(std::move(entry));
  }
  return entries;
}

void Pump::Send(const std::stop_token& stop) {
  static auto& journal_latency = telemetry::LatencyHistogram(
      "parley_sender_journal_seconds",
      "One journal transaction. If it grows, look at the database's disk.");
  const Permission permission = permission_();
  scheduler_.Allow(permission.interactive, permission.bulk);
  while (!stop.stop_requested()) {
    const std::size_t free = workers_->Free();
    std::vector<Head> heads = scheduler_.Pick(steady_clock::now(), std::min(free, batch_limit_));
    saturated_ = free <= heads.size() && scheduler_.HasReady();
    if (heads.empty()) return;
    const SteadyTime started = steady_clock::now();
    JournalRequest request;
    request.entries = ToEntries(std::move(heads));
    request.replica = options_.replica;
    request.token = NewToken();
    request.deadline = milliseconds(6'000) + options_.send_timeout;
    request.write_by = started + options_.write_window;
    auto results = store_.Journal(request);
    const SteadyTime done = steady_clock::now();
    journal_latency.Observe(std::chrono::duration<double>(done - started).count());
    Adapt(std::chrono::duration_cast<milliseconds>(done - started));
    if (!results.ok()) {
      telemetry::Warning("journal_failed", results.status(), {{"rows", request.entries.size()}});
      Abandon(request.entries, request.token);
      return;
    }
    std::vector<Change> changes;
    for (std::size_t i = 0; i < results->size(); ++i) {
      if ((*results)[i].change) changes.push_back(*(*results)[i].change);
    }
    publisher_.Enqueue(std::move(changes));
    for (std::size_t i = 0; i < results->size(); ++i) {
      Hand(request.entries[i], (*results)[i], done >= request.write_by);
    }
    if (saturated_) return;
  }
}

// A batch that takes longer than the write window is abandoned as a whole: while the store is that
// slow, smaller ones still get through.
void Pump::Adapt(milliseconds journal_took) {
  if (journal_took >= options_.write_window / 2) {
    batch_limit_ = std::max<std::size_t>(1, batch_limit_ / 4);
  } else if (journal_took < options_.write_window / 8) {
    batch_limit_ = std::min(options_.batch_max, batch_limit_ * 2);
  }
}

// The commit is in doubt: if it happened, the rows go back; if not, they are read again.
void Pump::Abandon(const std::vector<JournalEntry>& entries, std::int64_t token) {
  for (const JournalEntry& entry : entries) {
    const auto limiter = scheduler_.LimiterOf(entry.head.lane_id);
    if (limiter != nullptr) limiter->GiveUp(entry.head.segments);
    Job job;
    job.head = entry.head;
    job.journal = token;
    const Lane* lane = scheduler_.FindLane(entry.head.lane_id);
    if (lane != nullptr) job.lane = *lane;
    settler_.Push(Abandoned(job));
  }
}

void Pump::Hand(const JournalEntry& entry, JournalResult& result, bool late) {
  const Head& head = entry.head;
  const SteadyTime now = steady_clock::now();
  auto limiter = scheduler_.LimiterOf(head.lane_id);
  if (result.verdict != Verdict::kSend || late) limiter->GiveUp(head.segments);
  switch (result.verdict) {
    case Verdict::kNotOurs:
      scheduler_.Finish(head.ord, now);
      scheduler_.MarkMoreAt(head.lane_id, now + kBusyRetry);
      return;
    case Verdict::kLater:
      scheduler_.Requeue(head.ord, now + kBusyRetry, head.attempt, now);
      return;
    case Verdict::kHold:
    case Verdict::kEnd:
      if (result.change) {
        telemetry::Info(std::string(StateName(result.change->state)),
                        {{"organization_id", head.key.organization_id},
                         {"message_id", head.key.message_id},
                         {"generation", head.key.generation},
                         {"reason", result.change->reason}});
      }
      scheduler_.Finish(head.ord, now);
      return;
    case Verdict::kSend:
      break;
  }
  result.job.lane = *scheduler_.FindLane(head.lane_id);
  if (late) {
    settler_.Push(Abandoned(result.job));
    return;
  }
  telemetry::Info("sending", {{"organization_id", head.key.organization_id},
                              {"message_id", head.key.message_id},
                              {"generation", head.key.generation},
                              {"attempt", result.job.attempt},
                              {"account_sid", result.job.lane.account_sid},
                              {"from", MaskNumber(result.job.lane.number)},
                              {"to", MaskNumber(result.job.customer_number)}});
  workers_->Submit({std::move(result.job), std::move(limiter)});
}

void Pump::ReportMetrics() {
  static auto& depth = telemetry::Gauge(
      "parley_sender_queue_heads",
      "Waiting sends in memory; the table may hold more. If it stays high, a number's rate, a "
      "pause of Twilio or the number of workers limits.");
  static auto& in_flight = telemetry::Gauge(
      "parley_sender_in_flight", "Requests journalled and not yet settled, at most workers.");
  static auto& waits = telemetry::Counter(
      "parley_sender_rate_waits_total",
      "Times that a queue had to wait for its number's rate. Grows with bulk; more numbers help.");
  depth.Set(static_cast<double>(scheduler_.heads()));
  in_flight.Set(static_cast<double>(scheduler_.in_flight()));
  waits.Increment(static_cast<double>(scheduler_.rate_waits()) - waits.Value());
}

}  // namespace parley::sender
