// Shares each account's parallel requests with the other replicas: tells them what this one uses
// and has learned, several times a second, and limits it to its share. No send waits for that.
// Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "domain/account_share.h"
#include "pipeline/dispatch.h"
#include "ports.h"

namespace parley::sender {

class AccountLimits final : public Brake {
 public:
  // Where what is used comes from, and where it is told what others use: the dispatcher.
  struct Account {
    std::function<AccountUses()> take_uses;
    std::function<void(const std::string& account_sid, int use)> set_others;
  };

  // `limit`: as AccountShares has it. `brake` is limited to the shares.
  AccountLimits(LimitExchange& exchange, Brake& brake, const std::string& replica, int limit)
      : exchange_(exchange), brake_(brake), shares_(replica, limit) {}

  // Until `stop`. One thread.
  void Run(const Account& account, std::stop_token stop);
  // One exchange, and what follows from it.
  void Round(const Account& account);

  void PauseLane(std::int64_t lane_id, SteadyTime until) override {
    brake_.PauseLane(lane_id, until);
  }
  void PauseAccount(const std::string& account_sid, SteadyTime until) override {
    brake_.PauseAccount(account_sid, until);
  }
  // `limit` is the account's, of all replicas, as this one just learned.
  void LimitAccount(const std::string& account_sid, int limit) override;

 private:
  void Limit(const std::string& account_sid, int share);

  LimitExchange& exchange_;
  Brake& brake_;
  std::mutex mutex_;
  AccountShares shares_;
  AccountUses uses_;                   // As told last.
  std::map<std::string, int> limits_;  // What the brake was told; not the ones without limit.
  bool warned_ = false;
};

}  // namespace parley::sender
