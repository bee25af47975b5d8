#include "store/commands.h"

#include "libs/kafka/record.h"
#include "parley/events/v1/send_command.pb.h"

namespace parley::gateway::store {

void AddSend(const SendOrder& order, Outbox& outbox) {
  const v1::Message& message = order.message;
  events::v1::SendCommand command;
  command.set_organization_id(std::string(order.organization_id));
  events::v1::Send& send = *command.mutable_send();
  send.set_message_id(message.id());
  send.set_generation(order.generation);
  send.set_account_sid(std::string(order.account_sid));
  send.set_sender_number(message.from());
  send.set_customer_number(message.to());
  send.set_medium(ToEvent(message.medium()));
  send.set_body(message.body());
  for (const v1::MessageMedia& media : message.media()) send.add_media_urls(media.url());
  send.set_conversation_id(message.conversation_id());
  send.set_conversation_seq(message.seq());
  send.set_not_after_us(ToMicros(order.not_after));
  send.set_priority(events::v1::PRIORITY_INTERACTIVE);
  send.set_created_at_us(message.create_time().seconds() * 1'000'000 +
                         message.create_time().nanos() / 1'000);
  if (message.medium() == v1::MEDIUM_WHATSAPP) {
    send.set_whatsapp_window_until_us(ToMicros(order.whatsapp_window_until));
  }
  outbox.AddKafka({order.organization_id, kafka::kSendCommandsTopic, message.from(),
                   command.SerializeAsString(), command.GetTypeName(), order.traceparent});
}

}  // namespace parley::gateway::store
