// One request: calls Twilio, which takes the lane's slot at the write, decides what follows, and
// hands the outcome to the settler. Thread-safe: every worker runs it.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "domain/retry_budget.h"
#include "domain/standstill.h"
#include "domain/throttle.h"
#include "pipeline/directory.h"
#include "pipeline/settler.h"
#include "ports.h"

namespace parley::sender {

// Told when Twilio wants less: nothing of the lane or account before `until`.
class Brake {
 public:
  virtual ~Brake() = default;
  virtual void PauseLane(std::int64_t lane_id, SteadyTime until) = 0;
  virtual void PauseAccount(const std::string& account_sid, SteadyTime until) = 0;
  // At most `limit` requests of the account at once; 0: as many as the settings allow.
  virtual void LimitAccount(const std::string& account_sid, int limit) = 0;
};

// "https://…/webhooks/twilio/status?message_id=…&attempt=…#rc=5&rp=all"; empty without an origin.
std::string StatusCallback(const std::string& origin, const Job& job);

class Dispatcher {
 public:
  Dispatcher(SendApi& api, const Directory& directory, Settler& settler, Brake& brake,
             const RetryPolicy& policy)
      : api_(api), directory_(directory), settler_(settler), brake_(brake), policy_(policy) {}

  void Run(Dispatch dispatch);
  // As Throttle has them.
  AccountUses TakeUses();
  void SetOthers(const std::string& account_sid, int use);
  // Accounts whose breaker is open.
  std::set<std::string> OpenAccounts() const;
  // What stands still because of Twilio's answers, for the operator: of an account one entry, and
  // one of each of its numbers.
  std::vector<Standstill> Standstills();

 private:
  twilio::SendOutcome Request(const Dispatch& dispatch);
  void HoldRetry(const Job& job, Settlement& settlement);
  void Pause(const Job& job, const Settlement& settlement);
  Throttle::Advice Conclude(const std::string& account_sid, const twilio::SendOutcome& outcome,
                            double jitter);

  SendApi& api_;
  const Directory& directory_;
  Settler& settler_;
  Brake& brake_;
  const RetryPolicy policy_;
  mutable std::mutex mutex_;
  Throttle throttle_;
  RetryBudget retries_;
  Waits waits_;
};

}  // namespace parley::sender
