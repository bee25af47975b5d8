// How the delivery state of an outgoing message moves (DESIGN §5). Pure.
//
// Two witnesses speak of it: the sender, whose results carry a generation and a version and so come
// in a known order; and Twilio, whose reports come late, twice and out of order, and are ranked.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "domain/message.h"
#include "parley/events/v1/send_result.pb.h"

namespace parley::gateway {

// Places the states of one attempt on a line; equal ranks exclude each other.
int StatusRank(Status status);

// Where a message stands in the store. What it shows is what its latest attempt and the ones before
// come to: a customer who has an earlier one has the message, whatever becomes of the latest.
struct SendState {
  Status status = v1::Message::STATUS_QUEUED;  // What is shown.
  int generation = 0;
  int attempt = 0;  // The latest that is known or asked for.
  std::int64_t result_version = 0;
  // The best of the earlier attempts: sent, delivered, read; unspecified if none of them is.
  Status earlier = v1::Message::STATUS_UNSPECIFIED;
  // The latest attempt's own; unspecified: as shown.
  Status own = v1::Message::STATUS_UNSPECIFIED;
  // A person marked it as failed, knowing nothing: any evidence overrides that.
  bool verdict = false;
};

// A result of the sender.
struct SenderResult {
  events::v1::SendOutcome::State state = events::v1::SendOutcome::STATE_UNSPECIFIED;
  int generation = 0;
  int attempt = 0;
  std::int64_t version = 0;
};

// A report of Twilio about one attempt; attempt 0 is one whose number is not known.
struct TwilioReport {
  Status status = v1::Message::STATUS_UNSPECIFIED;
  int attempt = 0;
};

// Our word for the sender's; unspecified for what is unknown.
Status FromOutcome(events::v1::SendOutcome::State state);

// Our word for Twilio's MessageStatus: whatever Twilio still works on it has taken, so it is
// `sent`. Unspecified for what is unknown or says nothing about an outgoing message.
Status FromTwilio(std::string_view message_status);

// Applies a result to `state` (generation, attempt and version too) and returns the new status if
// it changed. A lower version says nothing new, and of a lower generation only `sent` does, as if
// Twilio had reported it. What Twilio has reported of the same attempt is only ever moved forward,
// and never canceled or expired; a later attempt starts anew, unless the customer has the message
// already.
std::optional<Status> Apply(SendState& state, const SenderResult& result);

// Applies a report: forward by rank. Of an older attempt it counts that Twilio took it, and that
// this came to nothing later.
std::optional<Status> Apply(SendState& state, const TwilioReport& report);

// "Send again": a new generation waits for its attempt. What is reported of earlier attempts counts
// on.
void SendAgain(SendState& state);

// "Mark failed": as far as anybody knows.
void MarkFailed(SendState& state);

// It expired before it was sent and is planned again: a new generation.
void PlanAgain(SendState& state);

// It expired before it was sent, and somebody had asked for it to be canceled.
void CancelInstead(SendState& state);

}  // namespace parley::gateway
