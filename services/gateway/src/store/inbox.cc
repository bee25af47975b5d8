#include "store/inbox.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "domain/auto_reply.h"
#include "domain/turn.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/postgres/array.h"
#include "store/commands.h"
#include "store/consent.h"
#include "store/conversation_rows.h"
#include "store/live_json.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "store/statement.h"
#include "store/turns.h"

namespace parley::gateway::store {
namespace {

using postgres::Array;

// How long WhatsApp takes free text after the customer's last message.
constexpr std::chrono::hours kWhatsAppWindow{24};

// Results of messages that are already stored, by organization and id.
std::map<RowId, AppendResult> FindStored(pqxx::work& tx, std::span<const NewMessage> messages) {
  Array organizations, ids;
  for (const NewMessage& message : messages) {
    organizations.Add(message.organization_id);
    ids.Add(message.message_id);
  }
  std::map<RowId, AppendResult> stored;
  for (const pqxx::row& row :
       RunPrepared(tx, "find_stored",
                   "SELECT m.organization_id, m.id, m.conversation_id, m.seq, m.status "
                   "FROM unnest($1::uuid[], $2::uuid[]) w(org, id) "
                   "JOIN messages m ON m.organization_id = w.org AND m.id = w.id",
                   organizations.str(), ids.str())) {
    AppendResult result;
    result.message_id = row[1].c_str();
    result.conversation_id = row[2].c_str();
    result.seq = row[3].as<std::int64_t>();
    result.status = ParseStatus(row[4].c_str());
    result.duplicate = true;
    stored.try_emplace({row[0].c_str(), row[1].c_str()}, std::move(result));
  }
  return stored;
}

void AddOrNull(Array& array, Time time) {
  if (time == Time()) {
    array.AddNull();
  } else {
    array.Add(time);
  }
}

// ---- Adding messages ----

// Collects what Append writes, in one pass over the messages.
class Appending {
 public:
  Appending(const AppendPolicy& policy, Conversations conversations)
      : policy_(policy), conversations_(std::move(conversations)) {}

  absl::StatusOr<AppendResult> Add(const NewMessage& message, const std::string& conversation_id);
  // Looks at a conversation's turns without adding to it.
  void Touch(const std::string& conversation_id) {
    const auto at = conversations_.find(conversation_id);
    if (at != conversations_.end() && at->second.channel_found) at->second.changed = true;
  }
  // The customers' consent changed: what they opted out of ends, and all of it is shown.
  void TakeConsents(const std::set<RowId>& customers);
  // The channel's auto-reply to a conversation's first message, through the sender.
  absl::Status ReplyToFirst(const NewMessage& message, const AppendResult& result);
  absl::Status Write(pqxx::work& tx);
  int EmittedCount() const {
    return static_cast<int>(
        std::count_if(conversations_.begin(), conversations_.end(),
                      [](const auto& entry) { return entry.second.emitted.has_value(); }));
  }
  bool Emitted(const std::string& conversation_id) const {
    return conversations_.at(conversation_id).emitted.has_value();
  }

 private:
  void AddInbound(const NewMessage& message, Conversation& conversation, v1::Message& resource);
  void AddOutbound(const NewMessage& message, Conversation& conversation, v1::Message& resource);
  void AddRow(const NewMessage& message, const Conversation& conversation,
              const v1::Message& resource, bool sends);
  // Of a command that leaves now.
  Time NotAfter(const NewMessage& message) const {
    const Time until = policy_.now + policy_.send_valid;
    return message.expires_at == Time() ? until : std::min(until, message.expires_at);
  }
  void InsertMessages(pqxx::work& tx);
  void UpdatePlans(pqxx::work& tx);
  void UpdatePlainConversations(pqxx::work& tx);
  void UpdateConversations(pqxx::work& tx);
  void UpdateContacts(pqxx::work& tx);

  const AppendPolicy& policy_;
  Conversations conversations_;
  Outbox outbox_;
  int rows_ = 0;
  Array organizations_, ids_, conversation_ids_, channel_ids_, seqs_, directions_, authors_, kinds_,
      media_kinds_, bodies_, media_, statuses_, error_reasons_, error_messages_, simulated_, late_,
      from_, to_, account_sids_, message_sids_, call_sids_, segments_, users_, turns_, emit_again_,
      not_after_, received_, recovered_, call_statuses_, call_seconds_, parameters_;
  std::string error_reason_;  // Of the message being added.
  // Rows of messages that are nothing but a customer's text: most of them, with half the columns.
  struct PlainRows {
    int count = 0;
    Array organizations, ids, conversations, channels, seqs, media, bodies, late, from, to,
        accounts, sids, segments, received, parameters;
  };
  void AddPlainRow(const NewMessage& message, const Conversation& conversation,
                   const v1::Message& resource);
  void InsertPlainMessages(pqxx::work& tx);
  PlainRows plain_;
  int plans_ = 0;
  Array plan_organizations_, plan_ids_, send_times_, expiries_;
};

absl::StatusOr<AppendResult> Appending::Add(const NewMessage& message,
                                            const std::string& conversation_id) {
  const auto at = conversations_.find(conversation_id);
  if (at == conversations_.end() || at->second.organization_id != message.organization_id ||
      !at->second.channel_found) {
    return NotFound("CONVERSATION_NOT_FOUND", "There is no conversation with this id.");
  }
  Conversation& conversation = at->second;
  const bool outbound = message.direction == v1::Message::DIRECTION_OUTBOUND;
  if (outbound && conversation.medium == v1::MEDIUM_VOICE && !message.sent_by_twiml) {
    return InvalidArgument("MEDIUM_NOT_SENDABLE", "A call cannot be answered with a message.");
  }
  AppendResult result;
  result.message_id = message.message_id;
  result.conversation_id = conversation_id;
  if (!message.turn_id.empty()) {
    const Turns before = conversation.turns;
    const ReplyVerdict verdict =
        TakeReply(conversation.turns, conversation.Gate(), message.turn_id, policy_.now);
    conversation.changed |= conversation.turns != before;
    conversation.shown_changed = conversation.changed;
    if (!message.turn_failure.empty()) {
      if (verdict == ReplyVerdict::kAccepted || verdict == ReplyVerdict::kTooLate) {
        conversation.ai_error = message.turn_failure;
      }
      result.refused = "failure";
      return result;
    }
    if (verdict != ReplyVerdict::kAccepted) {
      result.refused = VerdictName(verdict);
      return result;
    }
    conversation.ai_error.clear();
  } else if (outbound && conversation.opted_out && !message.sent_by_twiml &&
             !message.keep_refused) {
    return FailedPrecondition("OPTED_OUT",
                              "The customer opted out of messages. Only they can opt in again, by "
                              "writing START.");
  }

  error_reason_.clear();
  v1::Message resource;
  resource.set_id(message.message_id);
  resource.set_conversation_id(conversation_id);
  resource.set_channel_id(conversation.channel_id);
  resource.set_seq(++conversation.last_seq);
  resource.set_direction(message.direction);
  resource.set_author(message.author);
  resource.set_kind(message.kind);
  resource.set_medium(conversation.medium);
  resource.set_body(message.body);
  for (const NewMessage::Media& media : message.media) {
    v1::MessageMedia& one = *resource.add_media();
    one.set_url(media.url);
    one.set_content_type(media.content_type);
  }
  *resource.mutable_status_time() = ToTimestamp(policy_.now);
  *resource.mutable_create_time() = ToTimestamp(message.received_at);
  resource.set_recovered(message.recovered);
  resource.set_segments(message.segments);
  resource.set_message_sid(message.message_sid);
  resource.set_call_sid(message.call_sid);
  resource.set_call_status(message.call_status);
  resource.set_call_seconds(message.call_seconds);
  ++conversation.message_count;
  conversation.changed = conversation.shown_changed = true;
  conversation.traceparent = message.traceparent;
  if (outbound) {
    AddOutbound(message, conversation, resource);
  } else {
    AddInbound(message, conversation, resource);
  }
  const bool sends = outbound && resource.status() == v1::Message::STATUS_QUEUED;
  if (resource.has_send_time() || message.expires_at != Time()) {
    ++plans_;
    plan_organizations_.Add(conversation.organization_id);
    plan_ids_.Add(resource.id());
    AddOrNull(send_times_, resource.has_send_time() ? message.send_at : Time());
    AddOrNull(expiries_, message.expires_at);
  }
  AddRow(message, conversation, resource, sends);
  if (sends) {
    AddSend({conversation.organization_id, resource, conversation.account_sid, /*generation=*/0,
             NotAfter(message), conversation.whatsapp_window_until.value_or(Time()),
             message.traceparent},
            outbox_);
  }
  outbox_.AddLive(conversation.organization_id, "message", LiveData(resource));
  result.seq = resource.seq();
  result.status = resource.status();
  conversation.last_message = std::move(resource);
  return result;
}

void Appending::TakeConsents(const std::set<RowId>& customers) {
  if (customers.empty()) return;
  for (auto& [id, conversation] : conversations_) {
    if (!customers.contains({conversation.organization_id, conversation.customer_number})) continue;
    if (conversation.opted_out) Close(conversation.turns);
    conversation.changed = conversation.shown_changed = true;
  }
}

absl::Status Appending::ReplyToFirst(const NewMessage& message, const AppendResult& result) {
  if (!message.may_reply_first || result.seq != 1) return absl::OkStatus();
  const Conversation& conversation = conversations_.at(result.conversation_id);
  // The AI gives its own answer.
  if (conversation.first_message_reply.empty() || conversation.opted_out ||
      conversation.Gate().Lets()) {
    return absl::OkStatus();
  }
  NewMessage reply;
  reply.organization_id = message.organization_id;
  reply.message_id = AutoReplyMessageId(message.message_id);
  reply.direction = v1::Message::DIRECTION_OUTBOUND;
  reply.author = v1::Message::AUTHOR_SYSTEM;
  reply.body =
      FillAutoReply(conversation.first_message_reply, message.body, conversation.contact_name);
  reply.received_at = policy_.now;
  reply.traceparent = message.traceparent;
  return Add(reply, result.conversation_id).status();
}

void Appending::AddInbound(const NewMessage& message, Conversation& conversation,
                           v1::Message& resource) {
  resource.set_status(message.simulated ? v1::Message::STATUS_SENT : v1::Message::STATUS_RECEIVED);
  resource.set_simulated(message.simulated);
  resource.set_from(conversation.customer_number);
  resource.set_to(message.business_number.empty() ? conversation.sender_number
                                                  : message.business_number);
  resource.set_late(message.overtaken && conversation.last_inbound_at.has_value() &&
                    message.received_at < *conversation.last_inbound_at);
  conversation.last_inbound_at =
      std::max(conversation.last_inbound_at.value_or(message.received_at), message.received_at);
  ++conversation.unread_count;
  if (conversation.medium == v1::MEDIUM_WHATSAPP && !message.simulated) {
    const Time until = message.received_at + kWhatsAppWindow;
    conversation.whatsapp_window_until =
        std::max(conversation.whatsapp_window_until.value_or(until), until);
  }
  if (!message.profile_name.empty() && conversation.contact_name.empty() &&
      !conversation.contact_id.empty()) {
    conversation.contact_name = CutText(message.profile_name, 200);
    conversation.new_contact_name = conversation.contact_name;
  }
  Collect(conversation.turns, conversation.Gate(),
          {resource.seq(), message.received_at, message.may_start_turn}, conversation.ai_delay);
}

void Appending::AddOutbound(const NewMessage& message, Conversation& conversation,
                            v1::Message& resource) {
  resource.set_from(conversation.sender_number);
  resource.set_to(conversation.customer_number);
  resource.set_message_sid("");
  if (message.sent_by_twiml) {
    resource.set_status(v1::Message::STATUS_SENT);
    resource.set_from(message.business_number);
  } else if (conversation.customer_number.empty()) {
    resource.set_status(v1::Message::STATUS_SENT);  // Stored and shown, never sent.
    resource.set_simulated(true);
  } else if (conversation.sender_number.empty() || conversation.account_sid.empty()) {
    resource.set_status(v1::Message::STATUS_FAILED);
    error_reason_ = "CHANNEL_CANNOT_SEND";
    resource.set_error_message(
        "The channel has no number of a connected Twilio account. Connect one, then send again.");
  } else if (!IsSenderNumber(conversation.sender_number)) {
    resource.set_status(v1::Message::STATUS_FAILED);
    error_reason_ = "CHANNEL_CANNOT_SEND";
    resource.set_error_message(
        "Messages cannot be sent from the address of this channel. Give it a phone number, then "
        "send again.");
  } else if (!IsE164(conversation.customer_number)) {
    resource.set_status(v1::Message::STATUS_FAILED);
    error_reason_ = "RECIPIENT_NOT_SENDABLE";
    resource.set_error_message(
        "The customer wrote from a short code or a name, which cannot be written to.");
  } else if (conversation.opted_out && message.keep_refused) {
    resource.set_status(v1::Message::STATUS_FAILED);
    error_reason_ = "OPTED_OUT";
    resource.set_error_message(
        "The customer opted out of messages, so it was not sent. Only they can opt in again, by "
        "writing START.");
  } else if (message.send_at > policy_.now) {
    resource.set_status(v1::Message::STATUS_SCHEDULED);
    *resource.mutable_send_time() = ToTimestamp(message.send_at);
    outbox_.WakeDispatcher();
  } else {
    resource.set_status(v1::Message::STATUS_QUEUED);
  }
  // A person has answered, so the AI need not. Its own reply has closed its turn already.
  const bool answers = resource.status() != v1::Message::STATUS_SCHEDULED;
  if (message.author == v1::Message::AUTHOR_AGENT && answers) Close(conversation.turns);
}

// What few messages have, behind the statement that writes all of them.
void Appending::UpdatePlans(pqxx::work& tx) {
  if (plans_ == 0) return;
  RunPrepared(tx, "update_plans",
              "UPDATE messages m SET send_at = w.send_at, expires_at = w.expires_at, "
              "plan_at = CASE WHEN m.status = 'scheduled' THEN w.send_at END "
              "FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) "
              "w(org, id, send_at, expires_at) WHERE m.organization_id = w.org AND m.id = w.id",
              plan_organizations_.str(), plan_ids_.str(), send_times_.str(), expiries_.str());
}

void Appending::AddRow(const NewMessage& message, const Conversation& conversation,
                       const v1::Message& resource, bool sends) {
  if (message.direction == v1::Message::DIRECTION_INBOUND && !message.simulated &&
      !message.recovered && message.kind == v1::Message::KIND_TEXT && message.media.empty()) {
    return AddPlainRow(message, conversation, resource);
  }
  ++rows_;
  organizations_.Add(conversation.organization_id);
  ids_.Add(resource.id());
  conversation_ids_.Add(resource.conversation_id());
  channel_ids_.Add(resource.channel_id());
  seqs_.Add(resource.seq());
  directions_.Add(DirectionName(resource.direction()));
  authors_.Add(AuthorName(resource.author()));
  kinds_.Add(KindName(resource.kind()));
  media_kinds_.Add(MediumName(resource.medium()));
  bodies_.Add(resource.body());
  media_.Add(MediaJson(resource));
  statuses_.Add(StatusName(resource.status()));
  error_reasons_.Add(error_reason_);
  error_messages_.Add(resource.error_message());
  simulated_.Add(resource.simulated());
  late_.Add(resource.late());
  from_.Add(resource.from());
  to_.Add(resource.to());
  account_sids_.Add(message.account_sid.empty() ? conversation.account_sid : message.account_sid);
  message_sids_.Add(resource.message_sid());
  call_sids_.Add(resource.call_sid());
  segments_.Add(resource.segments());
  recovered_.Add(resource.recovered());
  call_statuses_.Add(CallStatusName(resource.call_status()));
  call_seconds_.Add(resource.call_seconds());
  parameters_.Add(message.parameters.empty() ? "{}" : message.parameters);
  users_.AddOrNull(message.user_id);
  turns_.AddOrNull(message.turn_id);
  if (sends) {
    emit_again_.Add(policy_.now + policy_.emit_again_after);
    not_after_.Add(NotAfter(message));
  } else {
    emit_again_.AddNull();
    not_after_.AddNull();
  }
  received_.Add(message.received_at);
}

void Appending::AddPlainRow(const NewMessage& message, const Conversation& conversation,
                            const v1::Message& resource) {
  ++plain_.count;
  plain_.organizations.Add(conversation.organization_id);
  plain_.ids.Add(resource.id());
  plain_.conversations.Add(resource.conversation_id());
  plain_.channels.Add(resource.channel_id());
  plain_.seqs.Add(resource.seq());
  plain_.media.Add(MediumName(resource.medium()));
  plain_.bodies.Add(resource.body());
  plain_.late.Add(resource.late());
  plain_.from.Add(resource.from());
  plain_.to.Add(resource.to());
  plain_.accounts.Add(message.account_sid.empty() ? conversation.account_sid : message.account_sid);
  plain_.sids.Add(resource.message_sid());
  plain_.segments.Add(resource.segments());
  plain_.received.Add(message.received_at);
  plain_.parameters.Add(message.parameters.empty() ? "{}" : message.parameters);
}

// `unnest` in the select list goes through all arrays in step; in FROM, each would be materialized.
void Appending::InsertPlainMessages(pqxx::work& tx) {
  if (plain_.count == 0) return;
  RunPrepared(
      tx, "insert_plain_messages",
      "INSERT INTO messages (direction, author, kind, status, status_at, organization_id, id, "
      "conversation_id, channel_id, seq, medium, body, late, from_number, to_number, account_sid, "
      "message_sid, segments, received_at, parameters) "
      "SELECT 'inbound', 'customer', 'text', 'received', $16::timestamptz, unnest($1::uuid[]), "
      "unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::bigint[]), "
      "unnest($6::text[]), unnest($7::text[]), unnest($8::boolean[]), unnest($9::text[]), "
      "unnest($10::text[]), unnest($11::text[]), unnest($12::text[]), unnest($13::int[]), "
      "unnest($14::timestamptz[]), unnest($15::jsonb[])",
      plain_.organizations.str(), plain_.ids.str(), plain_.conversations.str(),
      plain_.channels.str(), plain_.seqs.str(), plain_.media.str(), plain_.bodies.str(),
      plain_.late.str(), plain_.from.str(), plain_.to.str(), plain_.accounts.str(),
      plain_.sids.str(), plain_.segments.str(), plain_.received.str(), plain_.parameters.str(),
      FormatTime(policy_.now));
}

void Appending::InsertMessages(pqxx::work& tx) {
  InsertPlainMessages(tx);
  if (rows_ == 0) return;
  RunPrepared(
      tx, "insert_messages",
      "INSERT INTO messages (organization_id, id, conversation_id, channel_id, seq, direction, "
      "author, kind, medium, body, media, status, error_reason, error_message, simulated, late, "
      "from_number, to_number, account_sid, message_sid, call_sid, segments, user_id, turn_id, "
      "emit_again_at, not_after, received_at, recovered, call_status, call_seconds, parameters, "
      "status_at) SELECT *, $32::timestamptz FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], "
      "$4::uuid[], "
      "$5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[], "
      "$12::text[], $13::text[], $14::text[], $15::boolean[], $16::boolean[], $17::text[], "
      "$18::text[], $19::text[], $20::text[], $21::text[], $22::int[], $23::uuid[], $24::uuid[], "
      "$25::timestamptz[], $26::timestamptz[], $27::timestamptz[], $28::boolean[], $29::text[], "
      "$30::int[], $31::jsonb[])",
      organizations_.str(), ids_.str(), conversation_ids_.str(), channel_ids_.str(), seqs_.str(),
      directions_.str(), authors_.str(), kinds_.str(), media_kinds_.str(), bodies_.str(),
      media_.str(), statuses_.str(), error_reasons_.str(), error_messages_.str(), simulated_.str(),
      late_.str(), from_.str(), to_.str(), account_sids_.str(), message_sids_.str(),
      call_sids_.str(), segments_.str(), users_.str(), turns_.str(), emit_again_.str(),
      not_after_.str(), received_.str(), recovered_.str(), call_statuses_.str(),
      call_seconds_.str(), parameters_.str(), FormatTime(policy_.now));
}

void AddTurns(const Turns& turns, Array (&arrays)[6]) {
  if (turns.pending) {
    arrays[0].Add(turns.pending->first_seq);
    arrays[1].Add(turns.pending->last_seq);
    arrays[2].Add(turns.pending->due_at);
  } else {
    for (int i = 0; i < 3; ++i) arrays[i].AddNull();
  }
  if (turns.open) {
    arrays[3].Add(turns.open->turn_id);
    arrays[4].Add(turns.open->last_seq);
    arrays[5].Add(turns.open->deadline);
  } else {
    for (int i = 3; i < 6; ++i) arrays[i].AddNull();
  }
}

// Those with new messages and without turns of the AI.
void Appending::UpdatePlainConversations(pqxx::work& tx) {
  Array organizations, ids, last_seqs, counts, unread, last_messages, windows, inbound;
  int rows = 0;
  for (const auto& [id, conversation] : conversations_) {
    if (!conversation.changed || !conversation.IsPlain()) continue;
    ++rows;
    organizations.Add(conversation.organization_id);
    ids.Add(id);
    last_seqs.Add(conversation.last_seq);
    counts.Add(conversation.message_count);
    unread.Add(conversation.unread_count);
    last_messages.Add(conversation.last_message.id());
    AddOrNull(windows, conversation.whatsapp_window_until.value_or(Time()));
    AddOrNull(inbound, conversation.last_inbound_at.value_or(Time()));
  }
  if (rows == 0) return;
  RunPrepared(tx, "update_plain_conversations",
              "UPDATE conversations c SET last_seq = w.last_seq, message_count = w.message_count, "
              "unread_count = w.unread_count, last_message_id = w.last_message_id, "
              "last_message_at = $9::timestamptz, whatsapp_window_until = w.whatsapp_window_until, "
              "last_inbound_at = w.last_inbound_at "
              "FROM (SELECT unnest($1::uuid[]) AS org, unnest($2::uuid[]) AS id, "
              "unnest($3::bigint[]) AS last_seq, unnest($4::bigint[]) AS message_count, "
              "unnest($5::bigint[]) AS unread_count, unnest($6::uuid[]) AS last_message_id, "
              "unnest($7::timestamptz[]) AS whatsapp_window_until, "
              "unnest($8::timestamptz[]) AS last_inbound_at) w "
              "WHERE c.organization_id = w.org AND c.id = w.id",
              organizations.str(), ids.str(), last_seqs.str(), counts.str(), unread.str(),
              last_messages.str(), windows.str(), inbound.str(), FormatTime(policy_.now));
}

void Appending::UpdateConversations(pqxx::work& tx) {
  UpdatePlainConversations(tx);
  Array organizations, ids, last_seqs, counts, unread, last_messages, windows, errors, inbound;
  Array turns[6];
  int rows = 0;
  for (const auto& [id, conversation] : conversations_) {
    if (!conversation.changed || conversation.IsPlain()) continue;
    ++rows;
    organizations.Add(conversation.organization_id);
    ids.Add(id);
    last_seqs.Add(conversation.last_seq);
    counts.Add(conversation.message_count);
    unread.Add(conversation.unread_count);
    last_messages.AddOrNull(conversation.last_message.id());
    if (conversation.whatsapp_window_until) {
      windows.Add(*conversation.whatsapp_window_until);
    } else {
      windows.AddNull();
    }
    if (conversation.last_inbound_at) {
      inbound.Add(*conversation.last_inbound_at);
    } else {
      inbound.AddNull();
    }
    AddTurns(conversation.turns, turns);
    errors.Add(conversation.ai_error);
  }
  if (rows == 0) return;
  RunPrepared(
      tx, "update_conversations",
      "UPDATE conversations c SET last_seq = w.last_seq, message_count = w.message_count, "
      "unread_count = w.unread_count, "
      "last_message_id = coalesce(w.last_message_id, c.last_message_id), "
      "last_message_at = CASE WHEN w.last_message_id IS NULL THEN c.last_message_at "
      "ELSE $15::timestamptz END, whatsapp_window_until = w.whatsapp_window_until, "
      "ai_error = w.ai_error, pending_first_seq = w.pending_first_seq, "
      "pending_last_seq = w.pending_last_seq, pending_due_at = w.pending_due_at, "
      "open_turn_id = w.open_turn_id, open_last_seq = w.open_last_seq, "
      "open_deadline = w.open_deadline, last_inbound_at = w.last_inbound_at "
      "FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::uuid[], "
      "$7::timestamptz[], $8::text[], $9::bigint[], $10::bigint[], $11::timestamptz[], "
      "$12::uuid[], $13::bigint[], $14::timestamptz[], $16::timestamptz[]) "
      "w(org, id, last_seq, message_count, unread_count, last_message_id, whatsapp_window_until, "
      "ai_error, pending_first_seq, pending_last_seq, pending_due_at, open_turn_id, "
      "open_last_seq, open_deadline, last_inbound_at) WHERE c.organization_id = w.org AND c.id = "
      "w.id",
      organizations.str(), ids.str(), last_seqs.str(), counts.str(), unread.str(),
      last_messages.str(), windows.str(), errors.str(), turns[0].str(), turns[1].str(),
      turns[2].str(), turns[3].str(), turns[4].str(), turns[5].str(), FormatTime(policy_.now),
      inbound.str());
}

void Appending::UpdateContacts(pqxx::work& tx) {
  Array organizations, ids, names;
  int renamed = 0;
  for (const auto& [id, conversation] : conversations_) {
    if (conversation.new_contact_name.empty()) continue;
    ++renamed;
    organizations.Add(conversation.organization_id);
    ids.Add(conversation.contact_id);
    names.Add(conversation.new_contact_name);
  }
  if (renamed == 0) return;
  // Contacts after conversations, in the order of their ids.
  tx.exec_params(
      "WITH locked AS (SELECT k.organization_id, k.id, w.name FROM contacts k "
      "JOIN unnest($1::uuid[], $2::uuid[], $3::text[]) w(org, id, name) "
      "ON k.organization_id = w.org AND k.id = w.id "
      "WHERE k.display_name = '' ORDER BY k.id FOR UPDATE OF k) "
      "UPDATE contacts k SET display_name = l.name FROM locked l "
      "WHERE k.organization_id = l.organization_id AND k.id = l.id",
      organizations.str(), ids.str(), names.str());
}

// A conversation as the API shows it, out of what is known here.
v1::Conversation ToResource(const Conversation& from, Time now) {
  v1::Conversation to;
  to.set_id(from.id);
  to.set_channel_id(from.channel_id);
  to.set_contact_id(from.contact_id);
  to.set_title(TitleOf(from.contact_name, from.customer_number));
  to.set_customer_number(from.customer_number);
  to.set_medium(from.medium);
  to.set_message_count(from.message_count);
  to.set_unread_count(from.unread_count);
  *to.mutable_last_message() = from.last_message;
  to.mutable_last_message()->set_body(CutText(from.last_message.body(), kPreviewCodePointsMax));
  *to.mutable_update_time() = ToTimestamp(now);
  if (from.ai_enabled) to.set_ai_enabled(*from.ai_enabled);
  to.set_ai_state(
      AiStateOf({from.channel_ai_enabled, from.ai_enabled, from.taken_over, from.opted_out,
                 from.turns.pending.has_value() || from.turns.open.has_value()}));
  to.set_opted_out(from.opted_out);
  if (from.whatsapp_window_until) {
    *to.mutable_whatsapp_window_time() = ToTimestamp(*from.whatsapp_window_until);
  }
  *to.mutable_create_time() = ToTimestamp(from.created_at);
  to.set_ai_error(from.ai_error);
  return to;
}

absl::Status Appending::Write(pqxx::work& tx) {
  std::vector<TurnToWrite> turns;
  bool changed = false;
  for (auto& [id, conversation] : conversations_) {
    if (!conversation.changed) continue;
    changed = true;
    const TurnKeys& keys = policy_.turn_keys;
    if (keys.master != nullptr && keys.directory != nullptr) {
      conversation.emitted =
          Emit(conversation.turns, conversation.Gate(), id, policy_.now, policy_.turn_deadline);
    }
    if (conversation.emitted) {
      turns.push_back(
          {conversation.organization_id, id, *conversation.emitted, conversation.traceparent});
    }
    if (conversation.turns.pending) outbox_.WakeDispatcher();
  }
  if (!changed) return absl::OkStatus();
  InsertMessages(tx);
  UpdatePlans(tx);
  UpdateConversations(tx);
  UpdateContacts(tx);
  PARLEY_RETURN_IF_ERROR(WriteTurns(tx, turns, policy_.turn_keys, outbox_));
  for (const auto& [id, conversation] : conversations_) {
    if (!conversation.shown_changed) continue;
    if (conversation.last_message.id().empty()) {
      // Only a turn was closed: what the last message is stands in the store.
      PARLEY_ASSIGN_OR_RETURN(const v1::Conversation stored,
                              LoadConversation(tx, conversation.organization_id, id));
      outbox_.AddLive(conversation.organization_id, "conversation", LiveData(stored));
    } else {
      outbox_.AddLive(conversation.organization_id, "conversation",
                      LiveData(ToResource(conversation, policy_.now)));
    }
  }
  outbox_.Write(tx);
  return absl::OkStatus();
}

struct Locked {
  Conversations conversations;
  std::set<RowId> consenting;  // Organization and number of the customers whose consent changed.
};

// Locks the conversations and those of the customers who consent, writes the consents, and reads
// what surrounds the conversations: in this order everywhere.
absl::StatusOr<Locked> LockAndConsent(pqxx::work& tx, std::set<RowId> to_lock,
                                      std::span<const Consent> consents) {
  if (!consents.empty()) {
    std::set<RowId> customers;
    for (const Consent& consent : consents) {
      customers.emplace(consent.organization_id, consent.customer_number);
    }
    AddCustomersConversations(tx, customers, to_lock);
  }
  Locked locked;
  locked.conversations = LockConversations(tx, to_lock);
  if (!consents.empty()) locked.consenting = WriteConsents(tx, consents);
  ReadFacts(tx, locked.conversations);
  return locked;
}

}  // namespace

absl::StatusOr<std::vector<AppendResult>> Append(pqxx::work& tx,
                                                 std::span<const NewMessage> messages,
                                                 const AppendPolicy& policy,
                                                 std::span<const Consent> consents) {
  if (messages.empty() && consents.empty()) return std::vector<AppendResult>();
  PARLEY_ASSIGN_OR_RETURN(const std::vector<std::string> conversation_ids,
                          ResolveConversations(tx, messages));
  std::set<RowId> to_lock;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    to_lock.emplace(messages[i].organization_id, conversation_ids[i]);
  }
  PARLEY_ASSIGN_OR_RETURN(Locked locked, LockAndConsent(tx, std::move(to_lock), consents));
  Appending appending(policy, std::move(locked.conversations));
  appending.TakeConsents(locked.consenting);
  // Under the locks, so that of several transactions with one message the first has committed it.
  std::map<RowId, AppendResult> stored = FindStored(tx, messages);
  std::vector<AppendResult> results;
  results.reserve(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const RowId id{messages[i].organization_id, messages[i].message_id};
    if (const auto known = stored.find(id); known != stored.end()) {
      results.push_back(known->second);
      continue;
    }
    PARLEY_ASSIGN_OR_RETURN(AppendResult result, appending.Add(messages[i], conversation_ids[i]));
    PARLEY_RETURN_IF_ERROR(appending.ReplyToFirst(messages[i], result));
    if (result.refused.empty()) {
      AppendResult repeat = result;
      repeat.duplicate = true;
      stored.emplace(id, std::move(repeat));
    }
    results.push_back(std::move(result));
  }
  PARLEY_RETURN_IF_ERROR(appending.Write(tx));
  for (AppendResult& result : results) {
    if (!result.duplicate && result.refused.empty()) {
      result.turn_emitted = appending.Emitted(result.conversation_id);
    }
  }
  return results;
}

absl::StatusOr<int> EmitDueTurns(pqxx::work& tx, std::span<const ConversationId> conversations,
                                 const AppendPolicy& policy) {
  if (conversations.empty()) return 0;
  std::set<RowId> to_lock;
  for (const ConversationId& one : conversations) to_lock.emplace(one.organization_id, one.id);
  Conversations locked = LockConversations(tx, to_lock);
  ReadFacts(tx, locked);
  Appending appending(policy, std::move(locked));
  for (const ConversationId& one : conversations) appending.Touch(one.id);
  PARLEY_RETURN_IF_ERROR(appending.Write(tx));
  return appending.EmittedCount();
}

std::string InboundMessageId(std::string_view account_sid, std::string_view sid) {
  return DerivedId({account_sid, sid});
}

std::string ReplyMessageId(std::string_view turn_id) { return DerivedId({"reply", turn_id}); }

std::string AutoReplyMessageId(std::string_view inbound_message_id) {
  return DerivedId({"auto-reply", inbound_message_id});
}

absl::Status PublishConversation(pqxx::work& tx, std::string_view organization_id,
                                 std::string_view conversation_id) {
  PARLEY_ASSIGN_OR_RETURN(const v1::Conversation conversation,
                          LoadConversation(tx, organization_id, conversation_id));
  Outbox outbox;
  outbox.AddLive(organization_id, "conversation", LiveData(conversation));
  outbox.Write(tx);
  return absl::OkStatus();
}

absl::Status PublishMessage(pqxx::work& tx, std::string_view organization_id,
                            std::string_view message_id) {
  PARLEY_ASSIGN_OR_RETURN(const v1::Message message, LoadMessage(tx, organization_id, message_id));
  Outbox outbox;
  outbox.AddLive(organization_id, "message", LiveData(message));
  outbox.Write(tx);
  return absl::OkStatus();
}

absl::Status CloseTurns(pqxx::work& tx, std::string_view organization_id,
                        std::string_view conversation_id) {
  tx.exec_params(
      "UPDATE conversations SET pending_first_seq = NULL, pending_last_seq = NULL, "
      "pending_due_at = NULL, open_turn_id = NULL, open_last_seq = NULL, open_deadline = NULL "
      "WHERE organization_id = $1 AND id = $2",
      std::string(organization_id), std::string(conversation_id));
  return absl::OkStatus();
}

absl::StatusOr<int> SetConsents(pqxx::work& tx, std::span<const Consent> consents) {
  if (consents.empty()) return 0;
  PARLEY_ASSIGN_OR_RETURN(Locked locked, LockAndConsent(tx, {}, consents));
  const AppendPolicy policy;
  Appending appending(policy, std::move(locked.conversations));
  appending.TakeConsents(locked.consenting);
  PARLEY_RETURN_IF_ERROR(appending.Write(tx));
  return static_cast<int>(locked.consenting.size());
}

absl::StatusOr<bool> SetConsent(pqxx::work& tx, const Consent& consent) {
  PARLEY_ASSIGN_OR_RETURN(const int changed, SetConsents(tx, {&consent, 1}));
  return changed > 0;
}

}  // namespace parley::gateway::store
