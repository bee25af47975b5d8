// TwilioAccounts over libs/twilio.
#pragma once

#include <memory>
#include <string>

#include "libs/twilio/client.h"
#include "ports.h"

namespace parley::gateway {

class TwilioClientAccounts final : public TwilioAccounts {
 public:
  // Errors: kInvalidArgument: the base URL is none.
  static absl::StatusOr<std::unique_ptr<TwilioClientAccounts>> Create(const std::string& base_url);

  absl::StatusOr<TwilioAccountFacts> Check(const TwilioLogin& login) override;
  absl::StatusOr<std::optional<std::string>> FindNumber(const TwilioLogin& login,
                                                        std::string_view number) override;
  absl::Status PointNumber(const TwilioLogin& login, std::string_view number_sid,
                           const NumberAddresses& addresses) override;

 private:
  explicit TwilioClientAccounts(std::unique_ptr<twilio::Client> client)
      : client_(std::move(client)) {}

  std::unique_ptr<twilio::Client> client_;
};

}  // namespace parley::gateway
