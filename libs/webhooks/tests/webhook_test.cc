#include "libs/webhooks/webhook.h"

#include <gtest/gtest.h>

#include "parley/events/v1/inbound.pb.h"

namespace parley::webhooks {
namespace {

const std::string kAccount = "AC" + std::string(32, '1');
const std::string kMessageSid = "SM" + std::string(32, 'a');
const std::string kCallSid = "CA" + std::string(32, 'c');
constexpr char kCustomer[] = "+15005550010";
constexpr char kNumber[] = "+15005550006";

// What a form becomes: the only inbound record.
events::v1::InboundRecord Inbound(Kind kind, const twilio::FormParams& params,
                                  const RecordContext& context = {}) {
  const std::string body = twilio::EncodeForm(params);
  const WebhookRequest request{
      .target = "/", .content_type = "application/x-www-form-urlencoded", .body = body};
  Webhook webhook;
  const absl::Status parsed = ParseWebhook(kind, request, webhook);
  EXPECT_TRUE(parsed.ok()) << parsed;
  events::v1::InboundRecord record;
  for (const OutgoingRecord& out : MakeRecords(webhook, context)) {
    if (out.topic == Topic::kInbound) {
      EXPECT_TRUE(record.ParseFromString(out.value));
    }
  }
  return record;
}

twilio::FormParams WhatsApp(std::initializer_list<twilio::FormParam> more) {
  twilio::FormParams params = {{"AccountSid", kAccount},
                               {"MessageSid", kMessageSid},
                               {"From", std::string("whatsapp:") + kCustomer},
                               {"To", std::string("whatsapp:") + kNumber},
                               {"ProfileName", "Ana"}};
  for (const twilio::FormParam& param : more) params.Add(param.name, param.value);
  return params;
}

TEST(MakeRecords, AnInboxShowsWhatWasPressedChosenOrShared) {
  const std::string long_type(500, 't');
  const struct {
    const char* label;
    twilio::FormParams params;
    std::string want;
  } cases[] = {
      {"text", WhatsApp({{"Body", "Hi"}, {"ButtonText", "Yes"}}), "Hi"},
      {"button", WhatsApp({{"Body", ""}, {"ButtonText", "Yes"}, {"ButtonPayload", "p"}}), "Yes"},
      {"list", WhatsApp({{"ListTitle", "Tuesday"}, {"ListId", "2"}}), "Tuesday"},
      {"place",
       WhatsApp({{"Latitude", "52.5"},
                 {"Longitude", "13.4"},
                 {"Address", "1 Main St"},
                 {"Label", "Cafe"}}),
       "Cafe\n1 Main St\n52.5, 13.4"},
      {"place without a name", WhatsApp({{"Latitude", "52.5"}, {"Longitude", "13.4"}}),
       "52.5, 13.4"},
      {"half a place", WhatsApp({{"Latitude", "52.5"}}), ""},
      {"something else", WhatsApp({{"MessageType", "order"}}), "[order]"},
      {"an empty text", WhatsApp({{"MessageType", "text"}}), ""},
      {"a long type", WhatsApp({{"MessageType", long_type}}), "[" + std::string(64, 't') + "]"},
      {"a picture",
       WhatsApp({{"MessageType", "image"}, {"NumMedia", "1"}, {"MediaUrl0", "https://x/y"}}), ""},
  };
  for (const auto& c : cases) {
    const auto record = Inbound(Kind::kMessage, c.params);
    EXPECT_EQ(record.message().body(), c.want) << c.label;
    EXPECT_EQ(record.medium(), events::v1::MEDIUM_WHATSAPP) << c.label;
    // Every parameter stays, known or not.
    EXPECT_EQ(record.parameters_size(), static_cast<int>(c.params.size())) << c.label;
  }
}

TEST(MakeRecords, AButtonIsAKeywordToo) {
  const auto record = Inbound(Kind::kMessage, WhatsApp({{"Body", ""}, {"ButtonText", "STOP"}}));
  EXPECT_EQ(record.message().keyword(), events::v1::KEYWORD_STOP);
  // In a text the text decides.
  const auto text = Inbound(Kind::kMessage, WhatsApp({{"Body", "No"}, {"ButtonText", "STOP"}}));
  EXPECT_EQ(text.message().keyword(), events::v1::KEYWORD_UNSPECIFIED);
}

TEST(MakeRecords, RcsIsServedAsSms) {
  const twilio::FormParams params = {{"AccountSid", kAccount},
                                     {"MessageSid", kMessageSid},
                                     {"From", std::string("rcs:") + kCustomer},
                                     {"To", kNumber},
                                     {"Body", "stop"}};
  const auto record = Inbound(Kind::kMessage, params);
  EXPECT_EQ(record.medium(), events::v1::MEDIUM_SMS);
  EXPECT_EQ(record.customer_number(), kCustomer);
  EXPECT_EQ(record.message().keyword(), events::v1::KEYWORD_STOP);
}

TEST(MakeRecords, SayWhatTwilioWasTold) {
  const twilio::FormParams params = {{"AccountSid", kAccount},
                                     {"MessageSid", kMessageSid},
                                     {"From", kCustomer},
                                     {"To", kNumber},
                                     {"Body", "Hi"}};
  const auto record = Inbound(Kind::kMessage, params,
                              {.origin = events::v1::ORIGIN_RELEASED, .auto_reply = "Thanks"});
  EXPECT_EQ(record.auto_reply(), "Thanks");
  EXPECT_EQ(record.origin(), events::v1::ORIGIN_RELEASED);
}

TEST(ParseWebhook, AnotherChannelIsRefused) {
  const twilio::FormParams call = {{"AccountSid", kAccount},
                                   {"CallSid", kCallSid},
                                   {"From", "client:ana"},
                                   {"To", kNumber},
                                   {"CallStatus", "ringing"}};
  const twilio::FormParams status = {{"AccountSid", kAccount},
                                     {"MessageSid", kMessageSid},
                                     {"MessageStatus", "sent"},
                                     {"To", "messenger:1"}};
  const twilio::FormParams message = {{"AccountSid", kAccount},
                                      {"MessageSid", kMessageSid},
                                      {"From", "telegram:1"},
                                      {"To", kNumber}};
  for (const auto& [kind, params] :
       {std::pair(Kind::kVoice, call), std::pair(Kind::kStatus, call),
        std::pair(Kind::kStatus, status), std::pair(Kind::kMessage, message)}) {
    const std::string body = twilio::EncodeForm(params);
    const WebhookRequest request{
        .target = "/", .content_type = "application/x-www-form-urlencoded", .body = body};
    Webhook webhook;
    EXPECT_EQ(ErrorReason(ParseWebhook(kind, request, webhook)), "CHANNEL_UNSUPPORTED") << body;
  }
}

TEST(ParseWebhook, NamesWhatACallLacks) {
  const std::string long_status(100, 's');
  const twilio::FormParams whole = {{"AccountSid", kAccount},  {"CallSid", kCallSid},
                                    {"From", kCustomer},       {"To", kNumber},
                                    {"CallStatus", "ringing"}, {"CallDuration", "1"}};
  const struct {
    const char* name;
    std::string value;  // Empty: left out.
    const char* reason;
  } cases[] = {
      {"AccountSid", "", "PARAM_MISSING"},
      {"CallSid", "", "PARAM_MISSING"},
      {"CallSid", "CA1", "PARAM_INVALID"},
      {"From", "", "PARAM_MISSING"},
      {"To", "", "PARAM_MISSING"},
      {"CallStatus", "", "PARAM_MISSING"},
      {"CallStatus", long_status, "PARAM_INVALID"},
      {"CallDuration", "-1", "PARAM_INVALID"},
      {"CallDuration", "x", "PARAM_INVALID"},
  };
  for (const auto& c : cases) {
    twilio::FormParams params;
    for (const twilio::FormParam param : whole) {
      if (param.name != c.name) {
        params.Add(param.name, param.value);
      } else if (!c.value.empty()) {
        params.Add(param.name, c.value);
      }
    }
    const std::string body = twilio::EncodeForm(params);
    const WebhookRequest request{
        .target = "/", .content_type = "application/x-www-form-urlencoded", .body = body};
    Webhook webhook;
    EXPECT_EQ(ErrorReason(ParseWebhook(Kind::kVoice, request, webhook)), c.reason)
        << c.name << "=" << c.value;
  }
}

TEST(ParseWebhook, ARecordingsUrlNamesNoNonsense) {
  const twilio::FormParams params = {
      {"AccountSid", kAccount}, {"CallSid", kCallSid}, {"RecordingStatus", "completed"}};
  const std::string body = twilio::EncodeForm(params);
  for (const std::string& target :
       {"/?business=" + std::string(65, '1'), "/?customer=" + std::string(65, '1')}) {
    const WebhookRequest request{
        .target = target, .content_type = "application/x-www-form-urlencoded", .body = body};
    Webhook webhook;
    EXPECT_EQ(ErrorReason(ParseWebhook(Kind::kRecording, request, webhook)), "PARAM_INVALID");
  }
}

}  // namespace
}  // namespace parley::webhooks
