// The one place that writes conversations and messages. The projector appends batches, the API and
// the AI's replies one message at a time; the rules are the same for all.
//
// Everything happens in the caller's transaction, under the conversations' row locks, which are
// taken in the order of their ids. In that transaction also: contacts and conversations that are
// new, the AI's turns (domain/turn.h), the Send command for what Twilio is to carry (outbox), live
// updates (live_outbox), and the NOTIFYs that wake relay and dispatcher when it commits.
//
// Works as gateway_worker (many organizations at once) and as gateway_api (one, with
// parley.organization_id set).
//
//   pool.Transact([&](pqxx::work& tx) -> absl::Status {
//     PARLEY_ASSIGN_OR_RETURN(const auto results, store::Append(tx, {&message, 1}, policy));
//     PARLEY_ASSIGN_OR_RETURN(response, store::LoadMessage(tx, organization_id, message.id));
//     return absl::OkStatus();
//   });
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/message.h"
#include "libs/base/clock.h"
#include "libs/crypto/seal.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::store {

// A message to store. Texts must be clean UTF-8 (IsCleanUtf8).
struct NewMessage {
  std::string organization_id;
  // What makes a repeat a repeat. A real inbound message: InboundMessageId(). An AI reply:
  // ReplyMessageId(). Otherwise the client's choice or NewId().
  std::string message_id;
  // Either the conversation…
  std::string conversation_id;
  // …or what it is found or created by. `customer_number` is E.164, or empty for a conversation
  // that is only simulated: nothing is ever sent from it.
  std::string channel_id;
  std::string customer_number;
  Medium medium = v1::MEDIUM_SMS;

  Direction direction = v1::Message::DIRECTION_INBOUND;
  Author author = v1::Message::AUTHOR_CUSTOMER;
  Kind kind = v1::Message::KIND_TEXT;
  std::string body;
  struct Media {
    std::string url;
    std::string content_type;
  };
  std::vector<Media> media;

  // Inbound. Simulated: shown as `sent`, never changes consent or WhatsApp's window.
  bool simulated = false;
  // It did not come straight from its webhook: it is late if a later one is there already.
  bool overtaken = false;
  bool recovered = false;  // Out of Twilio's list.
  std::string account_sid;
  std::string business_number;  // Inbound: `to`. Outbound: the channel's number is used.
  std::string message_sid;
  std::string call_sid;
  CallStatus call_status = v1::Message::CALL_STATUS_UNSPECIFIED;
  int call_seconds = 0;
  // What Twilio sent that has no column of its own, as a JSON object; may be empty.
  std::string parameters;
  std::string profile_name;  // Names a contact that has no name yet.
  int segments = 0;
  // False for what must not start an AI turn: keywords, calls, messages that are too old.
  bool may_start_turn = true;
  // True if the channel's auto-reply to a first message may follow it: a real text, no keyword,
  // new.
  bool may_reply_first = false;

  // Outbound.
  // When to send it; the epoch or past: at once. Until when it may be planned again if its command
  // expires; the epoch: not at all.
  Time send_at;
  Time expires_at;
  // A customer who opted out gets nothing, but the message is stored and shown as failed.
  bool keep_refused = false;
  // Twilio was told by TwiML to send it: it is only stored, as sent.
  bool sent_by_twiml = false;
  std::string user_id;  // The agent; empty for the AI and for API keys.
  std::string turn_id;  // The AI's turn that it answers.
  // Instead of a message: the turn of `turn_id` ends without an answer. Why, for a person.
  std::string turn_failure;

  // Inbound: when it came. Outbound: when it was asked for.
  Time received_at;
  std::string traceparent;  // Continues in what leaves for Kafka; may be empty.
};

// Seals and times that a TurnReady needs. Both key rings outlive the calls.
struct TurnKeys {
  const crypto::KeyRing* master = nullptr;
  const crypto::KeyRing* directory = nullptr;
};

struct AppendPolicy {
  Time now;
  // A Send command may go out for this long; the contract allows 24 h from when it is read.
  std::chrono::seconds send_valid{23 * 3600 + 50 * 60};
  // A command that the sender has not accepted by then is emitted again.
  std::chrono::seconds emit_again_after{30};
  // From a turn's emission until its answer is refused.
  std::chrono::seconds turn_deadline{90};
  // With both keys, a turn that is due at once leaves in this transaction; otherwise the dispatcher
  // emits it a moment later.
  TurnKeys turn_keys;
};

struct AppendResult {
  std::string message_id;
  std::string conversation_id;
  std::int64_t seq = 0;
  // The message was there before; nothing was changed for it. The other fields are the stored ones.
  bool duplicate = false;
  // An AI reply whose turn is not open (any more), or a failure: no message was stored. Why, for
  // the log.
  std::string refused;
  Status status = v1::Message::STATUS_UNSPECIFIED;
  bool turn_emitted = false;  // A TurnReady left with it.
};

// What a customer said to a sender; of one customer and sender the newest `given_at` wins.
struct Consent {
  std::string organization_id;
  std::string customer_number;
  std::string business_number = {};        // Empty, as below: for all senders.
  std::string messaging_service_sid = {};  // May be empty.
  bool opted_out = false;
  Time given_at;
  std::string source;  // "keyword", "api"
};

// One result for each message, in their order. The consents are written first, under the same
// locks: opting out closes the customer's turns, and their conversations are published. Errors
// (nothing may be committed then): kFailedPrecondition OPTED_OUT for an agent's message to a
// customer who opted out; kNotFound CONVERSATION_NOT_FOUND or CHANNEL_NOT_FOUND; kInvalidArgument
// MEDIUM_NOT_SENDABLE for an outbound call; and what the database says. kAlreadyExists
// messages_pkey: another transaction stored the same id in another conversation meanwhile; run it
// again.
absl::StatusOr<std::vector<AppendResult>> Append(pqxx::work& tx,
                                                 std::span<const NewMessage> messages,
                                                 const AppendPolicy& policy,
                                                 std::span<const Consent> consents = {});

// Opens the pending turns of these conversations where they are due (dispatcher). Needs
// policy.turn_keys. Returns how many left.
struct ConversationId {
  std::string organization_id;
  std::string id;
};
absl::StatusOr<int> EmitDueTurns(pqxx::work& tx, std::span<const ConversationId> conversations,
                                 const AppendPolicy& policy);

// Deterministic ids (DESIGN §4). `sid` is a message's or a call's.
std::string InboundMessageId(std::string_view account_sid, std::string_view sid);
std::string ReplyMessageId(std::string_view turn_id);
// Of what answers an inbound message by itself.
std::string AutoReplyMessageId(std::string_view inbound_message_id);

// Says that a conversation changed (read, taken over, AI switched): its newest state goes out live.
// Call after the change, in its transaction.
absl::Status PublishConversation(pqxx::work& tx, std::string_view organization_id,
                                 std::string_view conversation_id);

// As above for a message.
absl::Status PublishMessage(pqxx::work& tx, std::string_view organization_id,
                            std::string_view message_id);

// Drops the pending and the open turn: a person took over, the AI was switched off, the customer
// opted out. An answer that comes for them is refused. Does not publish.
absl::Status CloseTurns(pqxx::work& tx, std::string_view organization_id,
                        std::string_view conversation_id);

// Consents alone. Returns how many changed anything.
absl::StatusOr<int> SetConsents(pqxx::work& tx, std::span<const Consent> consents);
absl::StatusOr<bool> SetConsent(pqxx::work& tx, const Consent& consent);

}  // namespace parley::gateway::store
