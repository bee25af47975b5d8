// One of Twilio's webhooks, read and checked, and the records that it becomes. Pure. Shared by
// webhook-ingest, which takes webhooks, and by the gateway, which releases quarantined ones.
//
//   Webhook webhook;
//   PARLEY_RETURN_IF_ERROR(ParseWebhook(Kind::kMessage, request, webhook));
//   … VerifySigner(request, webhook.params, signer) …
//   for (OutgoingRecord& record : MakeRecords(webhook, context)) …
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "libs/twilio/callback.h"
#include "libs/twilio/form.h"
#include "libs/twilio/keywords.h"
#include "libs/twilio/webhook.h"
#include "libs/webhooks/records.h"
#include "libs/webhooks/request.h"
#include "parley/events/v1/common.pb.h"

namespace parley::webhooks {

// What a route takes. A status is a message's or, if it names a call and no message, a call's.
enum class Kind { kMessage, kStatus, kVoice, kRecording };

// Holds views into itself and into the request: neither copied nor moved.
struct Webhook {
  Webhook() = default;
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  WebhookRequest request;
  twilio::FormParams params;  // Twilio's parameters: the body's for POST, the query's for GET.
  std::variant<std::monostate, twilio::InboundMessage, twilio::StatusCallback, twilio::CallReport,
               twilio::RecordingReport>
      event;
  twilio::CallbackTarget target;  // Of a message's status callback.
  twilio::CallParties parties;    // Of a recording, out of the URL that we gave Twilio.

  std::string_view account_sid() const;
  std::string_view business_number() const;  // Without the channel's prefix; may be empty.
  std::string_view customer_number() const;  // The same.
  twilio::Keyword keyword() const;           // kNone but for a message.
};

// Reads a request. Errors, all kInvalidArgument (reason): HEADER_INVALID; CONTENT_TYPE (answer
// 415); those of twilio::ParseForm (FORM_TOO_LARGE: answer 413); PARAM_REPEATED, PARAM_MISSING,
// PARAM_INVALID; CHANNEL_UNSUPPORTED (Messenger, a call by SIP: what would have no conversation).
// Reads no signature.
absl::Status ParseWebhook(Kind kind, const WebhookRequest& request, Webhook& webhook);

struct RecordContext {
  std::string_view organization_id;  // Who claims the number; empty if nobody does.
  std::string_view traceparent;
  events::v1::Origin origin = events::v1::ORIGIN_WEBHOOK;
  std::string_view auto_reply;   // The text that TwiML answers with; empty: none.
  std::string_view answered_by;  // What a new call gets: InboundCall.answered_by.
};

// The records to make durable, in this order: a consent before what brought it, because whoever
// opted out must get nothing more even if the rest fails. None for a call that the business made:
// Parley makes none, so it has no row that it could belong to.
std::vector<OutgoingRecord> MakeRecords(const Webhook& webhook, const RecordContext& context);

}  // namespace parley::webhooks
