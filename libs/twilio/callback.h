// Where Twilio calls back: the addresses that the gateway sets on numbers, that the sender puts
// into each message and that webhook-ingest reads. One place, so that they cannot differ. Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/twilio/form.h"

namespace parley::twilio {

inline constexpr std::string_view kMessageWebhookPath = "/webhooks/twilio/message";
inline constexpr std::string_view kStatusWebhookPath = "/webhooks/twilio/status";
inline constexpr std::string_view kVoiceWebhookPath = "/webhooks/twilio/voice";
inline constexpr std::string_view kRecordingWebhookPath = "/webhooks/twilio/recording";

// "<public_url>/webhooks/twilio/message#rc=5&rp=all": the SmsUrl and SmsFallbackUrl of a number.
// `public_url` has no trailing "/" (OriginAndPrefix makes it so).
std::string MessageWebhookUrl(std::string_view public_url);

// The same for calls: the VoiceUrl and VoiceFallbackUrl of a number.
std::string VoiceWebhookUrl(std::string_view public_url);

// The StatusCallback of a number: how its calls ended.
std::string CallStatusUrl(std::string_view public_url);

// The parties of a call, E.164 or a short code.
struct CallParties {
  std::string business;
  std::string customer;
  bool operator==(const CallParties&) const = default;
};

// "<public_url>/webhooks/twilio/recording?business=…&customer=…#rc=5&rp=all": for `<Record>`. The
// status of a recording names only its call; the query, which Twilio's signature covers, says whose
// call that was, so that it is verified and ordered like the call itself.
std::string RecordingUrl(std::string_view public_url, const CallParties& parties);

// Reads them from the query's parameters; empty where it names none.
CallParties ParseCallParties(const FormParams& query);

// What a status callback is about. It stands in the callback URL's query, which Twilio's signature
// covers; Twilio sends it back unchanged.
struct CallbackTarget {
  std::string message_id;  // Our message id; empty if the query names none.
  int attempt = 0;         // From 1; 0 if the query names none.
  bool operator==(const CallbackTarget&) const = default;
};

// "<public_url>/webhooks/twilio/status?message_id=…&attempt=1#rc=5&rp=all".
std::string StatusCallbackUrl(std::string_view public_url, const CallbackTarget& target);

// Reads it from the query's parameters. Errors: kInvalidArgument (PARAM_INVALID): an id that is no
// UUID, or an attempt that is no positive number.
absl::StatusOr<CallbackTarget> ParseCallbackTarget(const FormParams& query);

}  // namespace parley::twilio
