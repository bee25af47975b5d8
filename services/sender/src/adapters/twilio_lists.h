// Twilio's list of messages through libs/twilio.
#pragma once

#include "libs/twilio/client.h"
#include "ports.h"

namespace parley::sender {

class TwilioLists final : public MessageList {
 public:
  explicit TwilioLists(twilio::Client& client) : client_(client) {}
  absl::StatusOr<twilio::MessagePage> Newest(const twilio::Account& account, const Lane& lane,
                                             const std::string& customer_number,
                                             Time since) override;
  absl::StatusOr<twilio::MessagePage> Next(const twilio::Account& account,
                                           const std::string& page_uri) override;

 private:
  twilio::Client& client_;
};

}  // namespace parley::sender
