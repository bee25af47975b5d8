#include "store/conversation_rows.h"

#include <algorithm>
#include <tuple>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "store/resources.h"
#include "store/statement.h"

namespace parley::gateway::store {
namespace {

using postgres::Array;

using ConversationKey = std::tuple<std::string, std::string, std::string, std::string>;

ConversationKey KeyOf(const NewMessage& message) {
  return {message.organization_id, message.channel_id, message.customer_number,
          std::string(MediumName(message.medium))};
}

// What a message says about a conversation that may have to be made.
struct Wanted {
  const NewMessage* message = nullptr;
  std::string conversation_id;  // Once found.
};

std::optional<Time> OptionalTime(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return FromMicros(field.as<std::int64_t>());
}

// ---- Finding and making ----

void FindConversations(pqxx::work& tx, std::map<ConversationKey, Wanted>& wanted) {
  Array organizations, channels, numbers, media;
  for (const auto& [key, want] : wanted) {
    if (!want.conversation_id.empty()) continue;
    organizations.Add(std::get<0>(key));
    channels.Add(std::get<1>(key));
    numbers.Add(std::get<2>(key));
    media.Add(std::get<3>(key));
  }
  const pqxx::result found = RunPrepared(
      tx, "find_conversations",
      "SELECT c.organization_id, c.channel_id, c.customer_number, c.medium, c.id "
      "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) w(org, channel, number, medium) "
      "JOIN conversations c ON c.organization_id = w.org AND c.channel_id = w.channel "
      "AND c.customer_number = w.number AND c.medium = w.medium",
      organizations.str(), channels.str(), numbers.str(), media.str());
  for (const pqxx::row& row : found) {
    const auto want = wanted.find({row[0].c_str(), row[1].c_str(), row[2].c_str(), row[3].c_str()});
    if (want != wanted.end()) want->second.conversation_id = row[4].c_str();
  }
}

// Contacts before conversations before locks: everybody takes these in one order, and the keys of
// each in order, so that no two transactions wait for each other.
void MakeConversations(pqxx::work& tx, const std::map<ConversationKey, Wanted>& wanted) {
  std::map<RowId, std::string> contacts;  // Organization and number, name.
  Array organizations, ids, channels, numbers, media, times;
  for (const auto& [key, want] : wanted) {
    if (!want.conversation_id.empty()) continue;
    const NewMessage& message = *want.message;
    if (!message.customer_number.empty()) {
      contacts.try_emplace({message.organization_id, message.customer_number},
                           CutText(message.profile_name, 200));
    }
    organizations.Add(message.organization_id);
    ids.Add(NewId());
    channels.Add(message.channel_id);
    numbers.Add(message.customer_number);
    media.Add(std::get<3>(key));
  }
  if (!contacts.empty()) {
    Array contact_organizations, contact_ids, contact_numbers, names;
    for (const auto& [key, name] : contacts) {
      contact_organizations.Add(key.first);
      contact_ids.Add(NewId());
      contact_numbers.Add(key.second);
      names.Add(name);
    }
    RunPrepared(tx, "insert_contacts",
                "INSERT INTO contacts (organization_id, id, phone_number, display_name) "
                "SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) "
                "ON CONFLICT (organization_id, phone_number) DO NOTHING",
                contact_organizations.str(), contact_ids.str(), contact_numbers.str(), names.str());
  }
  RunPrepared(
      tx, "insert_conversations",
      "INSERT INTO conversations (organization_id, id, channel_id, customer_number, medium, "
      "contact_id) "
      "SELECT w.org, w.id, w.channel, w.number, w.medium, k.id "
      "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) "
      "WITH ORDINALITY w(org, id, channel, number, medium, ord) "
      "JOIN channels ch ON ch.organization_id = w.org AND ch.id = w.channel "
      "LEFT JOIN contacts k ON k.organization_id = w.org AND k.phone_number = w.number "
      "AND w.number <> '' ORDER BY w.ord "
      "ON CONFLICT (organization_id, channel_id, customer_number, medium) DO NOTHING",
      organizations.str(), ids.str(), channels.str(), numbers.str(), media.str());
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ResolveConversations(
    pqxx::work& tx, std::span<const NewMessage> messages) {
  std::map<ConversationKey, Wanted> wanted;
  for (const NewMessage& message : messages) {
    if (message.conversation_id.empty()) wanted.try_emplace(KeyOf(message), Wanted{&message, ""});
  }
  const auto missing = [&] {
    return std::any_of(wanted.begin(), wanted.end(),
                       [](const auto& entry) { return entry.second.conversation_id.empty(); });
  };
  if (!wanted.empty()) FindConversations(tx, wanted);
  if (missing()) {
    MakeConversations(tx, wanted);
    FindConversations(tx, wanted);
    if (missing()) return NotFound("CHANNEL_NOT_FOUND", "There is no channel with this id.");
  }
  std::vector<std::string> ids;
  ids.reserve(messages.size());
  for (const NewMessage& message : messages) {
    ids.push_back(message.conversation_id.empty() ? wanted.at(KeyOf(message)).conversation_id
                                                  : message.conversation_id);
  }
  return ids;
}

// ---- Locking ----

namespace {

Conversation ReadLocked(const pqxx::row& row) {
  Conversation conversation;
  conversation.organization_id = row[0].c_str();
  conversation.id = row[1].c_str();
  conversation.channel_id = row[2].c_str();
  conversation.customer_number = row[3].c_str();
  conversation.medium = ParseMedium(row[4].c_str());
  conversation.last_seq = row[5].as<std::int64_t>();
  conversation.message_count = row[6].as<std::int64_t>();
  conversation.unread_count = row[7].as<std::int64_t>();
  conversation.whatsapp_window_until = OptionalTime(row[8]);
  if (!row[9].is_null()) conversation.ai_enabled = row[9].as<bool>();
  conversation.taken_over = row[10].as<bool>();
  if (const auto due = OptionalTime(row[13])) {
    conversation.turns.pending =
        PendingTurn{row[11].as<std::int64_t>(), row[12].as<std::int64_t>(), *due};
  }
  if (const auto deadline = OptionalTime(row[16])) {
    conversation.turns.open = OpenTurn{row[14].c_str(), row[15].as<std::int64_t>(), *deadline};
  }
  conversation.ai_error = row[17].c_str();
  conversation.had_turns = conversation.turns != Turns() || !conversation.ai_error.empty();
  conversation.created_at = FromMicros(row[18].as<std::int64_t>());
  conversation.last_inbound_at = OptionalTime(row[19]);
  return conversation;
}

void ReadFactsOf(const pqxx::row& row, Conversation& conversation) {
  conversation.channel_found = true;
  const bool deleted = row[3].as<bool>();
  conversation.channel_ai_enabled = row[1].as<bool>() && !deleted;
  conversation.ai_delay = std::chrono::milliseconds(row[2].as<int>());
  conversation.account_sid = row[4].c_str();
  conversation.sender_number = row[5].c_str();
  conversation.contact_id = row[6].c_str();
  conversation.contact_name = row[7].c_str();
  conversation.opted_out = row[8].as<bool>();
  if (!deleted) conversation.first_message_reply = row[9].c_str();
}

void ToArrays(const std::set<RowId>& rows, Array& organizations, Array& seconds) {
  for (const auto& [organization_id, second] : rows) {
    organizations.Add(organization_id);
    seconds.Add(second);
  }
}

}  // namespace

void AddCustomersConversations(pqxx::work& tx, const std::set<RowId>& customers,
                               std::set<RowId>& conversations) {
  Array organizations, numbers;
  ToArrays(customers, organizations, numbers);
  for (const pqxx::row& row : RunPrepared(
           tx, "customers_conversations",
           "SELECT c.organization_id, c.id FROM unnest($1::uuid[], $2::text[]) w(org, number) "
           "JOIN conversations c ON c.organization_id = w.org "
           "AND c.customer_number = w.number",
           organizations.str(), numbers.str())) {
    conversations.emplace(row[0].c_str(), row[1].c_str());
  }
}

Conversations LockConversations(pqxx::work& tx, const std::set<RowId>& wanted) {
  Array organizations, ids;
  ToArrays(wanted, organizations, ids);
  Conversations conversations;
  static const std::string lock_sql =
      "SELECT c.organization_id, c.id, c.channel_id, c.customer_number, c.medium, c.last_seq, "
      "c.message_count, c.unread_count, " +
      MicrosOf("c.whatsapp_window_until") +
      ", c.ai_enabled, c.taken_over_at IS NOT NULL, c.pending_first_seq, c.pending_last_seq, " +
      MicrosOf("c.pending_due_at") + ", c.open_turn_id, c.open_last_seq, " +
      MicrosOf("c.open_deadline") + ", c.ai_error, " + MicrosOf("c.created_at") + ", " +
      MicrosOf("c.last_inbound_at") +
      " FROM conversations c WHERE (c.organization_id, c.id) IN "
      "(SELECT * FROM unnest($1::uuid[], $2::uuid[])) ORDER BY c.id FOR UPDATE";
  for (const pqxx::row& row :
       RunPrepared(tx, "lock_conversations", lock_sql, organizations.str(), ids.str())) {
    Conversation conversation = ReadLocked(row);
    conversations.emplace(conversation.id, std::move(conversation));
  }
  return conversations;
}

void ReadFacts(pqxx::work& tx, Conversations& conversations) {
  Array organizations, ids;
  for (const auto& [id, conversation] : conversations) {
    organizations.Add(conversation.organization_id);
    ids.Add(id);
  }
  const pqxx::result facts = RunPrepared(
      tx, "read_facts",
      "SELECT f.id, f.ai_enabled, f.ai_delay_ms, f.deleted, f.account_sid, f.sender, f.contact_id, "
      "f.contact_name, is_opted_out(f.organization_id, f.customer_number, f.sender), f.reply "
      "FROM (SELECT c.organization_id, c.id, c.customer_number, ch.ai_enabled, ch.ai_delay_ms, "
      "ch.deleted_at IS NOT NULL AS deleted, ch.account_sid, "
      "CASE WHEN c.medium = 'whatsapp' AND ch.whatsapp_number <> '' THEN ch.whatsapp_number "
      "ELSE ch.phone_number END AS sender, k.id AS contact_id, k.display_name AS contact_name, "
      "CASE WHEN ch.auto_reply_mode = 'first_message' THEN ch.auto_reply ELSE '' END AS reply "
      "FROM unnest($1::uuid[], $2::uuid[]) w(org, id) "
      "JOIN conversations c ON c.organization_id = w.org AND c.id = w.id "
      "JOIN channels ch ON ch.organization_id = c.organization_id AND ch.id = c.channel_id "
      "LEFT JOIN contacts k ON k.organization_id = c.organization_id AND k.id = c.contact_id) f",
      organizations.str(), ids.str());
  for (const pqxx::row& row : facts) {
    const auto at = conversations.find(row[0].c_str());
    if (at != conversations.end()) ReadFactsOf(row, at->second);
  }
}

}  // namespace parley::gateway::store
