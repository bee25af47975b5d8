// Conversations as Append works with them: found or made, locked in the order of their ids, with
// what decides about their messages. Internal to store/.
//
// Everybody takes new contacts, then new conversations, then row locks of conversations, then those
// of contacts, each in the order of their keys, so that no two transactions wait for each other.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/turn.h"
#include "libs/base/clock.h"
#include "libs/postgres/pool.h"
#include "store/inbox.h"

namespace parley::gateway::store {

using RowId = std::pair<std::string, std::string>;  // Organization and id.

// A conversation under its lock, with what decides about its messages.
struct Conversation {
  std::string organization_id;
  std::string id;
  std::string channel_id;
  std::string customer_number;
  Medium medium = v1::MEDIUM_UNSPECIFIED;
  std::string contact_id;
  std::string contact_name;
  std::string new_contact_name;  // From a profile, to be written.
  std::int64_t last_seq = 0;
  std::int64_t message_count = 0;
  std::int64_t unread_count = 0;
  std::optional<Time> whatsapp_window_until;
  std::optional<Time> last_inbound_at;  // The latest received_at.
  std::optional<bool> ai_enabled;
  bool taken_over = false;
  Turns turns;
  std::string ai_error;
  Time created_at;
  // Of the channel.
  bool channel_found = false;
  bool channel_ai_enabled = false;
  std::chrono::milliseconds ai_delay{0};
  std::string account_sid;
  std::string sender_number;
  std::string first_message_reply;  // Its template, in that mode of the auto-reply.
  // Of the customer.
  bool opted_out = false;

  bool changed = false;        // Anything that is stored.
  bool shown_changed = false;  // Anything that is shown.
  v1::Message last_message;
  std::optional<EmittedTurn> emitted;
  std::string traceparent;  // Of the last message that was added.

  bool had_turns = false;  // Or an AI error, when it was locked.

  // True if only its messages changed.
  bool IsPlain() const {
    return !had_turns && turns == Turns() && ai_error.empty() && !last_message.id().empty();
  }
  AiGate Gate() const { return {ai_enabled.value_or(channel_ai_enabled), taken_over, opted_out}; }
};
// By id alone: the order in which everybody locks. Ids are unique over organizations.
using Conversations = std::map<std::string, Conversation>;

// The conversation of each message, made where there is none. kNotFound CHANNEL_NOT_FOUND.
absl::StatusOr<std::vector<std::string>> ResolveConversations(pqxx::work& tx,
                                                              std::span<const NewMessage> messages);

// Adds the conversations of these customers, by organization and number.
void AddCustomersConversations(pqxx::work& tx, const std::set<RowId>& customers,
                               std::set<RowId>& conversations);

// Locks, in the order of ids, and reads the rows alone.
Conversations LockConversations(pqxx::work& tx, const std::set<RowId>& wanted);

// Reads what surrounds locked conversations: channel, contact, consent. A statement of its own,
// after the locks: what was committed while we waited for them must be seen.
void ReadFacts(pqxx::work& tx, Conversations& conversations);

}  // namespace parley::gateway::store
