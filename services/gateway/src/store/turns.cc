#include "store/turns.h"

#include <vector>

#include "domain/message.h"
#include "libs/kafka/record.h"
#include "libs/telemetry/log.h"
#include "parley/events/v1/conversation_event.pb.h"
#include "store/resources.h"
#include "store/statement.h"

namespace parley::gateway::store {
namespace {

using events::v1::ConversationEvent;
using events::v1::HistoryMessage;

HistoryMessage::Author AuthorOf(const v1::Message& message) {
  switch (message.author()) {
    case v1::Message::AUTHOR_CUSTOMER:
      return HistoryMessage::AUTHOR_CUSTOMER;
    case v1::Message::AUTHOR_AI:
      return HistoryMessage::AUTHOR_AI;
    default:
      return HistoryMessage::AUTHOR_AGENT;
  }
}

std::string TextOf(const v1::Message& message) {
  std::string text = message.body();
  for (const v1::MessageMedia& media : message.media()) {
    if (!text.empty()) text += ' ';
    text += "[" + (media.content_type().empty() ? "attachment" : media.content_type()) + "]";
  }
  return text;
}

// What a turn's AI is told. False if the key cannot be opened.
bool FillSettings(const pqxx::row& row, const TurnToWrite& turn, const TurnKeys& keys,
                  events::v1::TurnReady& ready) {
  events::v1::AiSettings& settings = *ready.mutable_settings();
  settings.set_provider(row["ai_provider"].c_str());
  settings.set_base_url(row["ai_base_url"].c_str());
  settings.set_model(row["ai_model"].c_str());
  settings.set_system_prompt(row["ai_system_prompt"].c_str());
  if (row["ai_sealed_key"].is_null()) return true;
  const crypto::SealContext context{crypto::kAiKey, turn.organization_id};
  const auto key = keys.master->Open(postgres::FromBytea(row["ai_sealed_key"].c_str()), context);
  if (!key.ok()) {
    telemetry::Error(
        "ai_key_unreadable", key.status(),
        {{"organization_id", turn.organization_id}, {"conversation_id", turn.conversation_id}});
    return false;
  }
  settings.set_sealed_key(keys.directory->Seal(*key, context));
  return true;
}

// The newest messages that fit, oldest first. `rows` has the newest first.
void FillHistory(const std::vector<v1::Message>& newest_first, events::v1::TurnReady& ready) {
  std::size_t bytes = 0;
  std::vector<HistoryMessage> kept;
  for (const v1::Message& message : newest_first) {
    HistoryMessage history;
    history.set_seq(message.seq());
    history.set_author(AuthorOf(message));
    history.set_text(TextOf(message));
    history.set_at_us(message.create_time().seconds() * 1'000'000 +
                      message.create_time().nanos() / 1'000);
    bytes += history.text().size();
    // The turn's last message is always there, whatever its length.
    if (bytes > kHistoryBytesMax && !kept.empty()) break;
    kept.push_back(std::move(history));
  }
  for (auto at = kept.rbegin(); at != kept.rend(); ++at) *ready.add_history() = std::move(*at);
}

}  // namespace

absl::Status WriteTurns(pqxx::work& tx, std::span<const TurnToWrite> turns, const TurnKeys& keys,
                        Outbox& outbox) {
  if (turns.empty()) return absl::OkStatus();
  postgres::Array organizations, conversations, last_seqs;
  for (const TurnToWrite& turn : turns) {
    organizations.Add(turn.organization_id);
    conversations.Add(turn.conversation_id);
    last_seqs.Add(turn.turn.last_seq);
  }
  const pqxx::result settings = RunPrepared(
      tx, "turn_settings",
      "SELECT t.ord, c.medium, ch.display_name AS channel_name, ch.ai_provider, ch.ai_base_url, "
      "ch.ai_model, ch.ai_system_prompt, ch.ai_sealed_key, "
      "coalesce(k.display_name, '') AS customer_name "
      "FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY t(org, conversation, ord) "
      "JOIN conversations c ON c.organization_id = t.org AND c.id = t.conversation "
      "JOIN channels ch ON ch.organization_id = c.organization_id AND ch.id = c.channel_id "
      "LEFT JOIN contacts k ON k.organization_id = c.organization_id AND k.id = c.contact_id "
      "ORDER BY t.ord",
      organizations.str(), conversations.str());
  const pqxx::result history =
      RunPrepared(tx, "turn_history",
                  "SELECT h.*, t.ord FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) "
                  "WITH ORDINALITY t(org, conversation, last_seq, ord) CROSS JOIN LATERAL (" +
                      std::string(kMessageSelect) +
                      " WHERE m.organization_id = t.org AND m.conversation_id = t.conversation "
                      "AND m.seq <= t.last_seq ORDER BY m.seq DESC LIMIT " +
                      std::to_string(kHistoryMessagesMax) + ") h ORDER BY t.ord, h.seq DESC",
                  organizations.str(), conversations.str(), last_seqs.str());
  std::vector<std::vector<v1::Message>> messages(turns.size());
  for (const pqxx::row& row : history) {
    messages.at(row[kMessageColumns].as<std::size_t>() - 1).push_back(ReadMessage(row));
  }
  for (const pqxx::row& row : settings) {
    const std::size_t at = row[0].as<std::size_t>() - 1;
    const TurnToWrite& turn = turns[at];
    ConversationEvent event;
    event.set_organization_id(turn.organization_id);
    event.set_conversation_id(turn.conversation_id);
    events::v1::TurnReady& ready = *event.mutable_turn_ready();
    ready.set_turn_id(turn.turn.turn_id);
    ready.set_first_seq(turn.turn.first_seq);
    ready.set_last_seq(turn.turn.last_seq);
    ready.set_due_at_us(ToMicros(turn.turn.due_at));
    ready.set_deadline_us(ToMicros(turn.turn.deadline));
    ready.set_medium(ToEvent(ParseMedium(row["medium"].c_str())));
    ready.set_customer_name(row["customer_name"].c_str());
    ready.set_channel_name(row["channel_name"].c_str());
    if (!FillSettings(row, turn, keys, ready)) continue;
    FillHistory(messages[at], ready);
    outbox.AddKafka({turn.organization_id, kafka::kConversationEventsTopic, turn.conversation_id,
                     event.SerializeAsString(), event.GetTypeName(), turn.traceparent});
  }
  return absl::OkStatus();
}

}  // namespace parley::gateway::store
