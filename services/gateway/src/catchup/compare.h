// What Twilio's list of an account's messages says that the store does not know. Pure.
//
// A message that comes in is told by a webhook, and Twilio hardly repeats one: whoever did not
// answer has lost it, but for this list. The same holds for the state of what was sent.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/clock.h"
#include "libs/twilio/resource.h"

namespace parley::gateway::catchup {

// What the store has of a page.
struct Known {
  std::set<std::string, std::less<>> inbound;            // SIDs; what was erased is among them.
  std::map<std::string, std::string, std::less<>> sent;  // Our status by SID; any attempt's.
};

// Pointers into the page.
struct Differences {
  std::vector<const twilio::MessageResource*> missing;   // Came in, and are not stored.
  std::vector<const twilio::MessageResource*> advanced;  // Were sent; Twilio knows more of them.
};

// `until`: younger messages are left to their webhooks. What other software sent with the account
// is not ours, and passed over.
Differences Compare(std::span<const twilio::MessageResource> page, const Known& known, Time until);

bool IsInbound(const twilio::MessageResource& message);

// The form that the message's webhook would have had, so that what is recovered goes the same way.
struct Attachment {
  std::string url;
  std::string content_type;
};
std::string WebhookForm(std::string_view account_sid, const twilio::MessageResource& message,
                        std::span<const Attachment> media);

// When it came or was sent; now if Twilio does not say.
Time TimeOf(const twilio::MessageResource& message, Time now);

}  // namespace parley::gateway::catchup
