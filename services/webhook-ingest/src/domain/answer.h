// What Twilio is told to do: TwiML out of a number's settings (DESIGN §7, TWILIO.md 4.3). Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "domain/directory.h"
#include "libs/base/clock.h"
#include "libs/webhooks/webhook.h"
#include "parley/events/v1/directory.pb.h"

namespace parley::ingest {

struct Answer {
  std::string twiml;             // Empty: 200 without a body, which is all that a status needs.
  std::string auto_reply;        // The text in `twiml` as the customer reads it; empty: none.
  std::string_view answered_by;  // Of a new call: "greeting", "voicemail", "forward".
};

// Twilio refuses longer ones (21617).
inline constexpr std::size_t kReplyCharactersMax = 1'600;

// `number` is null if nobody claims it: then a text gets nothing, a call a short greeting.
// `public_url` is where Twilio reaches us, without trailing "/".
//
// A text is answered by the auto-reply of its number: never a keyword, never where the AI answers,
// never a sender that is no phone number (two machines would write to each other for ever).
Answer MakeAnswer(const webhooks::Webhook& webhook, const NumberEntry* number,
                  std::string_view public_url);

// The template with {body} and {name} filled in, at most kReplyCharactersMax characters, without
// what XML cannot hold. What is filled in is not a template itself. Without a name the space
// before {name} goes too: "Hi {name}!" becomes "Hi!".
struct ReplyValues {
  std::string_view body;
  std::string_view name;
};
std::string ExpandReply(std::string_view text, const ReplyValues& values);

// Whether somebody is there at `now`, by the clocks of the zone.
bool IsOpen(const events::v1::OfficeHours& hours, const absl::TimeZone& zone, Time now);

}  // namespace parley::ingest
