#include "pipeline/settler.h"

#include <algorithm>
#include <thread>

#include "libs/base/shutdown.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBatchMax = 500;
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
  {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
  }
  changed_.notify_one();
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
      const std::size_t count = std::min(entries_.size(), kBatchMax);
      const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(count);
      batch.assign(std::make_move_iterator(entries_.begin()), std::make_move_iterator(end));
      entries_.erase(entries_.begin(), end);
      writing_ = batch.size();
    }
    Write(std::move(batch), stop);
    const std::lock_guard lock(mutex_);
    writing_ = 0;
  }
}

void Settler::Write(std::vector<SettleEntry> entries, const std::stop_token& stop) {
  milliseconds wait = kRetryMin;
  const auto started = std::chrono::steady_clock::now();
  auto results = store_.Settle(entries);
  while (!results.ok()) {
    telemetry::Warning("settle_retried", results.status(), {{"rows", entries.size()}});
    const bool late = std::chrono::steady_clock::now() > started + kDrainMax;
    // The rows stay `sending`: after their deadline they are unconfirmed, never sent again.
    if (stop.stop_requested() && late) return;
    if (stop.stop_requested()) {
      std::this_thread::sleep_for(wait);
    } else {
      SleepFor(stop, wait);
    }
    wait = std::min(wait * 2, kRetryMax);
    results = store_.Settle(entries);
  }
  std::vector<Change> changes;
  std::vector<Settled> settled;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const SettleEntry& entry = entries[i];
    const SettleResult& result = (*results)[i];
    Settled told;
    told.ord = entry.head.ord;
    told.lane_id = entry.head.lane_id;
    told.unclear = !result.applied;
    if (result.applied && entry.settlement.state == State::kQueued) {
      told.requeue = true;
      told.wait = entry.settlement.wait;
      told.attempt = result.attempt;
    }
    settled.push_back(told);
    if (!result.change) continue;
    CountOutcome(result.change->state);
    LogOutcome(entry, *result.change);
    changes.push_back(*result.change);
  }
  on_settled_(std::move(settled));
  publisher_.Enqueue(std::move(changes));
}

}  // namespace parley::sender
