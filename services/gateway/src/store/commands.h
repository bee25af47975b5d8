// Send commands out of stored messages: the first time (inbox.h) and again for what the sender has
// not accepted (dispatcher).
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
  Time not_after;
  Time whatsapp_window_until;  // The epoch: does not apply.
  std::string_view traceparent;
};

// Adds one row of parley.send-commands, keyed by the sender number.
void AddSend(const SendOrder& order, Outbox& outbox);

}  // namespace parley::gateway::store
