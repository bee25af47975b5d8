// Removes what has expired: sessions, live tickets, idempotency keys. Every replica may run one;
// the statements are repeatable and bounded.
#pragma once

#include <chrono>
#include <stop_token>
#include <thread>

#include "absl/status/status.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::api {

class Janitor {
 public:
  // Works as gateway_worker, on a thread of its own, until destroyed.
  Janitor(postgres::Pool& worker, std::chrono::seconds every);

  // One round. Errors: kUnavailable; the next round catches up.
  static absl::Status Sweep(postgres::Pool& worker);

 private:
  std::jthread thread_;
};

}  // namespace parley::gateway::api
