// What Twilio's REST API answers, typed (TWILIO.md 2). Pure. Fields that nothing uses are not read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/twilio/status.h"

namespace parley::twilio {

struct MessageResource {
  std::string sid;
  MessageStatus status = MessageStatus::kQueued;  // Also for a state that is not known here.
  std::string direction;  // "inbound", "outbound-api", "outbound-reply", "outbound-call".
  std::string from;       // Empty while a Messaging Service has not chosen.
  std::string to;
  std::string body;
  std::string messaging_service_sid;
  int segments = 0;  // 0 while the sender is not known.
  int media = 0;
  std::optional<int> error_code;
  std::string error_message;
  std::optional<Time> created;
  std::optional<Time> sent;
  std::string price;  // Negative and decimal, "-0.00750"; empty until it is known.
  std::string price_unit;
};

// What counts in the answer to a creation: the SID says that Twilio has the message.
struct CreatedMessage {
  std::string sid;
  MessageStatus status = MessageStatus::kQueued;  // Also for a state that is not known here.
  int segments = 0;                               // 0 while the sender is not known.
  std::optional<int> error_code;
};

struct MessagePage {
  std::vector<MessageResource> messages;  // Newest first.
  std::string next_page_uri;              // Relative to the host; empty: the last page.
};

// A picture or file of a message.
struct MediaResource {
  std::string sid;
  std::string content_type;
  std::string uri;  // Of its bytes, relative to the host, as webhooks name it (without ".json").
};

struct AccountResource {
  std::string sid;
  std::string friendly_name;
  std::string status;  // "active", "suspended", "closed".
  std::string type;    // "Trial", "Full".
  std::string owner_sid;
};

struct PhoneNumberResource {
  std::string sid;
  std::string phone_number;
  std::string friendly_name;
  bool sms = false;
  bool mms = false;
  bool voice = false;
  std::string sms_url;
  std::string sms_fallback_url;
  std::string voice_url;
  std::string voice_fallback_url;
  std::string status_callback;
};

struct PhoneNumberPage {
  std::vector<PhoneNumberResource> numbers;
  std::string next_page_uri;
};

// The body of an error; code 0 if it is not one of Twilio's. The message may name whole phone
// numbers: show it, never log it.
struct ErrorBody {
  int code = 0;
  std::string message;
};

// Errors: kInvalidArgument (TWILIO_ANSWER_UNREADABLE): not JSON, or without what identifies it.
absl::StatusOr<CreatedMessage> ParseCreatedMessage(std::string_view json);
absl::StatusOr<MessageResource> ParseMessage(std::string_view json);
absl::StatusOr<MessagePage> ParseMessagePage(std::string_view json);
absl::StatusOr<std::vector<MediaResource>> ParseMediaList(std::string_view json);
absl::StatusOr<AccountResource> ParseAccount(std::string_view json);
absl::StatusOr<PhoneNumberResource> ParsePhoneNumber(std::string_view json);
absl::StatusOr<PhoneNumberPage> ParsePhoneNumberPage(std::string_view json);
ErrorBody ParseErrorBody(std::string_view json);

// "Thu, 24 Aug 2023 05:01:45 +0000", or none.
std::optional<Time> ParseRfc2822(std::string_view text);

}  // namespace parley::twilio
