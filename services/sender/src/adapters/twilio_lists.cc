#include "adapters/twilio_lists.h"

#include "libs/twilio/number.h"

namespace parley::sender {

absl::StatusOr<twilio::MessagePage> TwilioLists::Newest(const twilio::Account& account,
                                                        const Lane& lane,
                                                        const std::string& customer_number,
                                                        Time since) {
  const std::string prefix(twilio::ChannelPrefix(
      lane.medium == Medium::kWhatsApp ? twilio::Channel::kWhatsApp : twilio::Channel::kSms));
  twilio::MessageFilter filter;
  filter.from = prefix + lane.number;
  if (!customer_number.empty()) filter.to = prefix + customer_number;
  // No end: what waited at Twilio was sent later than it was taken.
  filter.sent_from = since;
  filter.page_size = customer_number.empty() ? 20 : 100;
  return client_.ListMessages(account, filter);
}

absl::StatusOr<twilio::MessagePage> TwilioLists::Next(const twilio::Account& account,
                                                      const std::string& page_uri) {
  return client_.ListMessagesAt(account, page_uri);
}

}  // namespace parley::sender
