#include "store/commands.h"

#include "libs/kafka/record.h"
#include "parley/events/v1/send_command.pb.h"

namespace parley::gateway::store {

Time SendTimeOf(const v1::Message& message) {
  return FromMicros(message.send_time().seconds() * 1'000'000 +
                    message.send_time().nanos() / 1'000);
}

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
  send.set_not_before_us(ToMicros(order.not_before));
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

void AddCancel(const CancelOrder& order, Outbox& outbox) {
  events::v1::SendCommand command;
  command.set_organization_id(std::string(order.organization_id));
  events::v1::CancelSend& cancel = *command.mutable_cancel();
  cancel.set_message_id(std::string(order.message_id));
  cancel.set_generation(order.generation);
  outbox.AddKafka({order.organization_id, kafka::kSendCommandsTopic, order.sender_number,
                   command.SerializeAsString(), command.GetTypeName(), ""});
}

}  // namespace parley::gateway::store
