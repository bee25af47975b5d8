// Signed webhooks of many customers, each customer's one after the other, and a ledger of how each
// was answered: what tests/chaos compares the store with.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "target.h"

namespace parley::bench {

struct WebhookLoadOptions {
  std::int64_t webhooks_min = 1'000;  // At least as many are begun.
  bool until_stopped = false;         // And it goes on until `stop` is requested.
  int connections = 64;
  double per_second = 0;  // 0: as fast as they are answered.
  int customers = 512;
  std::int64_t first_customer = 0;
  std::vector<std::string> numbers;  // Of the business; empty: the target's.
  std::uint64_t seed = 1;
  // A webhook that is not answered 2xx is sent again as often as Twilio may be told to; one of
  // five is not, as when nobody told it.
  int tries_max = 6;
  std::string ledger;  // The file to write.
};

struct WebhookLoadResult {
  std::int64_t begun = 0;         // Webhooks.
  std::int64_t acknowledged = 0;  // Of them, answered 2xx at some try.
  std::int64_t refused = 0;       // Tries answered otherwise.
  std::int64_t unanswered = 0;    // Tries without an answer.
  double seconds = 0;
};

// Returns once each webhook that was begun is answered 2xx or given up. The ledger has a line for
// each try: SID, customer, business number, the customer's own count from 1, the try from 1, and
// the HTTP status (0: none), split by spaces. Errors: kInvalidArgument, an option; kUnavailable,
// the ledger cannot be written.
absl::StatusOr<WebhookLoadResult> RunWebhookLoad(const Target& target,
                                                 const WebhookLoadOptions& options,
                                                 const std::stop_token& stop);

}  // namespace parley::bench
