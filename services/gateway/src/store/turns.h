// Writes TurnReady events: the bounded history and the AI's settings of turns that leave.
#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "domain/turn.h"
#include "libs/postgres/pool.h"
#include "store/inbox.h"
#include "store/outbox.h"

namespace parley::gateway::store {

// History that a turn carries at most; the newest messages win.
inline constexpr int kHistoryMessagesMax = 50;
inline constexpr std::size_t kHistoryBytesMax = 64 << 10;

struct TurnToWrite {
  std::string organization_id;
  std::string conversation_id;
  EmittedTurn turn;
  std::string traceparent;
};

// Adds one row of parley.conversation-events for each turn. Reads what the transaction wrote, so
// call it after the messages are in. A turn whose AI key cannot be opened is left out and logged:
// its deadline closes it, visibly.
absl::Status WriteTurns(pqxx::work& tx, std::span<const TurnToWrite> turns, const TurnKeys& keys,
                        Outbox& outbox);

}  // namespace parley::gateway::store
