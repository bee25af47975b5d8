// What follows an answer of Twilio (or none): the state, the reason, and whether to try again.
// Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "domain/delivery.h"
#include "domain/retry.h"
#include "libs/twilio/client.h"

namespace parley::sender {

// How one request ended, to be written to its row.
struct Settlement {
  State state = State::kUnconfirmed;
  std::string message_sid = {};
  int segments = 0;    // As Twilio counted; 0 if unknown.
  int error_code = 0;  // Twilio's; 0 if none.
  std::string reason = {};
  std::string message = {};
  // With kQueued: when it is due again.
  std::chrono::milliseconds wait{0};
  bool counts_as_error = false;   // Towards RetryPolicy::errors_max.
  bool counts_as_attempt = true;  // False if not a byte was written: its number is used again.
  bool block_pair = false;        // The customer opted out of this number (21610).
  // No further request of the number, or of the account, for `wait`.
  bool pause_lane = false;
  bool pause_account = false;
};

// The sender's queue at Twilio is full; every other 429 is the account's.
inline constexpr int kQueueFull = 21611;

// True if Twilio refuses our credentials, or the account as a whole: whatever it sends.
bool RefusesAccount(const twilio::Refused& refused);

struct AnswerContext {
  int errors = 0;       // Retryable answers to this send before.
  int refusals = 1;     // 429 in a row for this number or account, this one included.
  double jitter = 0.5;  // Drawn from [0, 1).
};

Settlement Settle(const RetryPolicy& policy, const twilio::SendOutcome& outcome,
                  const AnswerContext& context);

}  // namespace parley::sender
