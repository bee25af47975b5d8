// Commands for the sender, out of stored messages: sends, the first time (inbox.h) and again for
// what the sender has not accepted (dispatcher), and cancellations.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "domain/message.h"
#include "libs/base/clock.h"
#include "parley/v1/message.pb.h"
#include "store/outbox.h"

namespace parley::gateway::store {

struct SendOrder {
  std::string_view organization_id;
  const v1::Message& message;  // Whole, not cut.
  std::string_view account_sid;
  int generation = 0;
  Time not_after;              // At most 24 h ahead.
  Time whatsapp_window_until;  // The epoch: does not apply.
  std::string_view traceparent;
  Time not_before;  // The epoch: now.
};

// When it was asked to be sent; the epoch if at once.
Time SendTimeOf(const v1::Message& message);

// Adds one row of parley.send-commands, keyed by the sender number.
void AddSend(const SendOrder& order, Outbox& outbox);

// Not to be sent: this generation and lower ones.
struct CancelOrder {
  std::string_view organization_id;
  std::string_view message_id;
  int generation = 0;
  std::string_view sender_number;
};

// Adds one row of parley.send-commands, behind the sends of the same number.
void AddCancel(const CancelOrder& order, Outbox& outbox);

}  // namespace parley::gateway::store
