// One request: waits for the lane's slot, calls Twilio, decides what follows, and hands the
// outcome to the settler. Thread-safe: every worker runs it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "domain/limiter.h"
#include "pipeline/directory.h"
#include "pipeline/settler.h"
#include "ports.h"

namespace parley::sender {

// A journalled request with what its worker needs.
struct Dispatch {
  Job job;
  std::shared_ptr<Limiter> limiter;
};

// Told when Twilio wants less: nothing of the lane or account before `until`.
class Brake {
 public:
  virtual ~Brake() = default;
  virtual void PauseLane(std::int64_t lane_id, SteadyTime until) = 0;
  virtual void PauseAccount(const std::string& account_sid, SteadyTime until) = 0;
};

// "https://…/webhooks/twilio/status?message_id=…&attempt=…#rc=5&rp=all"; empty without an origin.
std::string StatusCallback(const std::string& origin, const Job& job);

class Dispatcher {
 public:
  Dispatcher(SendApi& api, const Directory& directory, Settler& settler, Brake& brake,
             const RetryPolicy& policy)
      : api_(api), directory_(directory), settler_(settler), brake_(brake), policy_(policy) {}

  void Run(Dispatch dispatch);

 private:
  // Refusals in a row of a lane or account; a wave of parallel ones counts once.
  struct Refusals {
    int count = 0;
    SteadyTime until;
  };
  twilio::SendOutcome Request(const Dispatch& dispatch);
  int NoteRefusals(const Job& job, const twilio::SendOutcome& outcome);

  SendApi& api_;
  const Directory& directory_;
  Settler& settler_;
  Brake& brake_;
  const RetryPolicy policy_;
  std::mutex mutex_;
  std::map<std::string, Refusals> refusals_;  // By account.
};

// For a request that was journalled and will not be written.
SettleEntry Abandoned(const Job& job);

}  // namespace parley::sender
