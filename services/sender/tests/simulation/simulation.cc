#include "simulation.h"

#include <algorithm>

namespace parley::sender::simulation {
namespace {

// After everything healed, whatever waits for a breaker, a conversation or a deadline has ended.
constexpr Micros kSettleMax = 1'800 * kSecond;
constexpr int kEventsMax = 2'000'000;
// A process that is stopped may be as late as its timer allows, no later.
constexpr Micros kLatenessMax = 5'600 * kMilli;

// As Gcra has it.
constexpr Micros kLateMax = 5 * kMilli;

std::string Name(const DeliveryKey& key) {
  return key.message_id + "/" + std::to_string(key.generation);
}

}  // namespace

Simulation::Simulation(std::uint64_t seed, std::ostream* trace)
    : world_(seed), tables_(world_), twilio_(world_, tables_, faults_) {
  world_.TraceTo(trace);
}

// The run ----------------------------------------------------------------------------------------

std::string Simulation::Run(Totals& totals) {
  MakeLanes();
  MakeFaults();
  patient_ = world_.Chance(0.2);
  twilio_.SetListLag(world_.Between(0, 20 * kSecond));
  replicas_wanted_ = static_cast<int>(world_.Between(1, 3));
  for (int i = 0; i < replicas_wanted_; ++i) StartReplica();
  MakeWork();
  MakeRestore();
  world_.At(healed_at_, [this] { Heal(); });
  int events = 0;
  while (world_.violation().empty() && world_.Step()) {
    ++events;
    WatchDeaths();
    if (healed_ && events % 16 == 0 && IsSettled()) break;
    if (world_.now() > healed_at_ + kSettleMax) break;
    if (events > kEventsMax) world_.Violate("it never rests");
  }
  CheckOnce();
  CheckEnds();
  CheckUnconfirmed();
  CheckEvidence();
  CheckOrder();
  CheckRates();
  CheckConsent();
  CheckLateness();
  CheckHold();
  totals.lifted += tables_.lifted_at() >= 0;
  totals.messages += static_cast<std::int64_t>(messages_);
  totals.taken += static_cast<std::int64_t>(twilio_.ledger().size());
  totals.kills += static_cast<std::int64_t>(buried_.size());
  totals.events += events;
  for (const Row& row : tables_.rows()) {
    totals.unconfirmed += row.state == State::kUnconfirmed;
    totals.listed += row.reason == "CONFIRMED_BY_LIST";
  }
  return world_.violation();
}

void Simulation::MakeLanes() {
  const int lanes = static_cast<int>(world_.Between(1, 4));
  constexpr Micros kIntervals[] = {0, 10 * kMilli, 50 * kMilli, 200 * kMilli, kSecond};
  for (int i = 0; i < lanes; ++i) {
    const std::string number = "n" + std::to_string(i);
    intervals_[number] = kIntervals[world_.Between(0, 4)];
    tables_.AddLane(world_.Chance(0.7) ? "a0" : "a1", number,
                    static_cast<int>(world_.Between(0, kShards - 1)));
  }
}

void Simulation::MakeWork() {
  const int count = static_cast<int>(world_.Between(8, 32));
  const int conversations = static_cast<int>(world_.Between(1, 4));
  std::vector<std::int64_t> seqs(static_cast<std::size_t>(conversations), 0);
  Micros at = 0;
  for (int i = 0; i < count; ++i) {
    at += world_.Chance(0.6) ? 0 : world_.Between(0, 800 * kMilli);
    Tables::Command command;
    NewDelivery& send = command.send;
    const int conversation = static_cast<int>(world_.Between(0, conversations - 1));
    send.key = {"o" + std::to_string(conversation % 2), "m" + std::to_string(i), 0};
    command.lane_id = world_.Between(1, static_cast<Micros>(intervals_.size()));
    send.customer_number = "c" + std::to_string(conversation);
    send.body = send.key.message_id;
    send.segments = world_.Chance(0.8) ? 1 : static_cast<int>(world_.Between(2, 3));
    send.priority = world_.Chance(0.7) ? Priority::kInteractive : Priority::kBulk;
    if (world_.Chance(0.6)) {
      send.conversation_id = "k" + std::to_string(conversation);
      send.conversation_seq = ++seqs[static_cast<std::size_t>(conversation)];
    } else if (world_.Chance(0.2)) {
      send.campaign_id = "p" + send.key.organization_id;
    }
    if (send.conversation_id.empty() && world_.Chance(0.2)) {
      command.not_before_in = world_.Between(0, 15 * kSecond);
    }
    command.not_after_in = world_.Chance(0.9) ? 24 * 3'600 * kSecond
                                              : command.not_before_in + world_.Between(0, kSecond);
    // A conversation's commands share a partition, as their sender number's key has them.
    const int partition = conversation % Kafka::kPartitions;
    world_.At(at, [this, command, partition] { Emit(command, partition); });
    if (world_.Chance(0.05)) {
      world_.At(at + world_.Between(0, 2 * kSecond),
                [this, key = send.key] { tables_.Cancel(key); });
    }
    ++messages_;
  }
  if (world_.Chance(0.3)) {
    constexpr CampaignState kStates[] = {CampaignState::kPaused, CampaignState::kRunning,
                                         CampaignState::kCanceled};
    for (int i = 0; i < 3; ++i) {
      const auto state = kStates[world_.Between(0, 2)];
      world_.At(world_.Between(0, 10 * kSecond), [this, state] {
        tables_.SetCampaign("po0", state);
        tables_.SetCampaign("po1", state);
      });
    }
    world_.At(25 * kSecond, [this] {
      tables_.SetCampaign("po0", CampaignState::kRunning);
      tables_.SetCampaign("po1", CampaignState::kRunning);
    });
  }
  for (int i = 0; i < 2 && world_.Chance(0.5); ++i) {
    const std::string customer = "c" + std::to_string(world_.Between(0, conversations - 1));
    const Micros stop_at = world_.Between(0, 8 * kSecond);
    world_.At(stop_at, [this, customer] {
      kafka_.consents.push_back({customer, true, world_.now()});
    });
    if (world_.Chance(0.5)) {
      world_.At(stop_at + world_.Between(2 * kSecond, 6 * kSecond), [this, customer] {
        kafka_.consents.push_back({customer, false, world_.now()});
      });
    }
  }
  if (world_.Chance(0.1)) twilio_.unsubscribed.insert("c0");
  // An operator pauses a number, or a whole account, and resumes it.
  if (world_.Chance(0.3)) {
    const std::string number = world_.Chance(0.5) ? "n0" : "";
    const Micros pause_at = world_.Between(0, 6 * kSecond);
    world_.At(pause_at, [this, number] {
      tables_.SetPauses(PauseSet({{{tables_.lane(1).account_sid, number}, "operator"}}));
    });
    world_.At(pause_at + world_.Between(100 * kMilli, 20 * kSecond),
              [this] { tables_.SetPauses({}); });
  }
}

// The gateway's relay: at least once, and again until it is accepted.
void Simulation::Emit(const Tables::Command& command, int partition) {
  kafka_.commands[partition].push_back(command);
  if (world_.Chance(0.1)) kafka_.commands[partition].push_back(command);
  if (world_.Chance(0.1)) {
    world_.In(world_.Between(kSecond, 20 * kSecond),
              [this, command, partition] { kafka_.commands[partition].push_back(command); });
  }
  // A person sends again what failed or came too late.
  world_.In(world_.Between(5 * kSecond, 30 * kSecond), [this, command, partition] {
    const Row* row = tables_.Find(command.send.key);
    if (row == nullptr || row->send.key.generation > 2) return;
    if (row->state != State::kFailed && row->state != State::kExpired) return;
    Tables::Command again = command;
    ++again.send.key.generation;
    again.not_after_in = 3'600 * kSecond;
    kafka_.commands[partition].push_back(again);
  });
}

// Faults -----------------------------------------------------------------------------------------

void Simulation::MakeFaults() {
  healed_at_ = world_.Between(3 * kSecond, 15 * kSecond);
  const auto sometimes = [this](double most) {
    return world_.Chance(0.5) ? most * world_.Unit() : 0;
  };
  faults_.strike = sometimes(0.02);
  faults_.store_fails = sometimes(0.1);
  faults_.answer_lost = sometimes(0.1);
  faults_.server_error = sometimes(0.1);
  faults_.busy = sometimes(0.3);
  faults_.refused = sometimes(0.15);
  faults_.no_connection = sometimes(0.3);
  if (world_.Chance(0.3)) faults_.connect_delay_max = 900 * kMilli;
  if (world_.Chance(0.3)) faults_.store_delay_max = 400 * kMilli;
  const auto spell = [this](double chance, Micros longest, bool& what) {
    if (!world_.Chance(chance)) return;
    const Micros from = world_.Between(0, healed_at_);
    world_.At(from, [&what] { what = true; });
    world_.At(from + world_.Between(100 * kMilli, longest), [&what] { what = false; });
  };
  spell(0.2, 8 * kSecond, faults_.store_down);
  spell(0.2, 8 * kSecond, faults_.twilio_down);
  for (int i = 0; i < 3 && world_.Chance(0.4); ++i) {
    world_.At(world_.Between(0, healed_at_),
              [this] { tables_.StepClock(world_.Between(-20 * kSecond, 20 * kSecond)); });
  }
  const auto pick = [this]() -> Replica* {
    std::vector<Replica*> living;
    for (const auto& replica : replicas_) {
      if (replica->alive()) living.push_back(replica.get());
    }
    if (living.empty()) return nullptr;
    return living[static_cast<std::size_t>(
        world_.Between(0, static_cast<Micros>(living.size()) - 1))];
  };
  for (int i = 0; i < 6 && world_.Chance(0.7); ++i) {
    world_.At(world_.Between(0, healed_at_), [this, pick] {
      Replica* replica = pick();
      if (replica == nullptr) return;
      switch (world_.Between(0, 5)) {
        case 0:
          return replica->Kill();
        case 1:
          return replica->Stop();
        case 2:
          return replica->Pause(world_.Between(10 * kMilli, 120 * kSecond));
        case 3:
          replica->SetCutOff(true);
          world_.In(world_.Between(100 * kMilli, 9 * kSecond),
                    [replica] { replica->SetCutOff(false); });
          return;
        case 4:
          return Rebalance();
        case 5:
          return StartReplica();
      }
    });
  }
}

// The database's consents are lost; Kafka has forgotten an opt-out that the gateway knows.
void Simulation::MakeRestore() {
  if (!world_.Chance(0.2)) return;
  restored_at_ = world_.Between(0, healed_at_);
  gateways_own_ = "c" + std::to_string(world_.Between(0, 3));
  tables_.SaveConsent(gateways_own_, true, 0);
  world_.At(restored_at_, [this] {
    world_.Note("the database is restored");
    tables_.Restore();
  });
}

void Simulation::Republish(std::int64_t since_us) {
  if (publishing_ || last_run_us_ >= since_us) return;
  publishing_ = true;
  world_.In(world_.Between(10 * kMilli, 3 * kSecond), [this] { PublishRun(); });
}

void Simulation::PublishRun() {
  const std::int64_t run = Tables::kClockStart + world_.now();
  std::map<std::string, ConsentRecord> newest;
  if (!gateways_own_.empty()) newest[gateways_own_] = {gateways_own_, true, 0, 0, run};
  for (const ConsentRecord& news : kafka_.consents) {
    if (news.run_us != 0) continue;
    newest[news.customer] = {news.customer, news.stopped, 0, news.at, run};
  }
  Micros at = world_.now();
  const auto publish = [&](ConsentRecord record) {
    at += world_.Between(0, kSecond);
    world_.At(at, [this, record]() mutable {
      record.at = world_.now();
      kafka_.consents.push_back(record);
    });
  };
  const bool breaks_off = !healed_ && world_.Chance(0.3);
  ConsentRecord last{.run_us = run};
  last.records = static_cast<std::int64_t>(newest.size());
  // Who reads several partitions may see it first.
  const bool seen_first = !breaks_off && world_.Chance(0.5);
  if (seen_first) publish(last);
  for (const auto& [customer, record] : newest) {
    if (!breaks_off || world_.Chance(0.5)) publish(record);
  }
  if (!breaks_off && !seen_first) publish(last);
  world_.At(at + kMilli, [this, run, breaks_off] {
    if (breaks_off) return PublishRun();
    last_run_us_ = run;
    publishing_ = false;
  });
}

// Whoever died, by us or by its own timer, is replaced some time later.
void Simulation::WatchDeaths() {
  for (const auto& replica : replicas_) {
    if (replica->alive() || !buried_.insert(replica.get()).second) continue;
    const int in_flight = replica->InFlight();
    // Those on workers and one more, journalled ones, and outcomes that are being stored.
    in_flight_at_deaths_ += in_flight;
    world_.In(world_.Between(100 * kMilli, 4 * kSecond), [this] {
      StartReplica();
      Rebalance();
    });
    return;
  }
}

void Simulation::StartReplica() {
  int living = 0;
  for (const auto& replica : replicas_) living += replica->alive() ? 1 : 0;
  if (living >= 3) return;
  replicas_.push_back(std::make_unique<Replica>(world_, tables_, twilio_, kafka_, faults_,
                                                intervals_, "r" + std::to_string(++names_)));
  replicas_.back()->on_foreign = [this](std::int64_t lane) {
    if (!healed_ && world_.Chance(0.1)) return;  // A notification that is lost.
    for (const auto& replica : replicas_) replica->Poke({lane});
  };
  replicas_.back()->on_request = [this](std::int64_t since_us) { Republish(since_us); };
  replicas_.back()->Start();
  Rebalance();
}

void Simulation::Rebalance() {
  std::vector<Replica*> living;
  for (const auto& replica : replicas_) {
    if (replica->alive()) living.push_back(replica.get());
  }
  if (living.empty()) return;
  std::vector<std::vector<int>> shares(living.size());
  for (int i = 0; i < Kafka::kPartitions; ++i) {
    shares[static_cast<std::size_t>(world_.Between(0, static_cast<Micros>(living.size()) - 1))]
        .push_back(i);
  }
  for (std::size_t i = 0; i < living.size(); ++i) living[i]->Assign(shares[i]);
}

void Simulation::Heal() {
  healed_ = true;
  faults_ = Faults{};
  for (const auto& replica : replicas_) replica->SetCutOff(false);
  Rebalance();
}

bool Simulation::IsToBeFound(const Row& row) const {
  // A clock that was set may have put the request into another time.
  if (row.state != State::kUnconfirmed || tables_.stepped()) return false;
  return std::any_of(twilio_.ledger().begin(), twilio_.ledger().end(),
                     [&](const Taken& taken) { return taken.head.key == row.send.key; });
}

bool Simulation::IsSettled() const {
  std::size_t seen = 0;
  for (const Row& row : tables_.rows()) {
    if (row.state == State::kQueued || row.state == State::kSending) return false;
    seen += row.send.key.generation == 0 ? 1 : 0;
  }
  if (seen < messages_) return false;
  if (restored_at_ >= 0 && tables_.lifted_at() < 0) return false;
  if (patient_ && std::any_of(tables_.rows().begin(), tables_.rows().end(),
                              [this](const Row& row) { return IsToBeFound(row); })) {
    return false;
  }
  for (int i = 0; i < Kafka::kPartitions; ++i) {
    if (kafka_.committed[i] < kafka_.commands[i].size()) return false;
  }
  return world_.now() > healed_at_ + 3 * kSecond;
}

// Promises ---------------------------------------------------------------------------------------

void Simulation::CheckOnce() {
  std::set<std::string> seen;
  for (const Taken& taken : twilio_.ledger()) {
    if (!seen.insert(taken.head.key.message_id).second) {
      world_.Violate("sent twice: " + Name(taken.head.key));
    }
  }
}

void Simulation::CheckEnds() {
  std::set<DeliveryKey> taken;
  for (const Taken& entry : twilio_.ledger()) taken.insert(entry.head.key);
  std::size_t known = 0;
  for (const Row& row : tables_.rows()) {
    const std::string name = Name(row.send.key) + " is " + std::string(StateName(row.state));
    known += row.send.key.generation == 0 ? 1 : 0;
    switch (row.state) {
      case State::kQueued:
      case State::kSending:
        world_.Violate("lost: " + name);
        break;
      case State::kSent:
        if (!taken.contains(row.send.key)) world_.Violate("never sent: " + name);
        if (row.sid.empty()) world_.Violate("no SID: " + name);
        break;
      case State::kUnconfirmed:
        if (row.reason.empty()) world_.Violate("no reason: " + name);
        break;
      case State::kFailed:
      case State::kCanceled:
      case State::kExpired:
        if (taken.contains(row.send.key)) world_.Violate("sent all the same: " + name);
        if (row.reason.empty()) world_.Violate("no reason: " + name);
        break;
    }
  }
  if (known != messages_) world_.Violate("a command was lost");
}

void Simulation::CheckUnconfirmed() {
  int unconfirmed = 0;
  for (const Row& row : tables_.rows()) unconfirmed += row.state == State::kUnconfirmed;
  // One that is stopped just now has not told its outcomes yet.
  for (const auto& replica : replicas_) {
    if (replica->alive()) unconfirmed -= replica->InFlight();
  }
  if (unconfirmed > twilio_.doubtful() + in_flight_at_deaths_) {
    world_.Violate(std::to_string(unconfirmed) + " unconfirmed, " +
                   std::to_string(twilio_.doubtful()) + " without an answer and " +
                   std::to_string(in_flight_at_deaths_) + " in flight when replicas died");
  }
}

// What is said to be sent has the SID of its own message; what the list speaks against was never
// taken; and what was taken is found.
void Simulation::CheckEvidence() {
  std::map<std::string, DeliveryKey> keys;
  std::set<DeliveryKey> taken;
  for (std::size_t i = 0; i < twilio_.ledger().size(); ++i) {
    keys.emplace(Twilio::Sid(i), twilio_.ledger()[i].head.key);
    taken.insert(twilio_.ledger()[i].head.key);
  }
  for (const Row& row : tables_.rows()) {
    if (row.state == State::kSent && keys[row.sid] != row.send.key) {
      world_.Violate("the SID of another: " + Name(row.send.key));
    }
    const bool refuted = std::any_of(
        row.findings.begin(), row.findings.end(),
        [](const Finding& finding) { return finding.kind == FindingKind::kListShowsLater; });
    const bool speaks = row.look_journal == row.journal && !tables_.stepped();
    if (refuted && speaks && taken.contains(row.send.key)) {
      world_.Violate("taken, though the list spoke against it: " + Name(row.send.key));
    }
    if (patient_ && world_.violation().empty() && IsToBeFound(row)) {
      world_.Violate("taken, and never found: " + Name(row.send.key));
    }
  }
}

void Simulation::CheckOrder() {
  std::map<std::string, std::pair<std::int64_t, Micros>> last;
  for (const Taken& taken : twilio_.ledger()) {
    const Row& row = *tables_.Find(taken.head.key);
    if (row.send.conversation_id.empty() || taken.head.key.generation > 0 || taken.paused) continue;
    auto& newest =
        last[row.send.conversation_id + (row.send.priority == Priority::kBulk ? "/b" : "/i")];
    if (row.send.conversation_seq < newest.first) {
      world_.Violate("out of order: " + Name(taken.head.key) + " at " +
                     std::to_string(taken.written_at));
    }
    newest.first = std::max(newest.first, row.send.conversation_seq);
  }
}

void Simulation::CheckRates() {
  std::map<std::int64_t, std::vector<const Taken*>> lanes;
  for (const Taken& taken : twilio_.ledger()) {
    if (!taken.paused) lanes[taken.head.lane_id].push_back(&taken);
  }
  for (auto& [id, writes] : lanes) {
    std::sort(writes.begin(), writes.end(),
              [](const Taken* a, const Taken* b) { return a->written_at < b->written_at; });
    const Micros interval = intervals_.at(tables_.lane(id).number);
    // A slot that was missed by a few milliseconds is not lost; no more than that is ever made up.
    const Micros slack = std::min(interval, kLateMax);
    for (std::size_t i = 1; i < writes.size(); ++i) {
      Micros least = 0;
      for (std::size_t j = i; j-- > 0;) {
        least += interval * writes[j]->head.segments;
        const Micros gap = writes[i]->written_at - writes[j]->written_at;
        if (gap >= least - slack) continue;
        world_.Violate("too fast: " + Name(writes[i]->head.key) + " came " + std::to_string(gap) +
                       " µs after " + Name(writes[j]->head.key));
      }
    }
  }
}

void Simulation::CheckConsent() {
  for (const Taken& taken : twilio_.ledger()) {
    if (taken.paused || (taken.cut_off && taken.head.priority == Priority::kInteractive)) continue;
    Micros stopped_at = -1;
    for (const ConsentRecord& record : kafka_.consents) {
      if (record.at > taken.written_at || record.customer != taken.job.customer_number) continue;
      if (record.run_us != 0) continue;  // No news.
      if (!record.stopped) {
        stopped_at = -1;
      } else if (stopped_at < 0) {
        stopped_at = record.at;
      }
    }
    if (stopped_at >= 0 && taken.written_at > stopped_at + kSecond) {
      world_.Violate("sent after an opt-out: " + Name(taken.head.key) + " " +
                     std::to_string(taken.written_at - stopped_at) + " µs later");
    }
  }
}

void Simulation::CheckLateness() {
  for (const Taken& taken : twilio_.ledger()) {
    const Micros late = taken.written_at - taken.planned_at;
    if (late > (taken.paused ? kLatenessMax : 500 * kMilli)) {
      world_.Violate("written " + std::to_string(late) +
                     " µs after its journal: " + Name(taken.head.key));
    }
  }
}

// Nothing that was journalled after a restore leaves before the hold is lifted, and nothing ever to
// whom only the gateway knows as opted out.
void Simulation::CheckHold() {
  if (restored_at_ < 0) return;
  if (world_.violation().empty() && tables_.lifted_at() < 0) world_.Violate("held for ever");
  for (const Taken& taken : twilio_.ledger()) {
    const bool before_the_end = tables_.lifted_at() < 0 || taken.written_at < tables_.lifted_at();
    if (taken.planned_at > restored_at_ && before_the_end) {
      world_.Violate("sent while held: " + Name(taken.head.key));
    }
    const bool started = std::any_of(
        kafka_.consents.begin(), kafka_.consents.end(), [&](const ConsentRecord& record) {
          return record.run_us == 0 && !record.stopped && record.at <= taken.written_at &&
                 record.customer == gateways_own_;
        });
    if (taken.job.customer_number == gateways_own_ && !started) {
      world_.Violate("sent to whom the gateway alone knew: " + Name(taken.head.key));
    }
  }
}

}  // namespace parley::sender::simulation
