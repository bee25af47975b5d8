#include "libs/webhooks/records.h"

#include <gtest/gtest.h>

#include <string>

#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"

namespace parley::webhooks {
namespace {

const std::string kAccountA = "AC" + std::string(32, '1');
const std::string kMessageSid = "SM" + std::string(32, 'a');
constexpr char kNumberA[] = "+15005550006";
constexpr char kCustomer[] = "+15005550010";

twilio::FormParams MessageParams(std::string_view body) {
  return {{"SmsSid", kMessageSid}, {"NumMedia", "0"},        {"Body", body},
          {"To", kNumberA},        {"NumSegments", "1"},     {"MessageSid", kMessageSid},
          {"From", kCustomer},     {"AccountSid", kAccountA}};
}

WebhookRequest Request() {
  return {.idempotency_token = "11111111-2222-4333-8444-555555555555",
          .received_at = FromMicros(1'700'000'000'000'000)};
}

TEST(InboundRecord, KeepsEveryParameterAndTheBytesOfTheText) {
  twilio::FormParams params = MessageParams(" <Response>&amp; é😀\r\n ");
  params.Add("SomethingNew", "kept");
  params.Add("Empty", "");
  const WebhookRequest webhook = Request();
  const auto message = twilio::ParseInboundMessage(params);
  ASSERT_TRUE(message.ok());
  const OutgoingRecord out =
      InboundRecord({webhook, params, *message, twilio::Keyword::kNone, "trace"});
  EXPECT_EQ(out.topic, Topic::kInbound);
  EXPECT_EQ(out.key, kAccountA + "/" + kNumberA + "/" + kCustomer);
  EXPECT_EQ(out.type, "parley.events.v1.InboundRecord");
  EXPECT_EQ(out.traceparent, "trace");
  events::v1::InboundRecord record;
  ASSERT_TRUE(record.ParseFromString(out.value));
  EXPECT_EQ(record.account_sid(), kAccountA);
  EXPECT_EQ(record.business_number(), kNumberA);
  EXPECT_EQ(record.customer_number(), kCustomer);
  EXPECT_EQ(record.medium(), events::v1::MEDIUM_SMS);
  EXPECT_EQ(record.received_at_us(), ToMicros(webhook.received_at));
  EXPECT_EQ(record.idempotency_token(), webhook.idempotency_token);
  EXPECT_EQ(record.message().message_sid(), kMessageSid);
  EXPECT_EQ(record.message().body(), " <Response>&amp; é😀\r\n ");
  EXPECT_EQ(record.message().segments(), 1);
  ASSERT_EQ(record.parameters_size(), static_cast<int>(params.size()));
  for (int i = 0; i < record.parameters_size(); ++i) {
    EXPECT_EQ(record.parameters(i).name(), params[static_cast<std::size_t>(i)].name);
    EXPECT_EQ(record.parameters(i).value(), params[static_cast<std::size_t>(i)].value);
  }
}

TEST(InboundRecord, TakesPicturesAndWhatsApp) {
  twilio::FormParams params = {{"AccountSid", kAccountA},
                               {"MessageSid", kMessageSid},
                               {"From", std::string("whatsapp:") + kCustomer},
                               {"To", std::string("whatsapp:") + kNumberA},
                               {"Body", ""},
                               {"ProfileName", "Ana"},
                               {"NumMedia", "1"},
                               {"MediaUrl0", "https://api.twilio.com/x"},
                               {"MediaContentType0", "image/png"}};
  const WebhookRequest webhook = Request();
  const auto message = twilio::ParseInboundMessage(params);
  ASSERT_TRUE(message.ok());
  const OutgoingRecord out = InboundRecord({webhook, params, *message, twilio::Keyword::kNone, ""});
  EXPECT_EQ(out.key, kAccountA + "/" + kNumberA + "/" + kCustomer);
  events::v1::InboundRecord record;
  ASSERT_TRUE(record.ParseFromString(out.value));
  EXPECT_EQ(record.medium(), events::v1::MEDIUM_WHATSAPP);
  EXPECT_EQ(record.customer_number(), kCustomer);
  EXPECT_EQ(record.message().profile_name(), "Ana");
  ASSERT_EQ(record.message().media_size(), 1);
  EXPECT_EQ(record.message().media(0).content_type(), "image/png");
}

TEST(ConsentRecord, SaysWhoGaveWhatWhen) {
  twilio::FormParams params = MessageParams("Stop");
  params.Add("MessagingServiceSid", "MG" + std::string(32, '3'));
  const WebhookRequest webhook = Request();
  const auto message = twilio::ParseInboundMessage(params);
  ASSERT_TRUE(message.ok());
  const OutgoingRecord out =
      ConsentRecord({webhook, params, *message, twilio::Keyword::kStop, "t"}, "org");
  EXPECT_EQ(out.topic, Topic::kConsent);
  EXPECT_EQ(out.key, kCustomer);
  events::v1::ConsentRecord record;
  ASSERT_TRUE(record.ParseFromString(out.value));
  EXPECT_EQ(record.customer_number(), kCustomer);
  EXPECT_EQ(record.business_number(), kNumberA);
  EXPECT_EQ(record.account_sid(), kAccountA);
  EXPECT_EQ(record.messaging_service_sid(), "MG" + std::string(32, '3'));
  EXPECT_EQ(record.medium(), events::v1::MEDIUM_SMS);
  EXPECT_EQ(record.given_at_us(), ToMicros(webhook.received_at));
  EXPECT_EQ(record.keyword(), events::v1::KEYWORD_STOP);
  EXPECT_EQ(record.organization_id(), "org");
}

TEST(DeliveryStatusRecord, NamesOurMessageAndAttempt) {
  const twilio::FormParams params = {
      {"AccountSid", kAccountA}, {"MessageSid", kMessageSid}, {"MessageStatus", "undelivered"},
      {"ErrorCode", "30003"},    {"From", kNumberA},          {"To", kCustomer},
  };
  const WebhookRequest webhook = Request();
  const auto callback = twilio::ParseStatusCallback(params);
  ASSERT_TRUE(callback.ok());
  const OutgoingRecord out =
      DeliveryStatusRecord({webhook, params, *callback, {.message_id = "id", .attempt = 2}, "t"});
  EXPECT_EQ(out.topic, Topic::kDeliveryStatus);
  EXPECT_EQ(out.key, kMessageSid);
  events::v1::DeliveryStatusRecord record;
  ASSERT_TRUE(record.ParseFromString(out.value));
  EXPECT_EQ(record.account_sid(), kAccountA);
  EXPECT_EQ(record.message_sid(), kMessageSid);
  EXPECT_EQ(record.status(), "undelivered");
  EXPECT_EQ(record.error_code(), 30003);
  EXPECT_EQ(record.message_id(), "id");
  EXPECT_EQ(record.attempt(), 2);
  EXPECT_EQ(record.business_number(), kNumberA);
  EXPECT_EQ(record.customer_number(), kCustomer);
  EXPECT_EQ(record.parameters_size(), 6);
}

}  // namespace
}  // namespace parley::webhooks
