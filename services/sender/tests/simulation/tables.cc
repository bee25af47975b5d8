#include "tables.h"

#include <algorithm>

namespace parley::sender::simulation {
namespace {
Micros Of(std::chrono::milliseconds time) { return time.count() * kMilli; }
}  // namespace

std::int64_t Tables::AddLane(const std::string& account_sid, const std::string& number, int shard) {
  LaneState lane;
  lane.lane = {static_cast<std::int64_t>(lanes_.size()) + 1, shard, account_sid, Medium::kSms,
               number};
  lanes_.push_back(lane);
  return lane.lane.id;
}

Row* Tables::Get(const DeliveryKey& key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &rows_[found->second];
}
const Row* Tables::Find(const DeliveryKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &rows_[found->second];
}

Change Tables::Moved(Row& row, State state, std::string reason) {
  row.state = state;
  row.reason = std::move(reason);
  row.changed_at = Now();
  world_.Note(row.send.key.message_id, row.send.key.generation, StateName(state), row.reason,
              "attempt", row.attempt, "ord", row.ord, "lane", row.lane_id);
  Change change;
  change.key = row.send.key;
  change.ord = row.ord;
  change.version = ++row.version;
  change.state = state;
  change.attempt = row.attempt;
  change.reason = row.reason;
  return change;
}

// Commands ---------------------------------------------------------------------------------------

std::vector<StoredHead> Tables::Apply(std::span<const Command> commands) {
  std::vector<StoredHead> inserted;
  for (const Command& command : commands) {
    const NewDelivery& send = command.send;
    if (!by_key_.emplace(send.key, rows_.size()).second) continue;
    Row row;
    row.send = send;
    row.ord = static_cast<std::int64_t>(rows_.size()) + 1;
    row.lane_id = command.lane_id;
    row.not_before = command.not_before_in == 0 ? 0 : Now() + command.not_before_in;
    row.due = std::max(row.not_before, Now());
    row.not_after = Now() + command.not_after_in;
    for (const Row& older : rows_) {
      if (older.send.key.organization_id == send.key.organization_id &&
          older.send.key.message_id == send.key.message_id) {
        row.attempt = std::max(row.attempt, older.attempt);
      }
    }
    StoredHead stored;
    stored.lane = lane(row.lane_id);
    stored.head = {row.ord,
                   send.key,
                   row.lane_id,
                   send.priority,
                   world_.steady() + std::chrono::microseconds(command.not_before_in),
                   send.conversation_id,
                   send.conversation_seq,
                   send.segments,
                   row.attempt};
    world_.Note(send.key.message_id, send.key.generation, "stored, lane", row.lane_id, "ord",
                row.ord, "priority", static_cast<int>(send.priority), send.conversation_id,
                send.conversation_seq, "due", row.due - Now());
    inserted.push_back(std::move(stored));
    rows_.push_back(std::move(row));
  }
  return inserted;
}

void Tables::Cancel(const DeliveryKey& key) {
  int& generation = cancellations_.try_emplace(key.message_id, -1).first->second;
  generation = std::max(generation, key.generation);
  for (Row& row : rows_) {
    if (row.send.key.message_id == key.message_id && row.send.key.generation <= key.generation &&
        row.state == State::kQueued) {
      Moved(row, State::kCanceled, "CANCELED");
    }
  }
}

void Tables::SetCampaign(const std::string& campaign_id, CampaignState state) {
  campaigns_[campaign_id] = state;
}

// The queue --------------------------------------------------------------------------------------

LaneRow Tables::ToLaneRow(const LaneState& lane) const {
  LaneRow row;
  row.lane = lane.lane;
  if (lane.last_request_at >= 0) {
    row.last_request_age = std::chrono::microseconds(Now() - lane.last_request_at);
  }
  row.last_segments = lane.last_segments;
  if (lane.busy >= 0) row.busy = std::chrono::microseconds(lane.busy);
  return row;
}

std::vector<LaneRow> Tables::QueuedLanes(const ShardSet& shards) {
  std::vector<LaneRow> found;
  for (const LaneState& lane : lanes_) {
    if (!shards.test(static_cast<std::size_t>(lane.lane.shard))) continue;
    const bool queued = std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) {
      return row.lane_id == lane.lane.id && row.state == State::kQueued && !row.held;
    });
    if (queued) found.push_back(ToLaneRow(lane));
  }
  return found;
}

std::vector<LaneRow> Tables::FindLanes(std::span<const std::int64_t> ids) {
  std::vector<LaneRow> found;
  for (const std::int64_t id : ids) found.push_back(ToLaneRow(lanes_[std::size_t(id) - 1]));
  return found;
}

std::vector<LoadedRows> Tables::LoadHeads(std::span<const LoadRequest> requests,
                                          std::chrono::milliseconds horizon) {
  std::vector<LoadedRows> loaded;
  for (const LoadRequest& request : requests) {
    LoadedRows into;
    into.lane_id = request.lane_id;
    into.priority = request.priority;
    std::vector<const Row*> waiting;
    for (const Row& row : rows_) {
      if (row.lane_id == request.lane_id && row.send.priority == request.priority &&
          row.state == State::kQueued && !row.held) {
        waiting.push_back(&row);
      }
    }
    std::sort(waiting.begin(), waiting.end(), [](const Row* a, const Row* b) {
      return std::pair(a->due, a->ord) < std::pair(b->due, b->ord);
    });
    for (const Row* row : waiting) {
      const SteadyTime due = world_.steady() + std::chrono::microseconds(row->due - Now());
      if (row->due > Now() + Of(horizon)) {
        into.next_due = due;
        break;
      }
      if (into.heads.size() == request.rows_max) break;
      into.heads.push_back({row->ord, row->send.key, row->lane_id, row->send.priority, due,
                            row->send.conversation_id, row->send.conversation_seq,
                            row->send.segments, row->attempt});
    }
    into.complete = into.heads.size() < request.rows_max;
    loaded.push_back(std::move(into));
  }
  return loaded;
}

bool Tables::IsConversationBusy(const Row& row) const {
  for (const Row& other : rows_) {
    if (other.send.key.organization_id != row.send.key.organization_id) continue;
    if (other.send.key.message_id == row.send.key.message_id &&
        other.send.key.generation < row.send.key.generation && other.state == State::kSending) {
      return true;
    }
    if (row.send.conversation_id.empty() ||
        other.send.conversation_id != row.send.conversation_id ||
        other.send.priority != row.send.priority ||
        other.send.conversation_seq >= row.send.conversation_seq) {
      continue;
    }
    if (other.state == State::kSending ||
        (other.state == State::kQueued && !other.held && other.not_before <= Now()) ||
        (other.state == State::kUnconfirmed && other.changed_at > Now() - 60 * kSecond)) {
      return true;
    }
  }
  return false;
}

GateFacts Tables::Facts(const Row& row, const JournalEntry& entry,
                        const std::string& replica) const {
  GateFacts facts;
  const Shard& shard = shards_[static_cast<std::size_t>(entry.shard)];
  facts.lease_valid =
      shard.epoch == entry.epoch && shard.owner == replica && shard.lease_until > Now() + kSecond;
  facts.still_queued =
      row.state == State::kQueued && !row.held && row.attempt == entry.head.attempt;
  const auto canceled = cancellations_.find(row.send.key.message_id);
  facts.canceled = canceled != cancellations_.end() && canceled->second >= row.send.key.generation;
  facts.past_not_after = row.not_after <= Now();
  const auto campaign = campaigns_.find(row.send.campaign_id);
  if (campaign != campaigns_.end()) facts.campaign = campaign->second;
  const auto consent = consents_.find(row.send.customer_number);
  facts.opted_out = (consent != consents_.end() && consent->second.second) ||
                    blocked_.contains({row.send.customer_number, row.lane_id});
  facts.conversation_busy = IsConversationBusy(row);
  for (const Row& other : rows_) {
    facts.superseded |= other.send.key.organization_id == row.send.key.organization_id &&
                        other.send.key.message_id == row.send.key.message_id &&
                        other.send.key.generation > row.send.key.generation;
  }
  return facts;
}

std::vector<JournalResult> Tables::Journal(const JournalRequest& request) {
  std::vector<JournalResult> results(request.entries.size());
  if (identity_ != known_identity_) return results;  // A connection looks which database it is.
  // Judged by one look, then marked: a batch does not see its own marks.
  std::vector<Judgement> judgements;
  for (const JournalEntry& entry : request.entries) {
    const Row* row = Find(entry.head.key);
    judgements.push_back(row == nullptr ? Judgement{.verdict = Verdict::kNotOurs}
                                        : Judge(Facts(*row, entry, request.replica)));
  }
  std::map<std::int64_t, int> segments;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const JournalEntry& entry = request.entries[i];
    JournalResult& result = results[i];
    result.verdict = judgements[i].verdict;
    if (result.verdict == Verdict::kNotOurs) continue;
    Row& row = *Get(entry.head.key);
    if (result.verdict == Verdict::kLater) {
      row.due = Now() + kBusyDelay.count() * kMilli;
      continue;
    }
    if (result.verdict == Verdict::kHold) row.held = true;
    if (result.verdict != Verdict::kSend) {
      result.change = Moved(row, judgements[i].state, judgements[i].reason);
      continue;
    }
    ++row.attempt;
    row.journal = request.token;
    row.requested_at = Now();
    row.deadline = Now() + Of(request.deadline);
    result.version = Moved(row, State::kSending, "").version;
    segments[row.lane_id] += row.send.segments;
    result.job.head = entry.head;
    result.job.customer_number = row.send.customer_number;
    result.job.body = row.send.body;
    result.job.attempt = row.attempt;
    result.job.errors = row.errors;
    result.job.journal = request.token;
    result.job.write_by = request.write_by;
  }
  for (const auto& [id, count] : segments) {
    LaneState& lane = lanes_[static_cast<std::size_t>(id) - 1];
    lane.last_request_at = Now();
    lane.last_segments = count;
    lane.busy = -1;
  }
  return results;
}

std::vector<SettleResult> Tables::Settle(std::span<const SettleEntry> entries) {
  std::vector<SettleResult> results;
  for (const SettleEntry& entry : entries) {
    SettleResult result;
    const Settlement& settlement = entry.settlement;
    Row* row = Get(entry.head.key);
    if (row != nullptr && row->journal == entry.journal &&
        (row->state == State::kSending ||
         (row->state == State::kUnconfirmed && settlement.state != State::kUnconfirmed))) {
      row->sid = settlement.message_sid;
      row->errors += settlement.counts_as_error ? 1 : 0;
      row->attempt -= settlement.counts_as_attempt ? 0 : 1;
      if (settlement.state == State::kQueued) row->due = Now() + Of(settlement.wait);
      result.version = Moved(*row, settlement.state, settlement.reason).version;
      result.applied = true;
      result.attempt = row->attempt;
    }
    if (settlement.block_pair) blocked_.insert({entry.customer_number, entry.head.lane_id});
    results.push_back(std::move(result));
  }
  return results;
}

void Tables::ApplyEvidence(const Evidence& evidence) {
  for (Row& row : rows_) {
    if (row.send.key.message_id == evidence.message_id && row.attempt == evidence.attempt &&
        (row.state == State::kSending || row.state == State::kUnconfirmed)) {
      row.sid = evidence.message_sid;
      Moved(row, State::kSent, "CONFIRMED_BY_CALLBACK");
    }
  }
}

bool Tables::IsDue(const Row& row) const {
  if (row.state != State::kUnconfirmed) return false;
  if (row.look_journal == row.journal) return row.look_due && *row.look_due <= Now();
  return row.changed_at + Of(kFirstLook) <= Now();
}

std::vector<Pair> Tables::DueLooks(const ShardSet& shards, const std::set<std::string>& skip) {
  std::map<std::pair<std::int64_t, std::string>, Pair> pairs;
  for (const Row& row : rows_) {
    const Lane& of = lane(row.lane_id);
    if (!IsDue(row) || !shards.test(static_cast<std::size_t>(of.shard))) continue;
    if (skip.contains(of.account_sid)) continue;
    pairs.emplace(std::pair(row.lane_id, row.send.customer_number),
                  Pair{of, row.send.customer_number});
  }
  std::vector<Pair> due;
  for (const auto& [key, pair] : pairs) due.push_back(pair);
  return due;
}

std::set<std::string> Tables::Claimed(const Pair& pair) const {
  std::set<std::string> sids;
  for (const Row& row : rows_) {
    if (row.lane_id == pair.lane.id && row.send.customer_number == pair.customer_number &&
        !row.sid.empty()) {
      sids.insert(row.sid);
    }
  }
  return sids;
}

PairRows Tables::LoadPair(const Pair& pair) {
  PairRows loaded;
  loaded.now = FromMicros(Now());
  loaded.claimed = Claimed(pair);
  for (const Row& row : rows_) {
    if (row.lane_id != pair.lane.id || row.send.customer_number != pair.customer_number) continue;
    const bool looked = row.look_journal == row.journal;
    const bool open = row.state == State::kUnconfirmed && (!looked || row.look_due);
    if (!open && row.state != State::kSending) continue;
    Suspect suspect;
    suspect.key = row.send.key;
    suspect.journal = row.journal;
    suspect.state = row.state;
    suspect.due = IsDue(row);
    suspect.requested_at = FromMicros(row.requested_at);
    suspect.deadline = FromMicros(row.deadline);
    suspect.not_after = FromMicros(row.not_after);
    suspect.body = row.send.body;
    if (looked) {
      suspect.looks = row.looks;
      suspect.findings = row.findings;
    }
    loaded.suspects.push_back(std::move(suspect));
  }
  std::stable_sort(
      loaded.suspects.begin(), loaded.suspects.end(),
      [](const Suspect& a, const Suspect& b) { return a.requested_at < b.requested_at; });
  return loaded;
}

void Tables::SaveLooks(const Pair& pair, std::span<const Look> looks) {
  const std::set<std::string> claimed = Claimed(pair);
  for (const Look& look : looks) {
    Row& row = *Get(look.key);
    if (row.state != State::kUnconfirmed || row.journal != look.journal) continue;
    if (!look.message_sid.empty()) {
      if (claimed.contains(look.message_sid)) continue;
      row.sid = look.message_sid;
      Moved(row, State::kSent, "CONFIRMED_BY_LIST");
      continue;
    }
    row.look_journal = row.journal;
    row.looks = look.looks;
    row.findings = look.findings;
    row.look_due.reset();
    if (look.wait) row.look_due = Now() + Of(*look.wait);
    world_.Note(look.key.message_id, look.key.generation, "looked for, finding",
                static_cast<int>(row.findings.back().kind));
  }
}

void Tables::SaveConsent(const std::string& customer, bool stopped, Micros given_at) {
  auto& consent = consents_.try_emplace(customer, -1, false).first->second;
  if (consent.first < given_at) consent = {given_at, stopped};
}

std::vector<std::int64_t> Tables::Sweep() {
  std::set<std::int64_t> woken;
  for (Row& row : rows_) {
    if (row.state == State::kSending && row.deadline <= Now()) {
      Moved(row, State::kUnconfirmed, "UNCONFIRMED_TIMEOUT");
    } else if (row.state == State::kQueued && row.not_after <= Now()) {
      Moved(row, State::kExpired, "NOT_AFTER_PASSED");
    } else if (row.state == State::kQueued && !row.send.campaign_id.empty()) {
      const auto campaign = campaigns_.find(row.send.campaign_id);
      if (campaign == campaigns_.end()) continue;
      if (campaign->second == CampaignState::kCanceled) {
        Moved(row, State::kCanceled, "CAMPAIGN_CANCELED");
      } else if (campaign->second == CampaignState::kRunning && row.held) {
        row.held = false;
        row.due = std::max(row.due, Now());
        woken.insert(row.lane_id);
      }
    }
  }
  return {woken.begin(), woken.end()};
}

// Holds ------------------------------------------------------------------------------------------

Hold Tables::LookAtHold() {
  if (identity_ != known_identity_) {
    known_identity_ = identity_;
    hold_ = {.number = hold_.number + 1,
             .held_by = HeldBy::kRestore,
             .since_us = Now(),
             .lifts_from_us = Now()};
    lifted_at_ = -1;
    for (Shard& shard : shards_) {
      shard.owner.clear();
      shard.lease_until = -1;
    }
  }
  return hold_;
}

void Tables::Lift(std::int64_t number, std::int64_t lifts_from_us) {
  if (!hold_.IsHeld() || hold_.number != number || hold_.lifts_from_us != lifts_from_us) return;
  hold_.held_by = HeldBy::kNobody;
  lifted_at_ = world_.now();
  world_.Note("the hold is lifted");
}

// Leases -----------------------------------------------------------------------------------------

Leases Tables::Renew(const std::string& replica, std::chrono::milliseconds lease) {
  replicas_[replica] = Now();
  int living = 0;
  for (const auto& [name, seen_at] : replicas_) {
    living += seen_at > Now() - Of(lease) && !dead_.contains(name) ? 1 : 0;
  }
  Leases leases;
  leases.fair_share = (kShards + living - 1) / std::max(1, living);
  if (hold_.IsHeld()) return leases;
  for (int shard = 0; shard < kShards; ++shard) {
    Shard& state = shards_[static_cast<std::size_t>(shard)];
    if (state.owner != replica || state.lease_until <= Now()) continue;
    state.lease_until = Now() + Of(lease);
    leases.owned.push_back({shard, state.epoch});
  }
  // Free ones in an order that differs from run to run.
  const int start = static_cast<int>(world_.Between(0, kShards - 1));
  for (int i = 0; i < kShards && static_cast<int>(leases.owned.size()) < leases.fair_share; ++i) {
    const int shard = (start + i * 37) % kShards;
    Shard& state = shards_[static_cast<std::size_t>(shard)];
    const bool died = dead_.contains(state.owner);
    if (!state.owner.empty() && state.lease_until > Now() && !died) continue;
    state.owner = replica;
    ++state.epoch;
    state.lease_until = Now() + Of(lease);
    leases.owned.push_back({shard, state.epoch, died});
  }
  return leases;
}

void Tables::Release(const std::string& replica, const ShardSet& shards,
                     std::span<const LaneBusy> busy) {
  for (const LaneBusy& one : busy) {
    LaneState& state = lanes_[static_cast<std::size_t>(one.lane_id) - 1];
    const auto shard = static_cast<std::size_t>(state.lane.shard);
    if (shards.test(shard) && shards_[shard].owner == replica) state.busy = one.busy.count();
  }
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    if (shards.test(shard) && shards_[shard].owner == replica) {
      shards_[shard].owner.clear();
      shards_[shard].lease_until = -1;
    }
  }
}

void Tables::Leave(const std::string& replica) { replicas_.erase(replica); }

}  // namespace parley::sender::simulation
