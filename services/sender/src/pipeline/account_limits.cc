#include "pipeline/account_limits.h"

#include "libs/base/shutdown.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::sender {
namespace {
constexpr std::chrono::milliseconds kInterval{250};
}  // namespace

void AccountLimits::Run(const Account& account, std::stop_token stop) {
  do {
    Round(account);
  } while (SleepFor(stop, kInterval));
}

void AccountLimits::Round(const Account& account) {
  static auto& shared = telemetry::Gauge(
      "parley_sender_limits_shared",
      "1 while replicas share the accounts' parallel requests through Redis. At 0 each takes an "
      "even part by the replicas that it knew last; look whether Redis is up.");
  AccountUses uses = account.take_uses();
  {
    const std::lock_guard lock(mutex_);
    for (auto& [account_sid, use] : uses) {
      // A slot is taken from the journal until the outcome is stored; on its way to Twilio is less.
      const auto limit = limits_.find(account_sid);
      use.wants_more = limit != limits_.end() && use.peak > 0 && use.peak * 2 >= limit->second;
    }
    uses_ = uses;
  }
  auto others = exchange_.Exchange(uses);
  if (!others.ok() && !warned_) telemetry::Warning("limits_not_shared", others.status());
  warned_ = !others.ok();
  shared.Set(others.ok() ? 1 : 0);
  const std::lock_guard lock(mutex_);
  if (others.ok()) {
    shares_.Heard(*std::move(others));
  } else {
    shares_.Lost();
  }
  for (const auto& [account_sid, use] : uses_) {
    account.set_others(account_sid, shares_.UseOfOthers(account_sid));
    Limit(account_sid, shares_.ShareOf(account_sid, use));
  }
}

// Told again where it did not change: a new token lifts it there.
void AccountLimits::Limit(const std::string& account_sid, int share) {
  if (share > 0) {
    limits_[account_sid] = share;
  } else if (limits_.erase(account_sid) == 0) {
    return;
  }
  brake_.LimitAccount(account_sid, share);
}

void AccountLimits::LimitAccount(const std::string& account_sid, int limit) {
  const std::lock_guard lock(mutex_);
  AccountUse& use = uses_[account_sid];
  use.adapted = limit;
  Limit(account_sid, shares_.ShareOf(account_sid, use));
}

}  // namespace parley::sender
