#include "adapters/twilio_message_lists.h"

#include "libs/base/status.h"
#include "libs/twilio/url.h"

namespace parley::gateway {
namespace {

constexpr int kPageSize = 500;

twilio::Account AccountOf(const TwilioLogin& login) {
  return {login.account_sid, login.auth_token};
}

}  // namespace

absl::StatusOr<std::unique_ptr<TwilioMessageLists>> TwilioMessageLists::Create(
    const std::string& base_url) {
  PARLEY_ASSIGN_OR_RETURN(auto client, twilio::Client::Create({.base_url = base_url}));
  PARLEY_ASSIGN_OR_RETURN(std::string prefix, twilio::OriginAndPrefix(base_url));
  return std::unique_ptr<TwilioMessageLists>(
      new TwilioMessageLists(std::move(prefix), std::move(client)));
}

absl::StatusOr<twilio::MessagePage> TwilioMessageLists::First(const TwilioLogin& login,
                                                              Time since) {
  return client_->ListMessages(AccountOf(login), {.sent_from = since, .page_size = kPageSize});
}

absl::StatusOr<twilio::MessagePage> TwilioMessageLists::Next(const TwilioLogin& login,
                                                             std::string_view page_uri) {
  return client_->ListMessagesAt(AccountOf(login), page_uri);
}

absl::StatusOr<std::vector<catchup::Attachment>> TwilioMessageLists::Media(
    const TwilioLogin& login, std::string_view message_sid) {
  PARLEY_ASSIGN_OR_RETURN(const std::vector<twilio::MediaResource> media,
                          client_->ListMedia(AccountOf(login), message_sid));
  std::vector<catchup::Attachment> attachments;
  for (const twilio::MediaResource& one : media) {
    attachments.push_back({base_url_ + one.uri, one.content_type});
  }
  return attachments;
}

}  // namespace parley::gateway
