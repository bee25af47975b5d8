// Sends through libs/twilio.
#pragma once

#include "libs/twilio/client.h"
#include "ports.h"

namespace parley::sender {

class TwilioApi final : public SendApi {
 public:
  explicit TwilioApi(twilio::Client& client) : client_(client) {}
  twilio::SendOutcome Send(const twilio::Account& account, const Job& job,
                           const std::string& status_callback, WriteSlot& slot) override;

 private:
  twilio::Client& client_;
};

}  // namespace parley::sender
