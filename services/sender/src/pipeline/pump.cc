#include "pipeline/pump.h"

#include <algorithm>
#include <random>
#include <thread>

#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

using std::chrono::steady_clock;

// For more free workers, when all are busy: few large transactions instead of many small ones.
constexpr std::chrono::microseconds kCollect{3'000};
// More are read from the table when their turn comes: while the store hangs, memory does not grow.
constexpr std::size_t kOfferedMax = 10'000;

std::int64_t NewToken() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return std::uniform_int_distribution<std::int64_t>(1)(random);
}

void Log(const Journaled& journaled) {
  for (const Dispatch& dispatch : journaled.dispatches) {
    const Job& job = dispatch.job;
    telemetry::Info("sending", {{"organization_id", job.head.key.organization_id},
                                {"message_id", job.head.key.message_id},
                                {"generation", job.head.key.generation},
                                {"attempt", job.attempt},
                                {"account_sid", job.lane.account_sid},
                                {"from", MaskNumber(job.lane.number)},
                                {"to", MaskNumber(job.customer_number)}});
  }
  for (const Change& change : journaled.changes) {
    if (change.state == State::kSending) continue;
    telemetry::Info(std::string(StateName(change.state)),
                    {{"organization_id", change.key.organization_id},
                     {"message_id", change.key.message_id},
                     {"generation", change.key.generation},
                     {"reason", change.reason}});
  }
}

}  // namespace

Pump::Pump(QueueStore& store, const LaneRules& rules, Settler& settler, Publisher& publisher,
           std::function<Permission()> permission, const EngineOptions& options)
    : store_(store),
      settler_(settler),
      publisher_(publisher),
      permission_(std::move(permission)),
      horizon_(options.scheduler.horizon),
      engine_(rules, options, steady_clock::now()) {}

// Mail -------------------------------------------------------------------------------------------

void Pump::Offer(std::vector<StoredHead> heads) {
  {
    const std::lock_guard lock(mutex_);
    for (StoredHead& head : heads) {
      if (!owned_.test(static_cast<std::size_t>(head.lane.shard))) continue;
      if (mail_.offered.size() < kOfferedMax) {
        mail_.offered.push_back(std::move(head));
      } else {
        mail_.poked.insert(head.lane.id);
      }
    }
  }
  changed_.notify_one();
}

void Pump::Poke(const std::vector<std::int64_t>& lanes) {
  {
    const std::lock_guard lock(mutex_);
    mail_.poked.insert(lanes.begin(), lanes.end());
  }
  changed_.notify_one();
}

void Pump::Search() {
  {
    const std::lock_guard lock(mutex_);
    mail_.search = true;
  }
  changed_.notify_one();
}

std::vector<std::int64_t> Pump::Tell(std::vector<Settled> settled) {
  std::vector<std::int64_t> elsewhere;
  {
    const std::lock_guard lock(mutex_);
    for (const Settled& one : settled) {
      if (one.requeue && !owned_.test(static_cast<std::size_t>(one.shard))) {
        elsewhere.push_back(one.lane_id);
      }
    }
    mail_.settled.insert(mail_.settled.end(), settled.begin(), settled.end());
  }
  changed_.notify_one();
  std::sort(elsewhere.begin(), elsewhere.end());
  elsewhere.erase(std::unique(elsewhere.begin(), elsewhere.end()), elsewhere.end());
  return elsewhere;
}

void Pump::WorkerDone() {
  {
    const std::lock_guard lock(mutex_);
    if (!waiting_for_worker_) return;
    waiting_for_worker_ = false;
    woken_ = true;
  }
  changed_.notify_one();
}

void Pump::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void Pump::DirectoryChanged() {
  {
    const std::lock_guard lock(mutex_);
    mail_.directory_changed = true;
  }
  changed_.notify_one();
}

void Pump::PauseLane(std::int64_t lane_id, SteadyTime until) {
  const std::lock_guard lock(mutex_);
  mail_.lane_pauses.emplace_back(lane_id, until);
}

void Pump::PauseAccount(const std::string& account_sid, SteadyTime until) {
  const std::lock_guard lock(mutex_);
  mail_.account_pauses.emplace_back(account_sid, until);
}

void Pump::LimitAccount(const std::string& account_sid, int limit) {
  const std::lock_guard lock(mutex_);
  mail_.account_limits.emplace_back(account_sid, limit);
}

void Pump::Grant(const std::vector<OwnedShard>& shards) {
  {
    const std::lock_guard lock(mutex_);
    for (const OwnedShard& shard : shards) {
      engine_.handover().Open(shard.shard);
      owned_.set(static_cast<std::size_t>(shard.shard));
      mail_.granted.push_back(shard);
    }
  }
  changed_.notify_one();
}

void Pump::Revoke(const ShardSet& shards) {
  {
    const std::lock_guard lock(mutex_);
    engine_.handover().Close(shards);
    owned_ &= ~shards;
    mail_.revoked |= shards;
    std::erase_if(mail_.granted, [&](const OwnedShard& granted) {
      return shards.test(static_cast<std::size_t>(granted.shard));
    });
  }
  changed_.notify_one();
}

std::vector<LaneBusy> Pump::TakeBusy(const ShardSet& shards) {
  return engine_.handover().TakeBusy(shards, steady_clock::now());
}

ShardSet Pump::Owned() const {
  const std::lock_guard lock(mutex_);
  return owned_;
}

// The loop ---------------------------------------------------------------------------------------

void Pump::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Mail mail = Wait(stop);
    if (stop.stop_requested()) return;
    engine_.Read(std::move(mail), steady_clock::now());
    FindLanes();
    FindQueues();
    Load();
    Send(stop);
    ReportMetrics();
  }
}

bool Pump::HasMail() const {
  return woken_ || mail_.search || mail_.directory_changed || !mail_.offered.empty() ||
         !mail_.poked.empty() || !mail_.settled.empty() || !mail_.granted.empty() ||
         mail_.revoked.any();
}

bool Pump::RulesChanged() const {
  const std::lock_guard lock(mutex_);
  return mail_.directory_changed;
}

Mail Pump::Wait(const std::stop_token& stop) {
  const SteadyTime wake = engine_.NextWake();
  std::unique_lock lock(mutex_);
  if (engine_.saturated()) {
    // Nothing can be picked before a worker is free; outcomes need not wake us one by one.
    waiting_for_worker_ = workers_->Free() == 0;
    if (waiting_for_worker_) {
      changed_.wait_for(lock, stop, std::chrono::seconds(1), [&] {
        return !waiting_for_worker_ || mail_.revoked.any() || !mail_.granted.empty();
      });
      lock.unlock();
      std::this_thread::sleep_for(kCollect);  // Group commit: more will be free by then.
      lock.lock();
    }
  } else if (wake > steady_clock::now()) {
    changed_.wait_until(lock, stop, wake, [this] { return HasMail(); });
  }
  woken_ = false;
  return std::exchange(mail_, {});
}

void Pump::FindLanes() {
  const std::vector<std::int64_t> ids = engine_.TakeUnknownLanes();
  if (ids.empty()) return;
  const auto rows = store_.FindLanes(ids);
  if (rows.ok()) return engine_.FoundLanes(*rows);
  telemetry::Warning("lanes_unread", rows.status());
  engine_.LostLanes(ids, steady_clock::now());
}

void Pump::FindQueues() {
  const ShardSet shards = engine_.TakeSearch(steady_clock::now());
  if (shards.none()) return;
  const auto rows = store_.QueuedLanes(shards);
  if (rows.ok()) return engine_.FoundLanes(*rows);
  telemetry::Warning("queues_unread", rows.status());
  engine_.LostSearch(shards, steady_clock::now());
}

void Pump::Load() {
  const std::vector<LoadRequest> requests = engine_.TakeLoads(steady_clock::now());
  if (requests.empty()) return;
  const auto loaded = store_.LoadHeads(requests, horizon_);
  if (loaded.ok()) return engine_.Loaded(*loaded, steady_clock::now());
  telemetry::Warning("heads_unread", loaded.status());
  engine_.LostLoads(requests, steady_clock::now());
}

void Pump::Send(const std::stop_token& stop) {
  static auto& journal_latency = telemetry::LatencyHistogram(
      "parley_sender_journal_seconds",
      "One journal transaction. If it grows, look at the database's disk.");
  while (!stop.stop_requested()) {
    const SteadyTime started = steady_clock::now();
    const auto request =
        engine_.Plan(started, workers_->Free(), Owned(), permission_(), NewToken());
    if (!request) return;
    auto results = store_.Journal(*request);
    const SteadyTime done = steady_clock::now();
    journal_latency.Observe(std::chrono::duration<double>(done - started).count());
    if (!results.ok()) {
      telemetry::Warning("journal_failed", results.status(), {{"rows", request->entries.size()}});
    }
    Journaled journaled = engine_.Finish(*request, std::move(results), started, done);
    for (SettleEntry& entry : journaled.abandoned) settler_.Push(std::move(entry));
    Log(journaled);
    publisher_.Enqueue(std::move(journaled.changes));
    for (Dispatch& dispatch : journaled.dispatches) workers_->Submit(std::move(dispatch));
    // A lane that was closed must not go on while others keep this loop busy.
    if (engine_.saturated() || RulesChanged()) return;
  }
}

void Pump::ReportMetrics() {
  static auto& depth = telemetry::Gauge(
      "parley_sender_queue_heads",
      "Waiting sends in memory; the table may hold more. If it stays high, a number's rate, a "
      "pause of Twilio or the number of workers limits.");
  static auto& in_flight = telemetry::Gauge(
      "parley_sender_in_flight",
      "Requests journalled and not yet settled, at most workers and a quarter. At that number "
      "for long: raise PARLEY_SEND_WORKERS, or Twilio is slow.");
  static auto& waits = telemetry::Counter(
      "parley_sender_rate_waits_total",
      "Times that a queue had to wait for its number's rate. Grows with bulk; more numbers help.");
  depth.Set(static_cast<double>(engine_.scheduler().heads()));
  in_flight.Set(static_cast<double>(engine_.scheduler().in_flight()));
  waits.Increment(static_cast<double>(engine_.scheduler().rate_waits()) - waits.Value());
}

}  // namespace parley::sender
