// Turns verified webhooks into records for Kafka. Pure.
#pragma once

#include <string>
#include <string_view>

#include "libs/twilio/callback.h"
#include "libs/twilio/form.h"
#include "libs/twilio/keywords.h"
#include "libs/twilio/webhook.h"
#include "libs/webhooks/request.h"
#include "parley/events/v1/common.pb.h"

namespace parley::webhooks {

enum class Topic { kInbound, kConsent, kDeliveryStatus, kQuarantine };

// To be made durable.
struct OutgoingRecord {
  Topic topic = Topic::kInbound;
  std::string key;
  std::string value;        // A serialized protobuf message.
  std::string type;         // Its full name.
  std::string traceparent;  // May be empty.
};

// What a message webhook becomes.
struct MessageInput {
  const WebhookRequest& request;
  const twilio::FormParams& params;
  const twilio::InboundMessage& message;
  twilio::Keyword keyword;
  std::string_view traceparent;
  events::v1::Origin origin = events::v1::ORIGIN_WEBHOOK;
  std::string_view auto_reply = {};  // The text that TwiML answers with.
};

// `parley.inbound`: every parameter is kept; the key is InboundKey. The body is twilio::TextOf.
OutgoingRecord InboundRecord(const MessageInput& input);

// `parley.consent`, for kStop and kStart; `organization_id` is empty if nobody claimed the number.
OutgoingRecord ConsentRecord(const MessageInput& input, std::string_view organization_id);

struct StatusInput {
  const WebhookRequest& request;
  const twilio::FormParams& params;
  const twilio::StatusCallback& callback;
  const twilio::CallbackTarget& target;
  std::string_view traceparent;
};

// `parley.delivery-status`; the key is the message SID.
OutgoingRecord DeliveryStatusRecord(const StatusInput& input);

// What a call's webhook becomes: `parley.inbound`, keyed by InboundKey. Each webhook of a call
// makes one record: the first (`answered_by` is set), one when a forwarded call comes back, one for
// its end (status and length). They belong together by account and call SID.
struct CallInput {
  const WebhookRequest& request;
  const twilio::FormParams& params;
  const twilio::CallReport& call;
  std::string_view traceparent;
  events::v1::Origin origin = events::v1::ORIGIN_WEBHOOK;
  std::string_view answered_by = {};  // "greeting", "voicemail", "forward"; empty in later reports.
};
OutgoingRecord CallRecord(const CallInput& input);

// What a recording's webhook becomes: `parley.inbound`. `parties` are those of the call: with them
// it has the call's own key and follows it; without, "<account SID>/<call SID>" is the key, and it
// may come before the call.
struct RecordingInput {
  const WebhookRequest& request;
  const twilio::FormParams& params;
  const twilio::RecordingReport& recording;
  std::string_view business_number;
  std::string_view customer_number;
  std::string_view traceparent;
  events::v1::Origin origin = events::v1::ORIGIN_WEBHOOK;
};
OutgoingRecord RecordingRecord(const RecordingInput& input);

// "<account SID>/<business number>/<customer number>", without channel prefixes: one customer's
// messages to one number keep their order.
std::string InboundKey(std::string_view account_sid, std::string_view business_number,
                       std::string_view customer_number);

}  // namespace parley::webhooks
