// What the responder needs from outside.
#pragma once

#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/reply.h"
#include "domain/turn.h"
#include "parley/events/v1/reply.pb.h"

namespace parley::ai {

// Answers turns. Thread-safe; a call may last as long as the turn has time.
class Provider {
 public:
  virtual ~Provider() = default;

  // `stop` means that the process must end now: return kCancelled, and the turn is answered by the
  // next process. Any other error closes the turn: its reason (UPPER_SNAKE) and its message (a
  // sentence without anything that the customer or the provider wrote) are shown in the inbox.
  virtual absl::StatusOr<Completion> Complete(const Turn& turn, const std::stop_token& stop) = 0;
};

// Where replies go. Thread-safe.
class ReplySink {
 public:
  virtual ~ReplySink() = default;

  // OK once the reply is safe. A retryable error may mean that it arrived all the same: publish it
  // again, its turn's id makes the two one.
  virtual absl::Status Publish(const events::v1::ReplyRecord& reply,
                               const std::string& traceparent) = 0;
};

}  // namespace parley::ai
