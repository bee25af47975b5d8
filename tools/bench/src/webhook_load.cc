#include "webhook_load.h"

#include <cstdio>
#include <fstream>
#include <random>

#include "http_load.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "progress.h"

namespace parley::bench {
namespace {

constexpr std::int64_t kRetryWaitUs = 50'000;  // Times the try.
constexpr int kGivenUpAtOnceOneOf = 5;
constexpr int kKeywordOneOf = 50;

// What a connection is about: its customers' next counts, and the webhook that is under way.
struct Lane {
  std::vector<std::int64_t> customers;
  std::vector<std::int64_t> counts;
  bool busy = false;
  InboundText text;
  std::string request;
  std::int64_t count = 0;
  int tries = 0;
  int tries_max = 0;
  std::int64_t not_before_us = 0;
};

class WebhookLoad {
 public:
  WebhookLoad(const Target& target, const WebhookLoadOptions& options, std::ofstream ledger,
              const std::stop_token& stop)
      : target_(target),
        options_(options),
        ledger_(std::move(ledger)),
        stop_(stop),
        random_(options.seed) {
    if (options.numbers.empty()) numbers_ = {target.phone_number};
    lanes_.resize(static_cast<std::size_t>(options.connections));
    for (int i = 0; i < options.customers; ++i) {
      Lane& lane = lanes_[static_cast<std::size_t>(i % options.connections)];
      lane.customers.push_back(options.first_customer + i);
      lane.counts.push_back(0);
    }
  }

  HttpNext Next(int connection, std::string& request) {
    Lane& lane = lanes_[static_cast<std::size_t>(connection)];
    if (!lane.busy && !Begin(lane)) return HttpNext::kEnd;
    if (SteadyMicros() < lane.not_before_us) return HttpNext::kWait;
    ++lane.tries;
    request = lane.request;
    return HttpNext::kSend;
  }

  void Done(const HttpOutcome& outcome) {
    Lane& lane = lanes_[static_cast<std::size_t>(outcome.connection)];
    ledger_ << lane.text.sid << ' ' << lane.text.from << ' ' << lane.text.to << ' ' << lane.count
            << ' ' << lane.tries << ' ' << outcome.status << '\n';
    if (outcome.status / 100 == 2) {
      ++result_.acknowledged;
      lane.busy = false;
      return;
    }
    ++(outcome.status == 0 ? result_.unanswered : result_.refused);
    lane.busy = lane.tries < lane.tries_max;
    lane.not_before_us = SteadyMicros() + lane.tries * kRetryWaitUs;
  }

  std::string State() const {
    return std::to_string(result_.begun) + " sent, " + std::to_string(result_.acknowledged) +
           " acknowledged, " + std::to_string(result_.refused) + " refused, " +
           std::to_string(result_.unanswered) + " unanswered";
  }

  absl::StatusOr<WebhookLoadResult> Finish(double seconds) {
    result_.seconds = seconds;
    ledger_.close();
    if (!ledger_) return Unavailable("LEDGER", options_.ledger + " could not be written.");
    return result_;
  }

 private:
  bool Begin(Lane& lane) {
    if (lane.customers.empty()) return false;
    const bool stopped = !options_.until_stopped || stop_.stop_requested();
    if (stopped && result_.begun >= options_.webhooks_min) return false;
    const std::size_t at = random_() % lane.customers.size();
    lane.count = ++lane.counts[at];
    lane.text = {.sid = MessageSid(run_, result_.begun),
                 .from = CustomerNumber(lane.customers[at]),
                 // A customer writes to one number, so that the own order is the conversation's.
                 .to = numbers_[static_cast<std::size_t>(lane.customers[at]) % numbers_.size()],
                 .body = "text " + std::to_string(lane.count)};
    if (random_() % kKeywordOneOf == 0) lane.text.body = random_() % 2 == 0 ? "STOP" : "START";
    ++result_.begun;
    lane.request = SignedWebhook(target_, lane.text);
    lane.busy = true;
    lane.tries = 0;
    lane.tries_max = random_() % kGivenUpAtOnceOneOf == 0 ? 1 : options_.tries_max;
    return true;
  }

  const Target& target_;
  const WebhookLoadOptions& options_;
  std::ofstream ledger_;
  const std::stop_token stop_;
  std::mt19937_64 random_;
  const std::string run_ = NewId();
  std::vector<std::string> numbers_ = options_.numbers;
  std::vector<Lane> lanes_;
  WebhookLoadResult result_;
};

}  // namespace

absl::StatusOr<WebhookLoadResult> RunWebhookLoad(const Target& target,
                                                 const WebhookLoadOptions& options,
                                                 const std::stop_token& stop) {
  std::ofstream ledger(options.ledger, std::ios::trunc);
  if (!ledger) return Unavailable("LEDGER", options.ledger + " cannot be written.");
  WebhookLoad load(target, options, std::move(ledger), stop);
  const std::int64_t begin = SteadyMicros();
  std::int64_t shown = begin;
  HttpLoad http(
      {.url = target.webhooks_url,
       .connections = options.connections,
       .per_second = options.per_second},
      [&](int connection, std::string& request) { return load.Next(connection, request); },
      [&](const HttpOutcome& outcome) {
        load.Done(outcome);
        if (outcome.answered_us - shown < 1'000'000) return;
        shown = outcome.answered_us;
        ShowProgress("webhooks", load.State());
      });
  PARLEY_RETURN_IF_ERROR(http.Run({}));
  EndProgress();
  return load.Finish(static_cast<double>(SteadyMicros() - begin) / 1e6);
}

}  // namespace parley::bench
