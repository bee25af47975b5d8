// How many of an account's requests may be retries: a share of the others and a small minimum, so
// that an account whose sends fail is not asked several times as often as one that works. What is
// beyond it waits. Each replica has its own. Pure; not thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "domain/delivery.h"

namespace parley::sender {

class RetryBudget {
 public:
  struct Options {
    double share = 0.1;   // Retries for each first request.
    double at_once = 10;  // So many without any; also after a quiet time.
    double saved_max = 100;
    std::chrono::milliseconds interval{10'000};  // One more for each, without any requests.
  };

  RetryBudget() : RetryBudget(Options{}) {}
  explicit RetryBudget(const Options& options) : options_(options) {}

  // A first request of the account was made.
  void Earn(const std::string& account_sid, SteadyTime now) {
    Account& account = Refill(account_sid, now);
    account.left = std::min(options_.saved_max, account.left + options_.share);
  }

  // One retry is to be made; how long it must wait for its turn. Zero: it need not.
  std::chrono::milliseconds Spend(const std::string& account_sid, SteadyTime now) {
    Account& account = Refill(account_sid, now);
    account.left -= 1;
    if (account.left >= 0) return std::chrono::milliseconds(0);
    const double intervals = std::min(-account.left, 1e6);
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(static_cast<double>(options_.interval.count()) * intervals));
  }

 private:
  struct Account {
    double left = 0;  // Below zero: retries that wait.
    SteadyTime at;
  };
  Account& Refill(const std::string& account_sid, SteadyTime now) {
    const auto [at, fresh] = accounts_.try_emplace(account_sid);
    Account& account = at->second;
    if (fresh) {
      account = {options_.at_once, now};
    } else if (now > account.at) {
      const double passed = std::chrono::duration<double>(now - account.at) / options_.interval;
      // Time alone fills it to the minimum only.
      account.left = std::max(account.left, std::min(options_.at_once, account.left + passed));
      account.at = now;
    }
    return account;
  }

  const Options options_;
  std::map<std::string, Account> accounts_;
};

}  // namespace parley::sender
