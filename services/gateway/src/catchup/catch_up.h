// At start and every hour, Twilio's list of each account's messages is compared with the store:
// what came in for a number that Parley serves and never arrived as a webhook is taken in, flagged
// as recovered; what was sent and is not final gets its status; prices are filled in. What goes in
// leaves through the outbox for the topics that webhooks go to, so that everything that reads those
// sees it too.
//
// One replica at a time works on an account (advisory lock), a page a second. It stops when Twilio
// says that it is too much (429), and goes on there a few minutes later, behind the other accounts.
#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "catchup/message_lists.h"
#include "libs/base/clock.h"
#include "libs/crypto/seal.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::catchup {

struct CatchUpOptions {
  postgres::PoolOptions database;       // As gateway_worker, for the lock's own connection.
  std::chrono::seconds every{3600};     // Varied by a tenth; 0: never.
  std::chrono::seconds back{86'400};    // How far it looks back.
  std::chrono::seconds leave_for{120};  // Younger messages are left to their webhooks.
  int pages_max = 200;                  // Of 500 messages each, in one run.
  int media_max = 200;                  // Messages whose media one run asks for.
  std::chrono::milliseconds page_wait{1'000};
};

// What a run came to.
struct CatchUpResult {
  int pages = 0;
  int recovered = 0;
  int statuses = 0;
  int prices = 0;
  int media = 0;          // Messages whose media were asked for.
  int foreign = 0;        // Came in for numbers that Parley does not serve; left alone.
  int unreadable = 0;     // Came in, but are no messages that Parley takes.
  bool complete = false;  // Else it goes on where it stopped.
  bool busy = false;      // Another replica works on it.
};

class CatchUp {
 public:
  // `pool` is gateway_worker's; one connection at a time is used. References outlive this.
  CatchUp(CatchUpOptions options, postgres::Pool& pool, MessageLists& twilio,
          const crypto::KeyRing& master, const Clock& clock);
  ~CatchUp();
  CatchUp(const CatchUp&) = delete;
  CatchUp& operator=(const CatchUp&) = delete;

  void Start();
  void Stop();

  // One account, now. Errors: those of Twilio but 429, and the database's.
  absl::StatusOr<CatchUpResult> RunAccount(const std::string& account_sid,
                                           const std::stop_token& stop);

 private:
  void Run(const std::stop_token& stop);

  const CatchUpOptions options_;
  postgres::Pool& pool_;
  MessageLists& twilio_;
  const crypto::KeyRing& master_;
  const Clock& clock_;
  std::jthread thread_;
};

}  // namespace parley::gateway::catchup
