// Twilio's webhooks, typed (TWILIO.md 3.2 and 4.1). Pure. Only what is acted upon has a field;
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
  int segments = 1;
  std::vector<Media> media;
};

// Errors: kInvalidArgument: PARAM_MISSING (AccountSid, MessageSid, From or To), PARAM_INVALID (a
// SID without its shape, an address too long, a count that is no number).
absl::StatusOr<InboundMessage> ParseInboundMessage(const FormParams& params);

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

// Errors: kInvalidArgument: PARAM_MISSING (AccountSid, MessageSid, MessageStatus), PARAM_INVALID.
absl::StatusOr<StatusCallback> ParseStatusCallback(const FormParams& params);

// True for two capital letters (`prefix`) and 32 hexadecimal digits.
bool IsSid(std::string_view text, std::string_view prefix);
// SM or MM and 32 hexadecimal digits.
bool IsMessageSid(std::string_view text);

}  // namespace parley::twilio
