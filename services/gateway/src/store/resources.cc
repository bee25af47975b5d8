#include "store/resources.h"

#include <nlohmann/json.hpp>

#include "domain/message.h"
#include "domain/unconfirmed.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"

// The columns are macros, so that the SELECT lists stay literals that can be read at a glance.
#define MICROS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"
#define MESSAGE_COLUMNS \
  "m.id, m.conversation_id, m.channel_id, m.seq, m.direction, m.author, m.kind, m.medium, "     \
  "m.body, m.media, m.status, " MICROS("m.status_at") ", m.error_code, m.error_message, "       \
  "m.simulated, m.from_number, m.to_number, m.message_sid, m.call_sid, "                        \
  MICROS("m.received_at") ", m.late, m.segments, m.recovered, m.call_status, m.call_seconds, "    \
  "m.price, m.price_unit, " MICROS("m.erased_at") ", m.findings, " MICROS("m.look_again_at") \
  ", " MICROS("m.send_at") ", m.copies"

namespace parley::gateway::store {
namespace {

std::string Text(const pqxx::row& row, int column) {
  const pqxx::field field = row[column];
  return {field.c_str(), field.size()};
}

std::int64_t Integer(const pqxx::row& row, int column) {
  return row[column].is_null() ? 0 : row[column].as<std::int64_t>();
}

std::int32_t Integer32(const pqxx::row& row, int column) {
  return row[column].is_null() ? 0 : row[column].as<std::int32_t>();
}

bool Flag(const pqxx::row& row, int column) { return row[column].c_str()[0] == 't'; }

google::protobuf::Timestamp When(const pqxx::row& row, int column) {
  return ToTimestamp(FromMicros(Integer(row, column)));
}

// Our own writing (inbox.cc), so it parses; what does not is left out rather than fatal.
void ReadMedia(const char* json, v1::Message& message) {
  if (json[0] == '[' && json[1] == ']') return;
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) return;
  for (const nlohmann::json& one : parsed) {
    if (!one.is_object()) continue;
    v1::MessageMedia& media = *message.add_media();
    media.set_url(one.value("url", ""));
    media.set_content_type(one.value("content_type", ""));
  }
}

absl::Status NoSuch(std::string_view what, std::string_view reason) {
  return NotFound(reason, "There is no " + std::string(what) + " with this id.");
}

template <class Resource>
absl::StatusOr<Resource> LoadOne(pqxx::work& tx, const std::string& sql,
                                 std::string_view organization_id, std::string_view id,
                                 Resource (*read)(const pqxx::row&, int),
                                 const absl::Status& missing) {
  if (!IsUuid(id)) return missing;
  const pqxx::result rows = tx.exec_params(sql, std::string(organization_id), std::string(id));
  if (rows.empty()) return missing;
  return read(rows[0], 0);
}

}  // namespace

const char kMessageSelect[] = "SELECT " MESSAGE_COLUMNS " FROM messages m";

const char kConversationSelect[] =
    "SELECT c.id, c.channel_id, k.id, k.display_name, c.customer_number, c.medium, "
    "c.message_count, c.unread_count, " MICROS("c.last_message_at") ", c.ai_enabled, "
    "ch.ai_enabled, c.taken_over_at IS NOT NULL, "
    "is_opted_out(c.organization_id, c.customer_number, CASE WHEN c.medium = 'whatsapp' "
    "AND ch.whatsapp_number <> '' THEN ch.whatsapp_number ELSE ch.phone_number END), "
    "c.pending_first_seq IS NOT NULL OR c.open_turn_id IS NOT NULL, "
    MICROS("c.whatsapp_window_until") ", " MICROS("c.created_at") ", c.ai_error, "
    "c.organization_id, c.read_seq, c.last_seq, c.last_message_id IS NOT NULL, "
    "ch.deleted_at IS NOT NULL, " MESSAGE_COLUMNS
    " FROM conversations c"
    " JOIN channels ch ON ch.organization_id = c.organization_id AND ch.id = c.channel_id"
    " LEFT JOIN contacts k ON k.organization_id = c.organization_id AND k.id = c.contact_id"
    " LEFT JOIN messages m ON m.organization_id = c.organization_id AND m.id = c.last_message_id";

const char kChannelSelect[] =
    "SELECT ch.id, ch.display_name, ch.phone_number, ch.whatsapp_number, ch.media, "
    "ch.account_sid, ch.ai_enabled, ch.ai_delay_ms, ch.ai_provider, ch.ai_base_url, ch.ai_model, "
    "ch.ai_system_prompt, ch.ai_sealed_key IS NOT NULL, ch.auto_reply, ch.voice_greeting, "
    "ch.deleted_at IS NOT NULL, " MICROS("ch.created_at") ", ch.unclaimed, ch.auto_reply_mode, "
    "ch.office_time_zone, ch.office_hours, ch.voice_language, ch.voice_name, ch.voice_action, "
    "ch.forward_number, ch.voicemail_seconds_max, ch.public_url FROM channels ch";

const char kContactSelect[] =
    "SELECT k.id, k.display_name, k.phone_number, k.email, "
    "is_opted_out(k.organization_id, k.phone_number, ''), " MICROS(
        "k.created_at") " FROM contacts k";

namespace {

v1::AutoReplyMode ParseAutoReplyMode(const std::string& name) {
  if (name == "always") return v1::AUTO_REPLY_MODE_ALWAYS;
  if (name == "out_of_hours") return v1::AUTO_REPLY_MODE_OUT_OF_HOURS;
  if (name == "first_message") return v1::AUTO_REPLY_MODE_FIRST_MESSAGE;
  return v1::AUTO_REPLY_MODE_OFF;
}

v1::ChannelVoice::Action ParseVoiceAction(const std::string& name) {
  if (name == "voicemail") return v1::ChannelVoice::ACTION_VOICEMAIL;
  if (name == "forward") return v1::ChannelVoice::ACTION_FORWARD;
  return v1::ChannelVoice::ACTION_NONE;
}

void ReadOfficeHours(const char* json, v1::OfficeHours& hours) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) return;
  for (const auto& one : parsed) {
    v1::OfficeHours::Interval& interval = *hours.add_intervals();
    interval.set_weekday(one.value("weekday", 0));
    interval.set_from_minute(one.value("from_minute", 0));
    interval.set_to_minute(one.value("to_minute", 0));
  }
}

}  // namespace

v1::Message ReadMessage(const pqxx::row& row, int first_column) {
  int at = first_column;
  v1::Message message;
  message.set_id(Text(row, at++));
  message.set_conversation_id(Text(row, at++));
  message.set_channel_id(Text(row, at++));
  message.set_seq(Integer(row, at++));
  message.set_direction(ParseDirection(row[at++].c_str()));
  message.set_author(ParseAuthor(row[at++].c_str()));
  message.set_kind(ParseKind(row[at++].c_str()));
  message.set_medium(ParseMedium(row[at++].c_str()));
  message.set_body(Text(row, at++));
  ReadMedia(row[at++].c_str(), message);
  message.set_status(ParseStatus(row[at++].c_str()));
  *message.mutable_status_time() = When(row, at++);
  message.set_error_code(Integer32(row, at++));
  message.set_error_message(Text(row, at++));
  message.set_simulated(Flag(row, at++));
  message.set_from(Text(row, at++));
  message.set_to(Text(row, at++));
  message.set_message_sid(Text(row, at++));
  message.set_call_sid(Text(row, at++));
  *message.mutable_create_time() = When(row, at++);
  message.set_late(Flag(row, at++));
  message.set_segments(Integer32(row, at++));
  message.set_recovered(Flag(row, at++));
  message.set_call_status(ParseCallStatus(row[at++].c_str()));
  message.set_call_seconds(Integer32(row, at++));
  message.set_price(Text(row, at++));
  message.set_price_unit(Text(row, at++));
  if (!row[at].is_null()) *message.mutable_erase_time() = When(row, at);
  ++at;
  if (message.status() == v1::Message::STATUS_UNCONFIRMED) {
    *message.mutable_unconfirmed() =
        ToUnconfirmed(ReadFindings(row[at].c_str()), Integer(row, at + 1));
  }
  at += 2;
  if (!row[at].is_null()) *message.mutable_send_time() = When(row, at);
  message.set_copies(Integer32(row, at + 1));
  return message;
}

v1::Conversation ReadConversation(const pqxx::row& row, int first_column) {
  const int at = first_column;
  v1::Conversation conversation;
  conversation.set_id(Text(row, at));
  conversation.set_channel_id(Text(row, at + 1));
  conversation.set_contact_id(Text(row, at + 2));
  conversation.set_customer_number(Text(row, at + 4));
  conversation.set_title(TitleOf(Text(row, at + 3), conversation.customer_number()));
  conversation.set_medium(ParseMedium(row[at + 5].c_str()));
  conversation.set_message_count(Integer(row, at + 6));
  conversation.set_unread_count(Integer(row, at + 7));
  *conversation.mutable_update_time() = When(row, at + 8);
  AiFacts facts;
  if (!row[at + 9].is_null()) {
    facts.conversation_enabled = Flag(row, at + 9);
    conversation.set_ai_enabled(*facts.conversation_enabled);
  }
  facts.channel_enabled = Flag(row, at + 10) && !Flag(row, at + 21);
  facts.taken_over = Flag(row, at + 11);
  facts.opted_out = Flag(row, at + 12);
  facts.pending = Flag(row, at + 13);
  conversation.set_ai_state(AiStateOf(facts));
  conversation.set_opted_out(facts.opted_out);
  if (!row[at + 14].is_null()) *conversation.mutable_whatsapp_window_time() = When(row, at + 14);
  *conversation.mutable_create_time() = When(row, at + 15);
  conversation.set_ai_error(Text(row, at + 16));
  const int message_at = first_column + kConversationColumns - kMessageColumns;
  if (!row[message_at].is_null()) {
    v1::Message& last = *conversation.mutable_last_message();
    last = ReadMessage(row, message_at);
    last.set_body(CutText(last.body(), kPreviewCodePointsMax));
  }
  return conversation;
}

v1::Channel ReadChannel(const pqxx::row& row, int first_column) {
  int at = first_column;
  v1::Channel channel;
  channel.set_id(Text(row, at++));
  channel.set_display_name(Text(row, at++));
  channel.set_phone_number(Text(row, at++));
  channel.set_whatsapp_number(Text(row, at++));
  for (const std::string& medium : postgres::ParseArray(row[at++].c_str())) {
    channel.add_media(ParseMedium(medium));
  }
  channel.set_account_sid(Text(row, at++));
  v1::ChannelAi& ai = *channel.mutable_ai();
  ai.set_enabled(Flag(row, at++));
  ai.set_response_delay_ms(Integer32(row, at++));
  ai.set_provider(Text(row, at++));
  ai.set_base_url(Text(row, at++));
  ai.set_model(Text(row, at++));
  ai.set_system_prompt(Text(row, at++));
  ai.set_api_key_set(Flag(row, at++));
  channel.set_auto_reply(Text(row, at++));
  channel.set_voice_greeting(Text(row, at++));
  channel.set_state(Flag(row, at++) ? v1::Channel::STATE_DELETED : v1::Channel::STATE_ACTIVE);
  *channel.mutable_create_time() = When(row, at++);
  channel.set_unclaimed(Flag(row, at++));
  channel.set_auto_reply_mode(ParseAutoReplyMode(Text(row, at++)));
  channel.mutable_office_hours()->set_time_zone(Text(row, at++));
  ReadOfficeHours(row[at++].c_str(), *channel.mutable_office_hours());
  v1::ChannelVoice& voice = *channel.mutable_voice();
  voice.set_language(Text(row, at++));
  voice.set_voice_name(Text(row, at++));
  voice.set_action(ParseVoiceAction(Text(row, at++)));
  voice.set_forward_number(Text(row, at++));
  voice.set_voicemail_seconds_max(Integer32(row, at++));
  channel.set_public_url(Text(row, at++));
  return channel;
}

v1::Contact ReadContact(const pqxx::row& row, int first_column) {
  int at = first_column;
  v1::Contact contact;
  contact.set_id(Text(row, at++));
  contact.set_display_name(Text(row, at++));
  contact.set_phone_number(Text(row, at++));
  contact.set_email(Text(row, at++));
  contact.set_opted_out(Flag(row, at++));
  *contact.mutable_create_time() = When(row, at++);
  return contact;
}

absl::StatusOr<v1::Message> LoadMessage(pqxx::work& tx, std::string_view organization_id,
                                        std::string_view message_id) {
  return LoadOne<v1::Message>(
      tx, std::string(kMessageSelect) + " WHERE m.organization_id = $1 AND m.id = $2",
      organization_id, message_id, ReadMessage, NoSuch("message", "MESSAGE_NOT_FOUND"));
}

void LoadParameters(pqxx::work& tx, std::string_view organization_id, v1::Message& message) {
  // A name that was there more than once has a list of its values.
  for (const pqxx::row& row : tx.exec_params(
           "SELECT p.key, v.value FROM messages m, jsonb_each(m.parameters) p, LATERAL "
           "jsonb_array_elements_text(CASE WHEN jsonb_typeof(p.value) = 'array' THEN p.value "
           "ELSE jsonb_build_array(p.value) END) v(value) "
           "WHERE m.organization_id = $1 AND m.id = $2 ORDER BY p.key",
           std::string(organization_id), message.id())) {
    v1::MessageParameter& parameter = *message.add_parameters();
    parameter.set_name(Text(row, 0));
    parameter.set_value(Text(row, 1));
  }
}

absl::StatusOr<v1::Conversation> LoadConversation(pqxx::work& tx, std::string_view organization_id,
                                                  std::string_view conversation_id) {
  return LoadOne<v1::Conversation>(
      tx, std::string(kConversationSelect) + " WHERE c.organization_id = $1 AND c.id = $2",
      organization_id, conversation_id, ReadConversation,
      NoSuch("conversation", "CONVERSATION_NOT_FOUND"));
}

absl::StatusOr<v1::Channel> LoadChannel(pqxx::work& tx, std::string_view organization_id,
                                        std::string_view channel_id) {
  return LoadOne<v1::Channel>(
      tx, std::string(kChannelSelect) + " WHERE ch.organization_id = $1 AND ch.id = $2",
      organization_id, channel_id, ReadChannel, NoSuch("channel", "CHANNEL_NOT_FOUND"));
}

absl::StatusOr<v1::Contact> LoadContact(pqxx::work& tx, std::string_view organization_id,
                                        std::string_view contact_id) {
  return LoadOne<v1::Contact>(
      tx, std::string(kContactSelect) + " WHERE k.organization_id = $1 AND k.id = $2",
      organization_id, contact_id, ReadContact, NoSuch("contact", "CONTACT_NOT_FOUND"));
}

v1::Conversation::AiState AiStateOf(const AiFacts& facts) {
  if (!facts.conversation_enabled.value_or(facts.channel_enabled)) {
    return v1::Conversation::AI_STATE_OFF;
  }
  if (facts.opted_out) return v1::Conversation::AI_STATE_OPTED_OUT;
  if (facts.taken_over) return v1::Conversation::AI_STATE_TAKEN_OVER;
  return facts.pending ? v1::Conversation::AI_STATE_PENDING : v1::Conversation::AI_STATE_READY;
}

std::string TitleOf(std::string_view contact_name, std::string_view customer_number) {
  if (!contact_name.empty()) return std::string(contact_name);
  return customer_number.empty() ? "Simulated customer" : std::string(customer_number);
}

std::string MicrosOf(std::string_view column) {
  return "(extract(epoch FROM " + std::string(column) + ") * 1000000)::bigint";
}

google::protobuf::Timestamp ToTimestamp(Time time) {
  google::protobuf::Timestamp timestamp;
  std::int64_t seconds = ToMicros(time) / 1'000'000;
  std::int64_t micros = ToMicros(time) % 1'000'000;
  if (micros < 0) {
    micros += 1'000'000;
    --seconds;
  }
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<std::int32_t>(micros * 1'000));
  return timestamp;
}

}  // namespace parley::gateway::store
