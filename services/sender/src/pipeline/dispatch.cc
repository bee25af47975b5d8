#include "pipeline/dispatch.h"

#include <random>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

using std::chrono::steady_clock;

double Jitter() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(random);
}

}  // namespace

std::string StatusCallback(const std::string& origin, const Job& job) {
  if (origin.empty()) return "";
  return origin + "/webhooks/twilio/status?message_id=" + job.head.key.message_id +
         "&attempt=" + std::to_string(job.attempt) + "#rc=5&rp=all";
}

AccountUses Dispatcher::TakeUses() {
  const std::lock_guard lock(mutex_);
  return throttle_.TakeUses();
}

void Dispatcher::SetOthers(const std::string& account_sid, int use) {
  const std::lock_guard lock(mutex_);
  throttle_.SetOthers(account_sid, use);
}

twilio::SendOutcome Dispatcher::Request(const Dispatch& dispatch) {
  static auto& latency = telemetry::LatencyHistogram(
      "parley_sender_twilio_seconds",
      "How long Twilio took to answer, with the wait for the number's rate. If it grows, more "
      "PARLEY_SEND_WORKERS keep the throughput.");
  const Job& job = dispatch.job;
  WriteSlot slot(dispatch.limiter, job.head.segments, job.write_by, dispatch.ticket);
  const auto account = directory_.FindAccount(job.lane.account_sid);
  if (account == nullptr) return twilio::NotWritten{false, "the account is not known any more"};
  const std::string callback = StatusCallback(directory_.CallbackOrigin(job.lane), job);
  const SteadyTime started = steady_clock::now();
  twilio::SendOutcome outcome = api_.Send(*account, job, callback, slot);
  latency.Observe(std::chrono::duration<double>(steady_clock::now() - started).count());
  return outcome;
}

Throttle::Advice Dispatcher::Conclude(const std::string& account_sid,
                                      const twilio::SendOutcome& outcome, double jitter) {
  const SteadyTime now = steady_clock::now();
  Throttle::Advice advice;
  {
    const std::lock_guard lock(mutex_);
    advice = throttle_.End(account_sid, outcome, now, jitter);
  }
  if (advice.limit) brake_.LimitAccount(account_sid, *advice.limit);
  if (advice.pause) {
    telemetry::Counter("parley_sender_breaker_opened_total",
                       "Times that an account's sends were paused because Twilio refused its "
                       "credentials or did not answer. Look at the account's settings and at "
                       "Twilio's status; it is tried again by itself.",
                       {{"account_sid", account_sid}})
        .Increment();
    telemetry::Error("breaker_opened",
                     Unavailable("BREAKER_OPEN", "Twilio refuses the account, or does not answer."),
                     {{"account_sid", account_sid}, {"pause_ms", advice.pause->count()}});
    brake_.PauseAccount(account_sid, now + *advice.pause);
  }
  return advice;
}

std::set<std::string> Dispatcher::OpenAccounts() const {
  std::set<std::string> open;
  const std::lock_guard lock(mutex_);
  for (const Standstill& breaker : throttle_.Breakers(steady_clock::now())) {
    if (breaker.state == Standstill::State::kOpen) open.insert(breaker.account_sid);
  }
  return open;
}

std::vector<Standstill> Dispatcher::Standstills() {
  const SteadyTime now = steady_clock::now();
  const std::lock_guard lock(mutex_);
  std::vector<Standstill> all = throttle_.Breakers(now);
  const std::set<std::string> broken = [&] {
    std::set<std::string> accounts;
    for (const Standstill& breaker : all) accounts.insert(breaker.account_sid);
    return accounts;
  }();
  for (Standstill& wait : waits_.Current(now)) {
    // The breaker says more about its account than the wait that goes with it.
    if (!wait.number.empty() || !broken.contains(wait.account_sid)) all.push_back(std::move(wait));
  }
  return all;
}

void Dispatcher::Pause(const Job& job, const Settlement& settlement) {
  if (!settlement.pause_lane && !settlement.pause_account) return;
  const SteadyTime now = steady_clock::now();
  const SteadyTime until = now + settlement.wait;
  {
    const std::lock_guard lock(mutex_);
    waits_.Note(job.lane.account_sid, settlement.pause_lane ? job.lane.number : "",
                settlement.reason, now, until);
  }
  if (settlement.pause_lane) brake_.PauseLane(job.lane.id, until);
  if (settlement.pause_account) brake_.PauseAccount(job.lane.account_sid, until);
}

void Dispatcher::HoldRetry(const Job& job, Settlement& settlement) {
  static auto& held = telemetry::Counter(
      "parley_sender_retries_held_total",
      "Retries that wait because an account's retries were more than a tenth of its requests. If "
      "it grows, read the reasons in the log's requeued lines: most sends of an account fail.");
  if (settlement.state != State::kQueued || !settlement.counts_as_error) return;
  std::chrono::milliseconds turn{0};
  {
    const std::lock_guard lock(mutex_);
    turn = retries_.Spend(job.lane.account_sid, steady_clock::now());
  }
  if (turn > settlement.wait) {
    settlement.wait = turn;
    held.Increment();
  }
}

void Dispatcher::Run(Dispatch dispatch) {
  const Job& job = dispatch.job;
  {
    const std::lock_guard lock(mutex_);
    throttle_.Begin(job.lane.account_sid, directory_.AccountVersion(job.lane.account_sid));
    if (job.errors == 0) retries_.Earn(job.lane.account_sid, steady_clock::now());
  }
  const twilio::SendOutcome outcome = Request(dispatch);
  AnswerContext context;
  context.errors = job.errors;
  context.jitter = Jitter();
  context.refusals = Conclude(job.lane.account_sid, outcome, context.jitter).refusals;
  SettleEntry entry = EntryOf(job);
  entry.settlement = Settle(policy_, outcome, context);
  HoldRetry(job, entry.settlement);
  Pause(job, entry.settlement);
  settler_.Push(std::move(entry));
}

}  // namespace parley::sender
