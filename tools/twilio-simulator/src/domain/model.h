// The things Twilio keeps: accounts, numbers, messages, media, calls, services.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "domain/address.h"
#include "domain/text.h"
#include "domain/time_text.h"

namespace parley::simulator {

using Json = nlohmann::ordered_json;

struct Account {
  std::uint32_t index = 0;
  std::string sid;
  std::string auth_token;
  std::string friendly_name;
  std::string owner_sid;      // The parent's, or its own.
  std::string type = "Full";  // Or "Trial": texts get a prefix, recipients must be verified.
  std::string status = "active";
  bool test = false;  // Test credentials: magic numbers only.
  Micros created_us = 0;
  Micros updated_us = 0;
  std::vector<std::string> verified_numbers;
  std::map<std::string, std::string> keys;  // API keys: SK… → secret.
  int requests_in_flight = 0;
};

struct Number {
  std::string sid;
  std::uint32_t account = 0;
  std::string number;          // E.164, or a short code's digits.
  std::string type = "local";  // local, mobile, toll-free, short-code.
  std::string friendly_name;
  bool sms = true;
  bool mms = true;
  bool voice = true;
  Micros created_us = 0;
  Micros updated_us = 0;
  std::string service_sid;  // The Messaging Service it belongs to, or "".
  // The resource's own settings by their API name: "sms_url", "voice_method" …
  std::map<std::string, std::string> settings;

  std::string_view Setting(const std::string& name, std::string_view fallback = {}) const {
    const auto found = settings.find(name);
    return found == settings.end() || found->second.empty() ? fallback
                                                            : std::string_view(found->second);
  }
};

enum class Status : std::uint8_t {
  kAccepted,
  kScheduled,
  kQueued,
  kSending,
  kSent,
  kDelivered,
  kUndelivered,
  kFailed,
  kReceived,
  kRead,
  kCanceled,
};
std::string_view StatusName(Status status);
bool IsTerminal(Status status);

enum class Direction : std::uint8_t { kOutboundApi, kOutboundReply, kInbound };
std::string_view DirectionName(Direction direction);

inline constexpr std::uint64_t kNoMessage = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();

// What only few messages have.
struct MessageExtra {
  std::string custom_sid;  // Of an inbound message whose SID the test chose.
  std::string status_callback;
  std::string service_sid;
  std::string content_sid;
  std::string content_variables;
  std::vector<std::string> media;  // ME…
  int media_pending = 0;           // Still being fetched; the message waits for them.
  bool media_failed = false;
  std::string feedback;
};

// One message. Its status is not stored but follows from the plan and the time, so that a
// message without a callback costs no timer.
struct Message {
  Micros created_us = 0;
  std::uint64_t previous_to = kNoMessage;  // The message before it with the same To, From.
  std::uint64_t previous_from = kNoMessage;
  std::uint32_t account = 0;
  std::uint32_t to = 0;  // In the address book.
  std::uint32_t from = 0;
  // The plan, in ms after its creation; kNever where it does not happen.
  std::uint32_t queued_ms = 0;
  std::uint32_t sent_ms = kNever;
  std::uint32_t final_ms = kNever;
  std::uint32_t read_ms = kNever;
  int error_code = 0;  // Holds from the final status on.
  Status initial = Status::kQueued;
  Status final_status = Status::kDelivered;
  Direction direction = Direction::kOutboundApi;
  std::uint8_t segments = 1;
  bool mms = false;        // "MM…" instead of "SM…".
  bool has_sender = true;  // False until a Messaging Service has chosen one.
  bool deleted = false;
  bool redacted = false;
  bool carrier_reply = false;  // Twilio's own answer to STOP, START, HELP.
  std::string body;
  std::unique_ptr<MessageExtra> extra;

  MessageExtra& Extra() {
    if (!extra) extra = std::make_unique<MessageExtra>();
    return *extra;
  }
  Status StatusAt(Micros now) const;
  // When the status of `now` began.
  Micros StatusSince(Micros now) const;
  // 0 if it has not been sent by `now`.
  Micros SentAt(Micros now) const;
  Micros After(std::uint32_t ms) const { return created_us + ms * kMillisecond; }
  // Milliseconds since its creation, bounded for use in the plan.
  std::uint32_t Age(Micros now) const;
};

struct Media {
  std::string sid;
  std::uint32_t account = 0;
  std::string message_sid;
  std::string content_type = "application/octet-stream";
  std::string source_url;
  std::string bytes;
  bool fetched = false;
  Micros created_us = 0;
};

struct Recording {
  std::string sid;
  std::uint32_t account = 0;
  std::string call_sid;
  int duration_s = 0;
  Micros created_us = 0;
};

struct Call {
  std::string sid;
  std::uint32_t account = 0;
  std::string to;
  std::string from;
  std::string status = "queued";
  std::string direction = "outbound-api";
  std::string parent_sid;
  Micros created_us = 0;
  Micros updated_us = 0;
  Micros started_us = 0;
  Micros answered_us = 0;
  Micros ended_us = 0;
  std::string url, method, fallback_url, fallback_method;
  std::string twiml;
  std::string status_callback, status_callback_method;
  std::vector<std::string> events;  // Of the status callback.
  std::string spoken;               // What the customer answers to <Record>.
  int sequence = 0;                 // Of the next status callback.
  int documents = 0;                // TwiML documents so far; bounded (11215).
  Json steps = Json::array();       // The verbs carried out: {verb, text}.
};

struct Service {
  std::string sid;
  std::uint32_t account = 0;
  Json fields;  // As rendered, without links.
  std::vector<std::string> number_sids;
  std::size_t next_number = 0;
};

struct Content {
  std::string sid;
  std::uint32_t account = 0;
  Json fields;
  Json approval;  // null until it was asked for.
};

}  // namespace parley::simulator
