// Twilio, as far as catching up goes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "catchup/compare.h"
#include "libs/base/clock.h"
#include "ports.h"

namespace parley::gateway::catchup {

// Thread-safe. Errors of all: those of twilio::Client; kResourceExhausted is 429.
class MessageLists {
 public:
  virtual ~MessageLists() = default;

  // The newest page of what was sent or came since then; the next one by the page's own URI.
  virtual absl::StatusOr<twilio::MessagePage> First(const TwilioLogin& login, Time since) = 0;
  virtual absl::StatusOr<twilio::MessagePage> Next(const TwilioLogin& login,
                                                   std::string_view page_uri) = 0;

  // A message's media, with the addresses that a webhook would have named.
  virtual absl::StatusOr<std::vector<Attachment>> Media(const TwilioLogin& login,
                                                        std::string_view message_sid) = 0;
};

}  // namespace parley::gateway::catchup
