#include "libs/webhooks/records.h"

#include <google/protobuf/arena.h>

#include <array>

#include "libs/twilio/number.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"

namespace parley::webhooks {
namespace {

using events::v1::Keyword;
using events::v1::Medium;

Medium MediumOf(std::string_view address) {
  switch (twilio::ChannelOf(address)) {
    case twilio::Channel::kSms:
      return Medium::MEDIUM_SMS;
    case twilio::Channel::kWhatsApp:
      return Medium::MEDIUM_WHATSAPP;
    // RCS falls back to SMS and shares its opt-outs; it is answered by SMS.
    case twilio::Channel::kRcs:
      return Medium::MEDIUM_SMS;
    case twilio::Channel::kMessenger:
      return Medium::MEDIUM_UNSPECIFIED;
  }
  return Medium::MEDIUM_UNSPECIFIED;
}

Keyword ToProto(twilio::Keyword keyword) {
  switch (keyword) {
    case twilio::Keyword::kNone:
      return Keyword::KEYWORD_UNSPECIFIED;
    case twilio::Keyword::kStop:
      return Keyword::KEYWORD_STOP;
    case twilio::Keyword::kStart:
      return Keyword::KEYWORD_START;
    case twilio::Keyword::kHelp:
      return Keyword::KEYWORD_HELP;
  }
  return Keyword::KEYWORD_UNSPECIFIED;
}

// Where a record is built: most requests need no allocation beyond this block.
struct Workspace {
  alignas(8) std::array<char, 8 << 10> block;
  google::protobuf::Arena arena{Options()};

 private:
  google::protobuf::ArenaOptions Options() {
    google::protobuf::ArenaOptions options;
    options.initial_block = block.data();
    options.initial_block_size = block.size();
    return options;
  }
};

void Set(std::string* field, std::string_view value) { field->assign(value); }

template <class Record>
void AddParameters(const twilio::FormParams& params, Record& record) {
  record.mutable_parameters()->Reserve(static_cast<int>(params.size()));
  for (const twilio::FormParam param : params) {
    auto* added = record.add_parameters();
    Set(added->mutable_name(), param.name);
    Set(added->mutable_value(), param.value);
  }
}

// An inbound record with what every kind has. It lives as long as the workspace.
template <class Input>
events::v1::InboundRecord& NewInbound(Workspace& workspace, const Input& input) {
  auto& record =
      *google::protobuf::Arena::CreateMessage<events::v1::InboundRecord>(&workspace.arena);
  record.set_received_at_us(ToMicros(input.request.received_at));
  Set(record.mutable_idempotency_token(), input.request.idempotency_token);
  record.set_origin(input.origin);
  AddParameters(input.params, record);
  return record;
}

template <class Record>
OutgoingRecord Out(Topic topic, std::string key, const Record& record,
                   std::string_view traceparent) {
  return {.topic = topic,
          .key = std::move(key),
          .value = record.SerializeAsString(),
          .type = record.GetTypeName(),
          .traceparent = std::string(traceparent)};
}

}  // namespace

std::string InboundKey(std::string_view account_sid, std::string_view business_number,
                       std::string_view customer_number) {
  std::string key;
  key.reserve(account_sid.size() + business_number.size() + customer_number.size() + 2);
  key.append(account_sid).append("/").append(business_number).append("/").append(customer_number);
  return key;
}

OutgoingRecord InboundRecord(const MessageInput& input) {
  const twilio::InboundMessage& message = input.message;
  const std::string_view business = twilio::WithoutChannel(message.to);
  const std::string_view customer = twilio::WithoutChannel(message.from);
  Workspace workspace;
  auto& record = NewInbound(workspace, input);
  Set(record.mutable_account_sid(), message.account_sid);
  Set(record.mutable_business_number(), business);
  Set(record.mutable_customer_number(), customer);
  record.set_medium(MediumOf(message.from));
  auto* event = record.mutable_message();
  Set(event->mutable_message_sid(), message.message_sid);
  if (message.body.empty()) {
    *event->mutable_body() = twilio::TextOf(message);
  } else {
    Set(event->mutable_body(), message.body);
  }
  for (const twilio::Media& media : message.media) {
    auto* added = event->add_media();
    Set(added->mutable_url(), media.url);
    Set(added->mutable_content_type(), media.content_type);
  }
  event->set_keyword(ToProto(input.keyword));
  Set(event->mutable_profile_name(), message.profile_name);
  Set(event->mutable_messaging_service_sid(), message.messaging_service_sid);
  event->set_segments(message.segments);
  Set(record.mutable_auto_reply(), input.auto_reply);
  return Out(Topic::kInbound, InboundKey(message.account_sid, business, customer), record,
             input.traceparent);
}

OutgoingRecord ConsentRecord(const MessageInput& input, std::string_view organization_id) {
  const twilio::InboundMessage& message = input.message;
  const std::string_view customer = twilio::WithoutChannel(message.from);
  Workspace workspace;
  auto& record =
      *google::protobuf::Arena::CreateMessage<events::v1::ConsentRecord>(&workspace.arena);
  Set(record.mutable_customer_number(), customer);
  Set(record.mutable_business_number(), twilio::WithoutChannel(message.to));
  Set(record.mutable_account_sid(), message.account_sid);
  Set(record.mutable_messaging_service_sid(), message.messaging_service_sid);
  record.set_medium(MediumOf(message.from));
  record.set_given_at_us(ToMicros(input.request.received_at));
  record.set_keyword(ToProto(input.keyword));
  Set(record.mutable_organization_id(), organization_id);
  return Out(Topic::kConsent, std::string(customer), record, input.traceparent);
}

OutgoingRecord CallRecord(const CallInput& input) {
  const twilio::CallReport& call = input.call;
  const std::string_view business = twilio::WithoutChannel(call.to);
  const std::string_view customer = twilio::WithoutChannel(call.from);
  Workspace workspace;
  auto& record = NewInbound(workspace, input);
  Set(record.mutable_account_sid(), call.account_sid);
  Set(record.mutable_business_number(), business);
  Set(record.mutable_customer_number(), customer);
  record.set_medium(Medium::MEDIUM_VOICE);
  auto* event = record.mutable_call();
  Set(event->mutable_call_sid(), call.call_sid);
  Set(event->mutable_status(), call.status);
  Set(event->mutable_caller_name(), call.caller_name);
  event->set_duration_seconds(call.duration_seconds);
  Set(event->mutable_answered_by(), input.answered_by);
  return Out(Topic::kInbound, InboundKey(call.account_sid, business, customer), record,
             input.traceparent);
}

OutgoingRecord RecordingRecord(const RecordingInput& input) {
  const twilio::RecordingReport& recording = input.recording;
  Workspace workspace;
  auto& record = NewInbound(workspace, input);
  Set(record.mutable_account_sid(), recording.account_sid);
  Set(record.mutable_business_number(), input.business_number);
  Set(record.mutable_customer_number(), input.customer_number);
  record.set_medium(Medium::MEDIUM_VOICE);
  auto* event = record.mutable_recording();
  Set(event->mutable_call_sid(), recording.call_sid);
  Set(event->mutable_recording_sid(), recording.recording_sid);
  Set(event->mutable_url(), recording.url);
  Set(event->mutable_status(), recording.status);
  event->set_duration_seconds(recording.duration_seconds);
  const bool known = !input.business_number.empty() && !input.customer_number.empty();
  std::string key =
      known ? InboundKey(recording.account_sid, input.business_number, input.customer_number)
            : std::string(recording.account_sid).append("/").append(recording.call_sid);
  return Out(Topic::kInbound, std::move(key), record, input.traceparent);
}

OutgoingRecord DeliveryStatusRecord(const StatusInput& input) {
  const twilio::StatusCallback& callback = input.callback;
  Workspace workspace;
  auto& record =
      *google::protobuf::Arena::CreateMessage<events::v1::DeliveryStatusRecord>(&workspace.arena);
  Set(record.mutable_account_sid(), callback.account_sid);
  Set(record.mutable_message_sid(), callback.message_sid);
  Set(record.mutable_status(), twilio::StatusName(callback.status));
  record.set_error_code(callback.error_code.value_or(0));
  record.set_received_at_us(ToMicros(input.request.received_at));
  Set(record.mutable_message_id(), input.target.message_id);
  record.set_attempt(input.target.attempt);
  Set(record.mutable_business_number(), twilio::WithoutChannel(callback.from));
  Set(record.mutable_customer_number(), twilio::WithoutChannel(callback.to));
  record.set_medium(MediumOf(callback.to));
  Set(record.mutable_idempotency_token(), input.request.idempotency_token);
  AddParameters(input.params, record);
  return Out(Topic::kDeliveryStatus, std::string(callback.message_sid), record, input.traceparent);
}

}  // namespace parley::webhooks
