#include "pipeline/settler.h"

#include <algorithm>
#include <thread>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBatchMax = 500;
// A few outcomes wait this long for more: a transaction costs as much as a dozen of its rows.
constexpr std::size_t kBatchFew = 48;
constexpr milliseconds kGather{2};
constexpr milliseconds kRetryMin{50};
constexpr milliseconds kRetryMax{1'000};
constexpr milliseconds kDrainMax{5'000};

constexpr char kSendsName[] = "parley_sender_sends_total";
constexpr char kSendsHelp[] =
    "Requests by outcome. queued: will be tried again; if it dominates, Twilio or the network "
    "refuses. unconfirmed: see the inbox.";

void CountOutcome(State state) {
  static auto& sent = telemetry::Counter(kSendsName, kSendsHelp, {{"outcome", "sent"}});
  static auto& failed = telemetry::Counter(kSendsName, kSendsHelp, {{"outcome", "failed"}});
  static auto& queued = telemetry::Counter(kSendsName, kSendsHelp, {{"outcome", "queued"}});
  static auto& unconfirmed =
      telemetry::Counter(kSendsName, kSendsHelp, {{"outcome", "unconfirmed"}});
  switch (state) {
    case State::kSent:
      return sent.Increment();
    case State::kQueued:
      return queued.Increment();
    case State::kUnconfirmed:
      return unconfirmed.Increment();
    case State::kFailed:
    case State::kSending:
    case State::kCanceled:
    case State::kExpired:
      return failed.Increment();
  }
}

void LogOutcome(const SettleEntry& entry, const Change& change) {
  const char* event = change.state == State::kSent          ? "sent"
                      : change.state == State::kUnconfirmed ? "unconfirmed"
                      : change.state == State::kQueued      ? "requeued"
                                                            : "failed";
  telemetry::Info(event, {{"organization_id", change.key.organization_id},
                          {"message_id", change.key.message_id},
                          {"generation", change.key.generation},
                          {"attempt", change.attempt},
                          {"account_sid", entry.account_sid},
                          {"from", MaskNumber(entry.sender_number)},
                          {"to", MaskNumber(entry.customer_number)},
                          {"message_sid", change.message_sid},
                          {"reason", change.reason}});
}

}  // namespace

void Settler::Push(SettleEntry entry) {
  bool worth_a_look = false;
  {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
    worth_a_look = entries_.size() == 1 || entries_.size() == kBatchFew;
  }
  if (worth_a_look) changed_.notify_one();
}

std::size_t Settler::pending() const {
  const std::lock_guard lock(mutex_);
  return entries_.size() + writing_;
}

void Settler::Run(std::stop_token stop) {
  while (true) {
    std::vector<SettleEntry> batch;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return !entries_.empty(); });
      if (entries_.empty()) return;
      if (entries_.size() > 1 && entries_.size() < kBatchFew && !stop.stop_requested()) {
        changed_.wait_for(lock, stop, kGather, [&] { return entries_.size() >= kBatchFew; });
      }
      const std::size_t count = std::min(entries_.size(), kBatchMax);
      const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(count);
      batch.assign(std::make_move_iterator(entries_.begin()), std::make_move_iterator(end));
      entries_.erase(entries_.begin(), end);
      writing_ = batch.size();
    }
    Write(batch, stop);
    const std::lock_guard lock(mutex_);
    writing_ = 0;
  }
}

void Settler::Write(std::span<SettleEntry> entries, const std::stop_token& stop) {
  milliseconds wait = kRetryMin;
  const auto started = std::chrono::steady_clock::now();
  while (true) {
    const auto settled = store_.Settle(entries);
    if (settled.ok()) return Tell(entries, *settled);
    telemetry::Warning("settle_retried", settled.status(), {{"rows", entries.size()}});
    if (!IsRetryable(settled.status())) {
      if (entries.size() == 1) return Bury(entries.front(), settled.status(), stop);
      Write(entries.subspan(0, entries.size() / 2), stop);
      return Write(entries.subspan(entries.size() / 2), stop);
    }
    const bool late = std::chrono::steady_clock::now() > started + kDrainMax;
    // The rows stay `sending`: after their deadline they are unconfirmed, never sent again.
    if (stop.stop_requested() && late) return;
    if (stop.stop_requested()) {
      std::this_thread::sleep_for(wait);
    } else {
      SleepFor(stop, wait);
    }
    wait = std::min(wait * 2, kRetryMax);
  }
}

void Settler::Bury(SettleEntry& entry, const absl::Status& refused, const std::stop_token& stop) {
  static auto& buried = telemetry::Counter(
      "parley_sender_outcomes_refused_total",
      "Outcomes that the database refused for good; the sends are shown as failed or unconfirmed "
      "with OUTCOME_NOT_STORED. It is a fault of Parley: report it with the log.");
  static constexpr char kReason[] = "OUTCOME_NOT_STORED";
  telemetry::Error("outcome_refused", refused,
                   {{"organization_id", entry.head.key.organization_id},
                    {"message_id", entry.head.key.message_id},
                    {"generation", entry.head.key.generation},
                    {"state", StateName(entry.settlement.state)},
                    {"message_sid", entry.settlement.message_sid}});
  if (entry.settlement.reason == kReason) {
    // Not even that: after its deadline the row is unconfirmed.
    return Tell({&entry, 1}, {.results = {SettleResult{}}});
  }
  buried.Increment();
  Settlement plain;
  plain.state = entry.settlement.state == State::kSent     ? State::kSent
                : entry.settlement.state == State::kFailed ? State::kFailed
                                                           : State::kUnconfirmed;
  plain.message_sid = plain.state == State::kSent ? entry.settlement.message_sid : "";
  plain.reason = kReason;
  plain.message = "The outcome could not be stored as it was; see the sender's log.";
  entry.settlement = plain;
  Write({&entry, 1}, stop);
}

void Settler::Tell(std::span<const SettleEntry> entries, const SettledBatch& batch) {
  std::vector<Change> changes;
  std::vector<Settled> settled;
  changes.reserve(entries.size());
  settled.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const SettleResult& result = batch.results[i];
    settled.push_back(ToSettled(entries[i], result));
    if (!result.applied) continue;
    changes.push_back(OutcomeChange(entries[i], result));
    CountOutcome(changes.back().state);
    LogOutcome(entries[i], changes.back());
  }
  on_settled_(std::move(settled));
  publisher_.Enqueue({batch.publication, std::move(changes)});
}

}  // namespace parley::sender
