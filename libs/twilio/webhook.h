// Twilio's webhooks, typed (TWILIO.md 3.2, 4.1 and 4.2). Pure. Only what is acted upon has a field;
// the rest stays in the parameters, which are kept whole.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/twilio/form.h"
#include "libs/twilio/status.h"

namespace parley::twilio {

inline constexpr int kInboundMediaMax = 10;

struct Media {
  std::string_view url;
  std::string_view content_type;
};

// Views into the parameters it was parsed from.
struct InboundMessage {
  std::string_view account_sid;
  std::string_view message_sid;
  std::string_view messaging_service_sid;  // Empty: the number is in no service.
  std::string_view from;                   // The customer, with the channel's prefix.
  std::string_view to;                     // The business's number, with the channel's prefix.
  std::string_view body;                   // Byte for byte as sent; may be empty.
  std::string_view profile_name;           // WhatsApp.
  std::string_view opt_out_type;           // Advanced Opt-Out: STOP, START or HELP.
  std::string_view button_text;            // WhatsApp: the button that was pressed.
  std::string_view list_title;             // WhatsApp: the line of a list that was chosen.
  std::string_view message_type;           // WhatsApp: "text", "button", "order" and so on.
  // WhatsApp: a place; latitude and longitude are empty if none was sent.
  std::string_view latitude;
  std::string_view longitude;
  std::string_view address;
  std::string_view label;
  int segments = 1;
  std::vector<Media> media;
};

// Errors: kInvalidArgument: PARAM_MISSING (AccountSid, MessageSid, From or To), PARAM_INVALID (a
// SID without its shape, an address too long, a count that is no number), CHANNEL_UNSUPPORTED (an
// address of Messenger or of a channel that we do not know).
absl::StatusOr<InboundMessage> ParseInboundMessage(const FormParams& params);

// What an inbox shows as the message's text: Body, or else what was pressed, chosen or shared
// ("Cafe\n1 Main St\n52.5, 13.4"), or else WhatsApp's type in brackets ("[order]"). Empty only if
// nothing but pictures came.
std::string TextOf(const InboundMessage& message);

// Views into the parameters it was parsed from.
struct StatusCallback {
  std::string_view account_sid;
  std::string_view message_sid;
  MessageStatus status = MessageStatus::kQueued;
  std::string_view status_name;  // As Twilio wrote it.
  std::string_view from;         // The business's number; empty on some channels' callbacks.
  std::string_view to;
  std::string_view messaging_service_sid;
  std::optional<int> error_code;
  std::string_view error_message;
  std::string_view channel_status_message;  // WhatsApp and RCS, on failure.
};

// Errors: kInvalidArgument: PARAM_MISSING (AccountSid, MessageSid, MessageStatus), PARAM_INVALID,
// CHANNEL_UNSUPPORTED.
absl::StatusOr<StatusCallback> ParseStatusCallback(const FormParams& params);

// A call, at its first webhook and at each later one. Views into the parameters.
struct CallReport {
  std::string_view account_sid;
  std::string_view call_sid;
  std::string_view from;  // The customer, if the call is inbound.
  std::string_view to;
  std::string_view status;       // CallStatus as sent.
  std::string_view caller_name;  // Of a look-up; may be empty.
  std::string_view dial_status;  // DialCallStatus: how a forwarded call ended; empty if none.
  int duration_seconds = 0;      // 0 until it has ended.
  bool inbound = true;           // False: the business called.
};

// Errors: kInvalidArgument: PARAM_MISSING (AccountSid, CallSid, From, To, CallStatus),
// PARAM_INVALID, CHANNEL_UNSUPPORTED (a caller by SIP or from an app).
absl::StatusOr<CallReport> ParseCall(const FormParams& params);

// A recording of a call: `<Record action>`, which carries the call's parameters, or
// recordingStatusCallback, which does not. Views into the parameters.
struct RecordingReport {
  std::string_view account_sid;
  std::string_view call_sid;
  std::string_view recording_sid;  // Empty if nothing was recorded.
  std::string_view url;
  std::string_view status;  // RecordingStatus; empty for `<Record action>`.
  std::string_view from;    // The customer; empty if the request does not say.
  std::string_view to;
  int duration_seconds = 0;
  // True for `<Record action>`: its answer says how the call goes on.
  bool wants_twiml() const { return status.empty(); }
};

// Errors: kInvalidArgument: PARAM_MISSING (AccountSid, CallSid), PARAM_INVALID,
// CHANNEL_UNSUPPORTED.
absl::StatusOr<RecordingReport> ParseRecording(const FormParams& params);

// True if the parameters are those of a call's status: CallSid, and no message's SID.
bool IsCallStatus(const FormParams& params);

// True for two capital letters (`prefix`) and 32 hexadecimal digits.
bool IsSid(std::string_view text, std::string_view prefix);
// SM or MM and 32 hexadecimal digits.
bool IsMessageSid(std::string_view text);

}  // namespace parley::twilio
