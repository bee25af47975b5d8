#include "domain/throttle.h"

#include <algorithm>

#include "domain/retry.h"

namespace parley::sender {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWaveTime{250};
constexpr int kUnknownMax = 3;
constexpr milliseconds kOpenMin{10'000};
constexpr milliseconds kOpenMax{300'000};
constexpr int kLimitMax = 1'024;  // As many as there may be workers: no limit.
constexpr int kTooManyRequests = 429;

}  // namespace

void Throttle::Begin(const std::string& account_sid, std::int64_t version) {
  Account& account = accounts_[account_sid];
  if (version > account.version) {
    const int running = account.running;
    const int others = account.others;
    account = Account{};
    account.version = version;
    account.running = running;
    account.others = others;
  }
  account.peak = std::max(account.peak, ++account.running);
}

AccountUses Throttle::TakeUses() {
  AccountUses uses;
  for (auto& [account_sid, account] : accounts_) {
    uses[account_sid] = {.peak = account.peak,
                         .adapted = account.limit,
                         .alone = account.limit > 0 && account.alone};
    account.peak = account.running;
  }
  return uses;
}

// Half-open afterwards: one request at a time shows whether it passed.
void Throttle::Open(Account& account, std::string reason, SteadyTime now, double jitter,
                    Advice& advice) {
  if (now < account.open_until) return;  // By one of the same wave.
  if (++account.opened == 1) account.opened_at = now;
  account.open_reason = std::move(reason);
  // Not full jitter: one that is drawn too short would ask at once again.
  const milliseconds ceiling = Backoff(kOpenMin, kOpenMax, account.opened, 1.0);
  advice.pause = ceiling / 2 + Backoff(kOpenMin, kOpenMax, account.opened, jitter) / 2;
  account.open_until = now + *advice.pause;
  account.unknown = 0;
  account.limit = 1;
  account.alone = true;
  account.successes = 0;
  advice.limit = account.limit;
}

Throttle::Advice Throttle::End(const std::string& account_sid, const twilio::SendOutcome& outcome,
                               SteadyTime now, double jitter) {
  Account& account = accounts_[account_sid];
  const int running = account.running--;
  Advice advice;
  const auto* refused = std::get_if<twilio::Refused>(&outcome);
  const auto* unwritten = std::get_if<twilio::NotWritten>(&outcome);
  if (unwritten != nullptr && unwritten->too_late) return advice;
  if (std::holds_alternative<twilio::Unknown>(outcome)) {
    if (++account.unknown >= kUnknownMax || account.limit == 1) {
      Open(account, "UNCONFIRMED_NO_ANSWER", now, jitter, advice);
    }
    return advice;
  }
  const bool busy = refused != nullptr && refused->http_status == kTooManyRequests;
  if (busy || unwritten != nullptr) {
    if (now >= account.wave_until) {
      ++account.refusals;
      account.wave_until = now + kWaveTime;
      if (busy && refused->code != kQueueFull) {
        account.limit = std::max(1, (running + account.others) / 2);
        account.alone = false;
        account.successes = 0;
        advice.limit = account.limit;
      }
    }
    advice.refusals = std::max(1, account.refusals);
    return advice;
  }
  account.unknown = 0;
  if (refused != nullptr) {
    if (RefusesAccount(*refused)) {
      const int code = refused->code != 0 ? refused->code : refused->http_status;
      Open(account, "TWILIO_" + std::to_string(code), now, jitter, advice);
    }
    return advice;
  }
  account.refusals = 0;
  account.wave_until = SteadyTime::min();
  account.opened = 0;
  if (account.limit > 0 && ++account.successes >= account.limit) {
    account.successes = 0;
    account.limit = account.limit < 8 ? account.limit * 2 : account.limit + account.limit / 8;
    if (account.limit > kLimitMax) account.limit = 0;
    advice.limit = account.limit;
  }
  return advice;
}

bool Throttle::IsOpen(const std::string& account_sid, SteadyTime now) const {
  const auto found = accounts_.find(account_sid);
  return found != accounts_.end() && now < found->second.open_until;
}

std::vector<Standstill> Throttle::Breakers(SteadyTime now) const {
  std::vector<Standstill> breakers;
  for (const auto& [account_sid, account] : accounts_) {
    if (account.opened == 0) continue;
    Standstill breaker{account_sid,       "", Standstill::State::kHalfOpen, account.open_reason,
                       account.opened_at, {}};
    if (now < account.open_until) {
      breaker.state = Standstill::State::kOpen;
      breaker.until = account.open_until;
    }
    breakers.push_back(std::move(breaker));
  }
  return breakers;
}

}  // namespace parley::sender
