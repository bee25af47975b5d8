// What Twilio's list of messages says about sends whose answer was lost. Pure.
//
// The list names neither our ids nor the request, so a message in it is ours by what it is: to the
// same customer from the same number, with the same text, of that time, and with a SID that no
// other send has. It lags: what it does not show may still come. Only once it shows a later message
// of the same sender does it speak against an earlier one.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/delivery.h"
#include "libs/twilio/resource.h"

namespace parley::sender {

// From becoming unconfirmed to the first look.
inline constexpr std::chrono::seconds kFirstLook{2};
// Between Twilio's clock and ours.
inline constexpr std::chrono::seconds kClockSlack{15};
// It is looked for until `not_after`, and this long after.
inline constexpr std::chrono::hours kSearchAfter{1};

// A customer and one of our numbers: what one question to the list is about.
struct Pair {
  Lane lane;
  std::string customer_number;
};

// A send of a pair without an outcome.
struct Suspect {
  DeliveryKey key;
  std::int64_t journal = 0;           // Of the request in question.
  State state = State::kUnconfirmed;  // Or kSending: its own answer may still come.
  bool due = false;                   // To be looked for now.
  Time requested_at;
  Time deadline;
  Time not_after;
  std::string body;
  int media = 0;
  bool is_template = false;  // Its text is made at Twilio, and not known here.
  int looks = 0;             // So far.
  std::vector<Finding> findings;
};

struct PairRows {
  Time now;                       // By the clock that all times here are of.
  std::vector<Suspect> suspects;  // In order of their requests.
  std::set<std::string> claimed;  // SIDs that sends of the pair around those times have.
};

// What the list showed.
struct ListView {
  bool readable = true;  // False: Twilio did not answer, or there was too much to read.
  std::vector<twilio::MessageResource> messages;  // Of the pair.
  // When the newest message of the same sender, to anybody, was created; none: not asked, or none.
  // It must have been asked for before `messages`.
  std::optional<Time> newest;
};

// What a look came to for one send.
struct Look {
  DeliveryKey key;
  std::int64_t journal = 0;
  std::string message_sid = {};  // Found: the send is settled. Empty: not.
  int looks = 0;                 // Of this and before.
  std::vector<Finding> findings = {};
  std::optional<std::chrono::milliseconds> wait =
      {};                  // Until the next one; none: that was the last.
  Time requested_at = {};  // Around which others may claim the SID.
};

// Messages that are found settle suspects whether due or not; the due ones that are not found get a
// finding. Of several alike the first requests get the messages, once the list has had the time of
// two looks to show them all.
std::vector<Look> Weigh(const PairRows& rows, const ListView& list);

// Since when the list is to be asked for these: the earliest request of a due one, less the slack.
Time AskSince(std::span<const Suspect> suspects);
// True if a message of the sender that is newer than `known` may speak against one of them.
bool WantsNewest(std::span<const Suspect> suspects, Time now, std::optional<Time> known);

// As a column holds them, and back; what cannot be read is left out. At most the last 20.
std::string WriteFindings(std::span<const Finding> findings);
std::vector<Finding> ReadFindings(std::string_view text);

}  // namespace parley::sender
