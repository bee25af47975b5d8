#include "replica.h"

#include <algorithm>
#include <cstdlib>

#include "libs/base/status.h"

namespace parley::sender::simulation {
namespace {

using std::chrono::milliseconds;

EngineOptions OptionsOf(const std::string& name) {
  EngineOptions options;
  options.replica = name;
  options.batch_max = 16;
  options.send_timeout = milliseconds(Replica::kTimeout / kMilli);
  options.search_interval = std::chrono::seconds(10);
  options.scheduler.feed_heads_max = 6;  // So that a run reads more than once.
  options.scheduler.heads_max = 24;
  options.scheduler.interactive_heads_max = 6;
  return options;
}

LeaseOptions LeasesOf(const std::string& name) {
  LeaseOptions options;
  options.replica = name;
  return options;
}

BootTime Boot(Micros at) { return std::chrono::hours(2) + std::chrono::microseconds(at); }
Micros FromBoot(BootTime at) {
  return std::chrono::duration_cast<std::chrono::microseconds>(at - Boot(0)).count();
}

constexpr Micros kConsentInterval = 150 * kMilli;
constexpr Permission kNothing{.interactive = false, .bulk = false};

}  // namespace

struct Replica::Work {
  explicit Work(const Task& task)
      : job(task.dispatch.job),
        planned_at(task.planned_at),
        cut_off(task.cut_off),
        slot(task.dispatch.limiter, job.head.segments, job.write_by, task.dispatch.ticket) {}
  const Job job;
  const Micros planned_at;
  const bool cut_off;
  WriteSlot slot;
  Micros allowed_at = 0;
};

Replica::Replica(World& world, Tables& tables, Twilio& twilio, Kafka& kafka, const Faults& faults,
                 const std::map<std::string, Micros>& intervals, std::string name)
    : world_(world),
      tables_(tables),
      twilio_(twilio),
      kafka_(kafka),
      faults_(faults),
      intervals_(intervals),
      name_(std::move(name)),
      engine_(*this, OptionsOf(name_), world.steady()),
      retries_(kRetries),
      leases_(LeasesOf(name_)),
      pauses_(tables.pauses()),  // It does not begin before it knows them.
      consent_(world.steady()),
      heard_at_(world.now()) {}

// Processes --------------------------------------------------------------------------------------

void Replica::At(Micros at, std::function<void()> what) {
  world_.At(at, [this, what = std::move(what)]() mutable {
    if (!alive_) return;
    if (world_.now() < paused_until_) return At(paused_until_, std::move(what));
    what();
  });
}

void Replica::Kill() {
  world_.Note(name_, "is killed");
  alive_ = false;
  timer_ = 0;
  if (world_.Chance(0.5)) tables_.Bury(name_);
}

void Replica::Pause(Micros time) {
  world_.Note(name_, "is paused for", time);
  paused_until_ = std::max(paused_until_, world_.now() + time);
  last_pause_ = paused_until_;
}

void Replica::Stop() {
  At(world_.now(), [this] {
    if (!leaving_) world_.Note(name_, "is told to stop");
    leaving_ = true;
    Leave();
  });
}

// The leases go first, so that others send on; then what is on its way gets its answers.
void Replica::Leave() {
  if (left_) return;
  left_ = true;
  Revoke(ShardSet().set());
  ReleaseQuiet(ShardSet().set(), world_.now() + 600 * kMilli, [this] { End(); });
}

void Replica::End() {
  if (InFlight() > 0) return In(50 * kMilli, [this] { End(); });
  alive_ = false;
}

void Replica::Revoke(const ShardSet& shards) {
  engine_.handover().Close(shards);
  owned_ &= ~shards;
  mail_.revoked |= shards;
  std::erase_if(mail_.granted, [&](const OwnedShard& granted) {
    return shards.test(static_cast<std::size_t>(granted.shard));
  });
}

void Replica::ReleaseQuiet(const ShardSet& shards, Micros latest, std::function<void()> done) {
  if (!engine_.handover().IsQuiet(shards) && world_.now() < latest) {
    return In(2 * kMilli, [this, shards, latest, done] { ReleaseQuiet(shards, latest, done); });
  }
  if (left_) {
    timer_ = 0;
    leases_.GaveUp();
  }
  const auto busy = engine_.handover().TakeBusy(shards, world_.steady());
  Call<bool>(
      [this, shards, busy] {
        tables_.Release(name_, shards, busy);
        if (left_) tables_.Leave(name_);
        return true;
      },
      [done](const auto&) { done(); });
}

int Replica::InFlight() const {
  return static_cast<int>(journalling_ + running_ + tasks_.size() + outcomes_.size() + settling_);
}

void Replica::MayStrike() {
  if (!alive_ || !world_.Chance(faults_.strike)) return;
  if (world_.Chance(0.4)) return Kill();
  Pause(world_.Chance(0.5) ? world_.Between(kMilli, kSecond)
                           : world_.Between(kSecond, 120 * kSecond));
}

template <class Result>
void Replica::Call(std::function<Result()> run, std::function<void(absl::StatusOr<Result>)> done) {
  const Micros there = world_.Between(kMilli / 5, faults_.store_delay_max);
  const Micros back = world_.Between(kMilli / 5, faults_.store_delay_max);
  // Bytes that were written reach the store though the process is gone.
  world_.In(there, [this, back, run = std::move(run), done = std::move(done)] {
    absl::StatusOr<Result> result = Unavailable("STORE_AWAY", "simulated");
    const bool fails = faults_.store_down || world_.Chance(faults_.store_fails);
    const bool runs = !fails || (!faults_.store_down && world_.Chance(0.5));
    if (runs && (alive_ || world_.Chance(0.5))) {
      Result value = run();
      if (!fails) result = std::move(value);
    }
    At(world_.now() + back,
       [done, result = std::move(result)]() mutable { done(std::move(result)); });
  });
}

void Replica::Start() {
  Renew();
  Guard();
  LookAtHold();
  LookForConsent();
  TakeCommands();
  In(world_.Between(0, kSecond), [this] { Sweep(); });
  In(world_.Between(0, kSecond), [this] { LookForEvidence(); });
  In(world_.Between(0, kSecond), [this] { ReadPauses(); });
}

// The pump ---------------------------------------------------------------------------------------

void Replica::WakePump() {
  if (pump_busy_) {
    pump_woken_ = true;
    return;
  }
  pump_busy_ = true;
  ++pump_wake_;
  In(world_.Between(0, kMilli / 5), [this] { Round(); });
}

void Replica::Round() {
  if (leaving_) return;
  engine_.Read(std::exchange(mail_, {}), world_.steady());
  FindLanes();
}

void Replica::FindLanes() {
  const auto ids = engine_.TakeUnknownLanes();
  if (ids.empty()) return FindQueues();
  Call<std::vector<LaneRow>>([this, ids] { return tables_.FindLanes(ids); },
                             [this, ids](const auto& rows) {
                               if (rows.ok()) {
                                 engine_.FoundLanes(*rows);
                               } else {
                                 engine_.LostLanes(ids, world_.steady());
                               }
                               FindQueues();
                             });
}

void Replica::FindQueues() {
  const ShardSet shards = engine_.TakeSearch(world_.steady());
  if (shards.none()) return Load();
  Call<std::vector<LaneRow>>([this, shards] { return tables_.QueuedLanes(shards); },
                             [this, shards](const auto& rows) {
                               if (rows.ok()) {
                                 engine_.FoundLanes(*rows);
                               } else {
                                 engine_.LostSearch(shards, world_.steady());
                               }
                               Load();
                             });
}

void Replica::Load() {
  const auto requests = engine_.TakeLoads(world_.steady());
  for (const LoadRequest& request : requests) {
    world_.Note(name_, "reads lane", request.lane_id, "priority",
                static_cast<int>(request.priority), "rows", request.rows_max);
  }
  if (requests.empty()) return Journal();
  Call<std::vector<LoadedRows>>(
      [this, requests] { return tables_.LoadHeads(requests, Scheduler::Options{}.horizon); },
      [this, requests](const auto& rows) {
        if (rows.ok()) {
          engine_.Loaded(*rows, world_.steady());
        } else {
          engine_.LostLoads(requests, world_.steady());
        }
        Journal();
      });
}

void Replica::Journal() {
  if (leaving_) return;
  const SteadyTime started = world_.steady();
  const std::size_t busy = running_ + tasks_.size();
  const std::size_t capacity = kWorkers + 1;
  const auto request = engine_.Plan(started, busy < capacity ? capacity - busy : 0, owned_,
                                    holding_.Allows() ? consent_.Allowed(started) : kNothing,
                                    world_.Between(1, INT64_MAX - 1));
  CheckTurns(request);
  CheckPauses(request);
  if (!request) return Rest();
  planned_cut_off_ = heard_at_ + 5 * kSecond <= world_.now();
  journalling_ = request->entries.size();
  for (const JournalEntry& entry : request->entries) {
    world_.Note(name_, "plans", entry.head.key.message_id, "ord", entry.head.ord);
  }
  MayStrike();
  Call<std::vector<JournalResult>>(
      [this, request = *request] { return tables_.Journal(request); },
      [this, request = *request, started](auto results) {
        MayStrike();
        At(world_.now(), [this, request, results = std::move(results), started]() mutable {
          Handle(request, std::move(results), started);
        });
      });
}

// What was picked is judged by who would still have sent: of one organization no bulk goes while
// something interactive could, and two that both could get the same, give or take one send each.
void Replica::CheckTurns(const std::optional<JournalRequest>& request) {
  constexpr int kCostMax = 3;
  std::map<std::string, int> sent;
  std::set<std::string> sent_bulk;
  if (request) {
    for (const JournalEntry& entry : request->entries) {
      sent[entry.head.key.organization_id] += entry.head.segments;
      if (entry.head.priority == Priority::kBulk) sent_bulk.insert(entry.head.key.organization_id);
    }
  }
  const auto waiting = engine_.scheduler().WhoWaits(world_.steady());
  for (const Scheduler::Waiting& who : waiting) {
    if (who.priorities[Index(Priority::kInteractive)] && sent_bulk.contains(who.organization_id)) {
      world_.Violate("bulk of " + who.organization_id + " went before its interactive sends");
    }
  }
  if (waiting.size() < 2) {
    ahead_ = 0;
    return;
  }
  ahead_ += sent["o0"] - sent["o1"];
  if (std::abs(ahead_) > 2 * kCostMax) {
    world_.Violate("one organization is " + std::to_string(ahead_) + " segments ahead");
  }
}

// What an operator paused is not journalled any more once the engine was told.
void Replica::CheckPauses(const std::optional<JournalRequest>& request) {
  if (!request || mail_.directory_changed) return;
  for (const JournalEntry& entry : request->entries) {
    if (!pauses_.Covers(tables_.lane(entry.head.lane_id))) continue;
    world_.Violate("journalled in spite of a pause: " + entry.head.key.message_id);
  }
}

void Replica::Handle(const JournalRequest& request,
                     absl::StatusOr<std::vector<JournalResult>> results, SteadyTime started) {
  Journaled journaled = engine_.Finish(request, std::move(results), started, world_.steady());
  journalling_ = 0;
  for (SettleEntry& entry : journaled.abandoned) Push(std::move(entry));
  for (Dispatch& dispatch : journaled.dispatches) {
    tasks_.push_back({std::move(dispatch), FromSteady(started), planned_cut_off_});
  }
  StartWork();
  if (engine_.saturated() || mail_.directory_changed) return Rest();
  Journal();
}

// Sleeps until there is mail, or the engine's time comes.
void Replica::Rest() {
  pump_busy_ = false;
  if (std::exchange(pump_woken_, false)) return WakePump();
  const SteadyTime wake = engine_.NextWake();
  world_.Note(name_, "rests until", wake == SteadyTime::max() ? -1 : FromSteady(wake), "ready",
              engine_.scheduler().HasReady(), "heads", engine_.scheduler().heads(), "flying",
              engine_.scheduler().in_flight());
  if (wake == SteadyTime::max()) return;
  const std::uint64_t mine = ++pump_wake_;
  const Micros at = wake <= world_.steady() ? world_.now() + kMilli / 2
                                            : std::max(FromSteady(wake), world_.now());
  At(at, [this, mine] {
    if (mine == pump_wake_ && !pump_busy_) WakePump();
  });
}

void Replica::Poke(const std::vector<std::int64_t>& lanes) {
  if (!alive_) return;
  mail_.poked.insert(lanes.begin(), lanes.end());
  WakePump();
}

// Workers ----------------------------------------------------------------------------------------

void Replica::StartWork() {
  while (running_ < kWorkers && !tasks_.empty()) {
    ++running_;
    const auto work = std::make_shared<Work>(tasks_.front());
    tasks_.erase(tasks_.begin());
    throttle_.Begin(work->job.lane.account_sid);
    if (work->job.errors == 0) retries_.Earn(work->job.lane.account_sid, world_.steady());
    if (world_.Chance(faults_.no_connection)) {
      In(world_.Between(kMilli, 30 * kMilli), [this, work] {
        Conclude(work, twilio::NotWritten{false, "simulated"});
      });
      continue;
    }
    In(world_.Between(kMilli / 10, faults_.connect_delay_max), [this, work] { AskForTurn(work); });
  }
}

void Replica::AskForTurn(const std::shared_ptr<Work>& work) {
  const auto wait = work->slot.AboutToWrite(world_.steady());
  if (wait.count() < 0) return Conclude(work, twilio::NotWritten{true, "simulated"});
  if (wait.count() > 0) return In(wait.count(), [this, work] { AskForTurn(work); });
  work->allowed_at = world_.now();
  MayStrike();
  At(world_.now(), [this, work] { Write(work); });
}

void Replica::Write(const std::shared_ptr<Work>& work) {
  Taken request;
  request.head = work->job.head;
  request.job = work->job;
  request.planned_at = work->planned_at;
  request.written_at = world_.now();
  request.paused = work->allowed_at != world_.now();
  request.cut_off = work->cut_off;
  world_.Note(name_, "writes", request.head.key.message_id, request.head.key.generation);
  twilio_.Arrive(request, kTimeout, [this, work](const twilio::SendOutcome& outcome) {
    At(world_.now(), [this, work, outcome] { Conclude(work, outcome); });
  });
  MayStrike();
}

void Replica::Conclude(const std::shared_ptr<Work>& work, const twilio::SendOutcome& outcome) {
  const Job& job = work->job;
  AnswerContext context;
  context.errors = job.errors;
  context.jitter = world_.Unit();
  const Throttle::Advice advice =
      throttle_.End(job.lane.account_sid, outcome, world_.steady(), context.jitter);
  context.refusals = advice.refusals;
  SettleEntry entry = EntryOf(job);
  entry.settlement = Settle(RetryPolicy{}, outcome, context);
  const SteadyTime now = world_.steady();
  if (entry.settlement.state == State::kQueued && entry.settlement.counts_as_error) {
    entry.settlement.wait =
        std::max(entry.settlement.wait, retries_.Spend(job.lane.account_sid, now));
  }
  if (advice.limit) mail_.account_limits.emplace_back(job.lane.account_sid, *advice.limit);
  if (advice.pause) mail_.account_pauses.emplace_back(job.lane.account_sid, now + *advice.pause);
  const SteadyTime until = now + entry.settlement.wait;
  if (entry.settlement.pause_lane) mail_.lane_pauses.emplace_back(job.lane.id, until);
  if (entry.settlement.pause_account) {
    mail_.account_pauses.emplace_back(job.lane.account_sid, until);
  }
  --running_;
  Push(std::move(entry));
  MayStrike();
  StartWork();
  WakePump();
}

// Outcomes ---------------------------------------------------------------------------------------

void Replica::Push(SettleEntry entry) {
  outcomes_.push_back(std::move(entry));
  if (settling_ == 0) SettleNext();
}

void Replica::SettleNext() {
  if (outcomes_.empty()) return;
  settling_ = outcomes_.size();
  const std::vector<SettleEntry> batch = std::exchange(outcomes_, {});
  Call<std::vector<SettleResult>>(
      [this, batch] { return tables_.Settle(batch); },
      [this, batch](const auto& results) {
        MayStrike();
        settling_ = 0;
        if (!results.ok()) {
          outcomes_.insert(outcomes_.begin(), batch.begin(), batch.end());
          return In(100 * kMilli, [this] {
            if (settling_ == 0) SettleNext();
          });
        }
        for (std::size_t i = 0; i < batch.size(); ++i) {
          const Settled settled = ToSettled(batch[i], (*results)[i]);
          mail_.settled.push_back(settled);
          if (settled.requeue && !owned_.test(static_cast<std::size_t>(settled.shard))) {
            on_foreign(settled.lane_id);
          }
        }
        WakePump();
        SettleNext();
      });
}

// Leases -----------------------------------------------------------------------------------------

void Replica::Arm(std::optional<BootTime> at) {
  if (!at) return;
  const std::uint64_t mine = timer_ = ++timers_;
  world_.At(FromBoot(*at), [this, mine] {
    if (alive_ && timer_ == mine) Kill();  // By the kernel: paused or not.
  });
}

void Replica::Renew() {
  if (left_) return;
  const BootTime started = Boot(world_.now());
  Arm(leases_.Begin(started));
  const bool was_holding = leases_.holding();
  Call<Leases>([this] { return tables_.Renew(name_, milliseconds(6'000)); },
               [this, started, was_holding](const absl::StatusOr<Leases>& leases) {
                 if (left_) return;
                 const LeaseState::Renewed renewed =
                     leases_.Finish(leases, started, was_holding, Boot(world_.now()));
                 if (renewed.disarm) timer_ = 0;
                 Arm(renewed.arm);
                 Revoke(renewed.revoked);
                 for (const OwnedShard& shard : renewed.granted) {
                   engine_.handover().Open(shard.shard);
                   owned_.set(static_cast<std::size_t>(shard.shard));
                   mail_.granted.push_back(shard);
                 }
                 if (renewed.surplus.any()) {
                   ReleaseQuiet(renewed.surplus, world_.now() + 600 * kMilli, [] {});
                 }
                 if (renewed.revoked.any() || !renewed.granted.empty()) {
                   world_.Note(name_, "holds", renewed.held, "granted", renewed.granted.size(),
                               "revoked", renewed.revoked.count());
                 }
                 WakePump();
                 In(leases.ok() ? 1'500 * kMilli : 250 * kMilli, [this] { Renew(); });
               });
}

void Replica::Guard() {
  if (left_) return;
  const auto at = leases_.GiveUpAt();
  const Micros wait = at ? FromBoot(*at) - world_.now() : 3'500 * kMilli;
  if (wait > 0) return In(std::max(wait, 250 * kMilli), [this] { Guard(); });
  if (!leases_.holding()) {
    timer_ = 0;
    leases_.GaveUp();
    return Guard();
  }
  Revoke(ShardSet().set());
  WakePump();
  In(600 * kMilli, [this] {
    if (left_) return;
    timer_ = 0;
    leases_.GaveUp();
    Guard();
  });
}

// Kafka ------------------------------------------------------------------------------------------

void Replica::LookAtHold() {
  Call<Hold>([this] { return tables_.LookAtHold(); },
             [this](const absl::StatusOr<Hold>& hold) {
               In(kSecond, [this] { LookAtHold(); });
               if (!hold.ok()) return;
               const Holding::Steps steps = holding_.Look(*hold, world_.steady());
               if (holding_.WantsReading()) {
                 world_.Note(name_, "is held");
                 holding_.StartedOver();
                 ++reading_;
                 consents_read_ = 0;
               }
               if (steps.ask && !cut_off_) on_request(*steps.ask);
               if (steps.lift) {
                 MayStrike();
                 Call<bool>(
                     [this, number = hold->number, from = *steps.lift] {
                       tables_.Lift(number, from);
                       return true;
                     },
                     [](const auto&) {});
               }
               WakePump();
             });
}

void Replica::LookForConsent() {
  const auto again = [this] { In(kConsentInterval, [this] { LookForConsent(); }); };
  if (cut_off_) {
    WakePump();
    return again();
  }
  const Micros asked_at = world_.now();
  const std::size_t end = kafka_.consents.size();
  heard_at_ = asked_at;
  if (consents_read_ == end) {
    In(world_.Between(kMilli, 10 * kMilli), [this, asked_at, again, reading = reading_] {
      if (reading != reading_) return again();
      holding_.AtEnd();
      const bool waited = consent_.Allowed(world_.steady()) != Permission{};
      consent_.AtEnd(Steady(asked_at));
      if (waited) WakePump();
      again();
    });
    return;
  }
  consent_.Heard(world_.steady());
  Call<bool>(
      [this, from = consents_read_, end] {
        for (std::size_t i = from; i < end; ++i) {
          const ConsentRecord& record = kafka_.consents[i];
          if (record.records) continue;
          tables_.SaveConsent(record.customer, record.stopped, record.GivenAt());
        }
        return true;
      },
      [this, end, reading = reading_](const auto& saved) {
        if (saved.ok() && reading == reading_) {
          for (std::size_t i = consents_read_; i < end; ++i) {
            const ConsentRecord& record = kafka_.consents[i];
            if (record.run_us == 0) continue;
            holding_.Read({record.run_us, record.records, static_cast<std::int32_t>(i % 3),
                           static_cast<std::int64_t>(i)});
          }
          consents_read_ = end;
        }
        In(kMilli, [this] { LookForConsent(); });
      });
}

void Replica::TakeCommands() {
  if (leaving_) return;
  const auto again = [this] {
    In(world_.Between(20 * kMilli, 60 * kMilli), [this] { TakeCommands(); });
  };
  std::optional<int> found;
  for (const int partition : partitions_) {
    if (kafka_.committed[partition] < kafka_.commands[partition].size()) found = partition;
  }
  if (!found || cut_off_) return again();
  const auto& log = kafka_.commands[*found];
  const std::size_t from = kafka_.committed[*found];
  const std::size_t end = std::min(log.size(), from + 10);
  const std::vector<Tables::Command> batch(log.begin() + static_cast<std::ptrdiff_t>(from),
                                           log.begin() + static_cast<std::ptrdiff_t>(end));
  Call<std::vector<StoredHead>>([this, batch] { return tables_.Apply(batch); },
                                [this, batch, again, partition = *found, end](const auto& stored) {
                                  MayStrike();
                                  if (stored.ok()) {
                                    kafka_.committed[partition] =
                                        std::max(kafka_.committed[partition], end);
                                    for (const StoredHead& head : *stored) {
                                      if (owned_.test(static_cast<std::size_t>(head.lane.shard))) {
                                        mail_.offered.push_back(head);
                                      } else {
                                        on_foreign(head.lane.id);
                                      }
                                    }
                                    WakePump();
                                  }
                                  again();
                                });
}

void Replica::Sweep() {
  if (leaving_) return;
  Call<std::vector<std::int64_t>>([this] { return tables_.Sweep(); },
                                  [this](const auto& lanes) {
                                    if (lanes.ok()) {
                                      for (const std::int64_t lane : *lanes) on_foreign(lane);
                                    }
                                    In(kSecond, [this] { Sweep(); });
                                  });
}

void Replica::ReadPauses() {
  if (leaving_) return;
  Call<PauseSet>([this] { return tables_.pauses(); },
                 [this](const absl::StatusOr<PauseSet>& pauses) {
                   if (pauses.ok() && *pauses != pauses_) {
                     pauses_ = *pauses;
                     mail_.directory_changed = true;
                     WakePump();
                   }
                   In(kSecond, [this] { ReadPauses(); });
                 });
}

// Evidence ---------------------------------------------------------------------------------------

void Replica::LookForEvidence() {
  if (leaving_) return;
  std::set<std::string> open;
  for (const Standstill& breaker : throttle_.Breakers(world_.steady())) {
    if (breaker.state == Standstill::State::kOpen) open.insert(breaker.account_sid);
  }
  Call<std::vector<Pair>>(
      [this, owned = owned_, open] { return tables_.DueLooks(owned, open); },
      [this](const auto& pairs) { LookFor(pairs.ok() ? *pairs : std::vector<Pair>{}); });
}

void Replica::LookFor(std::vector<Pair> pairs) {
  if (leaving_) return;
  if (pairs.empty()) return In(kSecond, [this] { LookForEvidence(); });
  const Pair pair = pairs.back();
  pairs.pop_back();
  const auto next = [this, pairs] { LookFor(pairs); };
  if (throttle_.IsOpen(pair.lane.account_sid, world_.steady())) return next();
  Call<PairRows>(
      [this, pair] { return tables_.LoadPair(pair); },
      [this, pair, next](const absl::StatusOr<PairRows>& rows) {
        if (!rows.ok() || AskSince(rows->suspects) == Time::max()) return next();
        ListView list;
        if (WantsNewest(rows->suspects, rows->now, {})) list.newest = twilio_.Newest(pair.lane);
        In(world_.Between(kMilli, 500 * kMilli), [this, pair, next, rows = *rows, list]() mutable {
          MayStrike();
          list.readable = !faults_.twilio_down && !world_.Chance(faults_.server_error);
          if (list.readable) list.messages = twilio_.List(pair, AskSince(rows.suspects));
          Call<bool>(
              [this, pair, looks = Weigh(rows, list)] {
                tables_.SaveLooks(pair, looks);
                return true;
              },
              [next](const auto&) { next(); });
        });
      });
}

}  // namespace parley::sender::simulation
