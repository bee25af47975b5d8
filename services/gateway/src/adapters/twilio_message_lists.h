// MessageLists over libs/twilio.
#pragma once

#include <memory>
#include <string>

#include "catchup/message_lists.h"
#include "libs/twilio/client.h"

namespace parley::gateway {

class TwilioMessageLists final : public catchup::MessageLists {
 public:
  // Errors: kInvalidArgument: the base URL is none.
  static absl::StatusOr<std::unique_ptr<TwilioMessageLists>> Create(const std::string& base_url);

  absl::StatusOr<twilio::MessagePage> First(const TwilioLogin& login, Time since) override;
  absl::StatusOr<twilio::MessagePage> Next(const TwilioLogin& login,
                                           std::string_view page_uri) override;
  absl::StatusOr<std::vector<catchup::Attachment>> Media(const TwilioLogin& login,
                                                         std::string_view message_sid) override;

 private:
  TwilioMessageLists(std::string base_url, std::unique_ptr<twilio::Client> client)
      : base_url_(std::move(base_url)), client_(std::move(client)) {}

  const std::string base_url_;
  const std::unique_ptr<twilio::Client> client_;
};

}  // namespace parley::gateway
