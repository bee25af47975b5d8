// What is sent: the words that the rest of the sender shares. Pure.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"

namespace parley::sender {

// All waiting inside the process is measured with it, so that steps of the wall clock move nothing.
using SteadyTime = std::chrono::steady_clock::time_point;

// As in parley.events.v1; the numbers are stored.
enum class Medium : std::int16_t { kSms = 1, kWhatsApp = 2 };
enum class Priority : std::int16_t { kInteractive = 1, kBulk = 2 };
inline constexpr int kPriorities = 2;
inline int Index(Priority priority) { return static_cast<int>(priority) - 1; }

// The states of DESIGN §5 as the sender knows them.
enum class State { kQueued, kSending, kSent, kFailed, kUnconfirmed, kCanceled, kExpired };

// "queued" and the like, as stored.
std::string_view StateName(State state);
State ParseState(std::string_view name);  // Unknown names are kFailed; the table allows none.

// True for states that nothing follows: the body is cleared.
bool IsFinal(State state);

// One send: a message may be sent again as a new generation.
struct DeliveryKey {
  std::string organization_id;
  std::string message_id;
  int generation = 0;
  auto operator<=>(const DeliveryKey&) const = default;
};

// A sender number of an account on one medium: what has a rate.
struct Lane {
  std::int64_t id = 0;
  int shard = 0;
  std::string account_sid;
  Medium medium = Medium::kSms;
  std::string number;
};

// A command as it is stored.
struct NewDelivery {
  DeliveryKey key;
  std::string account_sid;
  Medium medium = Medium::kSms;
  std::string sender_number;
  std::string customer_number;
  std::string body;
  std::vector<std::string> media_urls;
  std::string content_sid;
  std::string content_variables;
  std::string messaging_service_sid;
  int segments = 1;
  std::string conversation_id;  // Empty: in no conversation.
  std::int64_t conversation_seq = 0;
  std::string campaign_id;  // Empty: in no campaign.
  Priority priority = Priority::kInteractive;
  Time created_at;
  Time not_before;
  Time not_after;
  std::optional<Time> whatsapp_window_until;
};

// A waiting send as the scheduler holds it: no text, so that many fit in memory.
struct Head {
  std::int64_t ord = 0;  // Identifies the row; order of arrival.
  DeliveryKey key;
  std::int64_t lane_id = 0;
  Priority priority = Priority::kInteractive;
  SteadyTime due;
  std::string conversation_id;
  std::int64_t conversation_seq = 0;
  int segments = 1;
  int attempt = 0;  // Requests so far; the journal checks it.
};

// A request that was journalled and may be written.
struct Job {
  Head head;
  Lane lane;
  std::string customer_number;
  std::string body;
  std::vector<std::string> media_urls;
  std::string content_sid;
  std::string content_variables;
  std::string messaging_service_sid;
  int attempt = 0;           // Of this request, from 1.
  int errors = 0;            // Retryable answers before it.
  std::int64_t journal = 0;  // Token of its journal entry.
  SteadyTime write_by;       // Given up if it is not begun by then.
};

// What a look for evidence of an unconfirmed send said. The numbers are those of parley.events.v1.
enum class FindingKind { kListWithout = 1, kListShowsLater, kListUnreadable, kFound, kAmbiguous };
struct Finding {
  FindingKind kind = FindingKind::kListWithout;
  Time at;        // Of the last of `looks`.
  int looks = 1;  // In a row that said the same.
  bool operator==(const Finding&) const = default;
};

// A state that the gateway is to be told.
struct Change {
  DeliveryKey key;
  std::int64_t ord = 0;
  std::int64_t version = 0;
  State state = State::kQueued;
  int attempt = 0;
  std::string account_sid;
  std::string message_sid;
  int error_code = 0;
  std::string reason;
  std::string message;
  Time at;
  std::optional<Time> retry_at;
  int segments = 0;
  // While unconfirmed: what was found so far, and when it is looked for again (none: no more).
  std::vector<Finding> findings;
  std::optional<Time> look_again_at;
};

}  // namespace parley::sender
