#include "pipeline/dispatch.h"

#include <random>
#include <thread>

#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kWaveTime{250};

double Jitter() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(random);
}

SettleEntry EntryOf(const Job& job) {
  SettleEntry entry;
  entry.head = job.head;
  entry.journal = job.journal;
  entry.account_sid = job.lane.account_sid;
  entry.sender_number = job.lane.number;
  entry.customer_number = job.customer_number;
  return entry;
}

}  // namespace

std::string StatusCallback(const std::string& origin, const Job& job) {
  if (origin.empty()) return "";
  return origin + "/webhooks/twilio/status?message_id=" + job.head.key.message_id +
         "&attempt=" + std::to_string(job.attempt) + "#rc=5&rp=all";
}

SettleEntry Abandoned(const Job& job) {
  SettleEntry entry = EntryOf(job);
  entry.settlement =
      Settle(RetryPolicy{}, twilio::NotWritten{true, "journalled too long ago"}, AnswerContext{});
  return entry;
}

twilio::SendOutcome Dispatcher::Request(const Dispatch& dispatch) {
  static auto& latency = telemetry::LatencyHistogram(
      "parley_sender_twilio_seconds",
      "How long Twilio took to answer. If it grows, more PARLEY_SEND_WORKERS keep the throughput.");
  const Job& job = dispatch.job;
  const auto account = directory_.FindAccount(job.lane.account_sid);
  if (account == nullptr) {
    dispatch.limiter->GiveUp(job.head.segments);
    return twilio::NotWritten{false, "the account is not known any more"};
  }
  const std::string callback = StatusCallback(directory_.CallbackOrigin(job.lane), job);
  while (true) {
    const SteadyTime now = steady_clock::now();
    const auto wait = now < job.write_by ? dispatch.limiter->Take(now, job.head.segments)
                                         : std::chrono::microseconds(-1);
    if (wait.count() < 0 || now + wait >= job.write_by) {
      dispatch.limiter->GiveUp(job.head.segments);
      return twilio::NotWritten{true, "no slot in time"};
    }
    if (wait.count() == 0) break;
    std::this_thread::sleep_for(wait);
  }
  const SteadyTime started = steady_clock::now();
  twilio::SendOutcome outcome = api_.Send(*account, job, callback);
  latency.Observe(std::chrono::duration<double>(steady_clock::now() - started).count());
  return outcome;
}

int Dispatcher::NoteRefusals(const Job& job, const twilio::SendOutcome& outcome) {
  const auto* refused = std::get_if<twilio::Refused>(&outcome);
  const auto* unwritten = std::get_if<twilio::NotWritten>(&outcome);
  const bool is_refusal = (refused != nullptr && refused->http_status == 429) ||
                          (unwritten != nullptr && !unwritten->too_late);
  const std::lock_guard lock(mutex_);
  const auto found = refusals_.find(job.lane.account_sid);
  if (!is_refusal) {
    if (found != refusals_.end() && std::holds_alternative<twilio::Accepted>(outcome)) {
      refusals_.erase(found);
    }
    return 1;
  }
  Refusals& refusals = refusals_[job.lane.account_sid];
  const SteadyTime now = steady_clock::now();
  if (now >= refusals.until) {
    ++refusals.count;
    refusals.until = now + kWaveTime;
  }
  return refusals.count;
}

void Dispatcher::Run(Dispatch dispatch) {
  const twilio::SendOutcome outcome = Request(dispatch);
  const Job& job = dispatch.job;
  AnswerContext context;
  context.errors = job.errors;
  context.jitter = Jitter();
  context.refusals = NoteRefusals(job, outcome);
  SettleEntry entry = EntryOf(job);
  entry.settlement = Settle(policy_, outcome, context);
  const SteadyTime until = steady_clock::now() + entry.settlement.wait;
  if (entry.settlement.pause_lane) brake_.PauseLane(job.lane.id, until);
  if (entry.settlement.pause_account) brake_.PauseAccount(job.lane.account_sid, until);
  settler_.Push(std::move(entry));
}

}  // namespace parley::sender
