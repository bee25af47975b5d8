#include "adapters/twilio_api.h"

#include "libs/twilio/number.h"

namespace parley::sender {

twilio::SendOutcome TwilioApi::Send(const twilio::Account& account, const Job& job,
                                    const std::string& status_callback, WriteSlot& slot) {
  const std::string prefix(twilio::ChannelPrefix(
      job.lane.medium == Medium::kWhatsApp ? twilio::Channel::kWhatsApp : twilio::Channel::kSms));
  const std::string to = prefix + job.customer_number;
  const std::string from = prefix + job.lane.number;
  twilio::NewMessage message;
  message.to = to;
  message.from = from;
  message.messaging_service_sid = job.messaging_service_sid;
  message.body = job.body;
  message.media_urls = job.media_urls;
  message.content_sid = job.content_sid;
  message.content_variables = job.content_variables;
  message.status_callback = status_callback;
  return client_.CreateMessage(account, message, job.write_by,
                               [&slot](SteadyTime now) { return slot.AboutToWrite(now); });
}

}  // namespace parley::sender
