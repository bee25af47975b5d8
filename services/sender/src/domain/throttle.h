// What an account's answers say about how hard it may be pressed: requests at once follow 429 down
// and successes up again; a circuit breaker opens when Twilio refuses our credentials, or when the
// outcome of several requests in a row stayed unknown, so that an outage leaves few of those.
// Pure; not thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "domain/account_share.h"
#include "domain/delivery.h"
#include "domain/settlement.h"
#include "domain/standstill.h"
#include "libs/twilio/client.h"

namespace parley::sender {

class Throttle {
 public:
  struct Advice {
    int refusals = 1;  // In a row, this one included; a wave of parallel ones counts once.
    std::optional<std::chrono::milliseconds> pause;  // The breaker opened.
    std::optional<int> limit;  // The account's requests at once from now on; 0: any number.
  };

  // A request of the account is on its way; End must follow. With a higher `version` of its
  // credentials nothing counts that the older ones met with.
  void Begin(const std::string& account_sid, std::int64_t version = 0);
  // How it ended; `jitter` is drawn from [0, 1).
  Advice End(const std::string& account_sid, const twilio::SendOutcome& outcome, SteadyTime now,
             double jitter);

  // What this replica did for each account since the last call.
  AccountUses TakeUses();
  // Requests of the account at other replicas: 429 is about all of them.
  void SetOthers(const std::string& account_sid, int use) { accounts_[account_sid].others = use; }

  bool IsOpen(const std::string& account_sid, SteadyTime now) const;
  // Accounts whose breaker is open or half-open, in order.
  std::vector<Standstill> Breakers(SteadyTime now) const;

 private:
  struct Account {
    std::int64_t version = 0;
    int running = 0;
    int peak = 0;    // Of `running`, since it was told.
    int others = 0;  // At other replicas.
    int refusals = 0;
    SteadyTime wave_until = SteadyTime::min();
    int unknown = 0;  // In a row.
    int opened = 0;   // Times in a row.
    SteadyTime open_until = SteadyTime::min();
    SteadyTime opened_at = SteadyTime::min();  // For the first time in that row.
    std::string open_reason;
    int limit = 0;
    bool alone = false;  // The breaker set it, not 429.
    int successes = 0;   // Since the limit changed.
  };
  static void Open(Account& account, std::string reason, SteadyTime now, double jitter,
                   Advice& advice);

  std::map<std::string, Account> accounts_;
};

}  // namespace parley::sender
