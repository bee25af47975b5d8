#include "libs/twilio/webhook.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::twilio {
namespace {

const std::string kAccount = "AC" + std::string(32, '1');
const std::string kMessage = "SM" + std::string(32, 'a');

FormParams Inbound(std::initializer_list<FormParam> more = {}) {
  FormParams params = {{"AccountSid", kAccount},
                       {"MessageSid", kMessage},
                       {"From", "+15005550010"},
                       {"To", "+15005550006"},
                       {"Body", "  hi <b>there</b> "}};
  for (const FormParam& param : more) params.Add(param.name, param.value);
  return params;
}

TEST(ParseInboundMessage, ReadsAText) {
  const FormParams params = Inbound({{"NumSegments", "2"}, {"Unknown", "kept"}});
  const auto message = ParseInboundMessage(params);
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->account_sid, kAccount);
  EXPECT_EQ(message->message_sid, kMessage);
  EXPECT_EQ(message->from, "+15005550010");
  EXPECT_EQ(message->to, "+15005550006");
  EXPECT_EQ(message->body, "  hi <b>there</b> ");
  EXPECT_EQ(message->segments, 2);
  EXPECT_TRUE(message->media.empty());
}

TEST(ParseInboundMessage, ReadsPicturesAndWhatsApp) {
  const FormParams params = Inbound({{"NumMedia", "2"},
                                     {"MediaUrl0", "https://api.twilio.com/a"},
                                     {"MediaContentType0", "image/jpeg"},
                                     {"MediaUrl1", "https://api.twilio.com/b"},
                                     {"ProfileName", "Ana"},
                                     {"OptOutType", "STOP"}});
  const auto message = ParseInboundMessage(params);
  ASSERT_TRUE(message.ok()) << message.status();
  ASSERT_EQ(message->media.size(), 2u);
  EXPECT_EQ(message->media[0].content_type, "image/jpeg");
  EXPECT_EQ(message->media[1].url, "https://api.twilio.com/b");
  EXPECT_EQ(message->media[1].content_type, "");
  EXPECT_EQ(message->profile_name, "Ana");
  EXPECT_EQ(message->opt_out_type, "STOP");
}

TEST(ParseInboundMessage, NamesWhatIsMissingOrWrong) {
  const std::string bad_sid = "XX" + std::string(32, '1');
  const std::string long_address = "+1" + std::string(300, '5');
  const struct {
    const char* label;
    FormParams params;
    const char* reason;
  } cases[] = {
      {"nothing", {}, "PARAM_MISSING"},
      {"no account",
       {{"MessageSid", kMessage}, {"From", "+15005550010"}, {"To", "+15005550006"}},
       "PARAM_MISSING"},
      {"no message",
       {{"AccountSid", kAccount}, {"From", "+1500"}, {"To", "+1500"}},
       "PARAM_MISSING"},
      {"no sender",
       {{"AccountSid", kAccount}, {"MessageSid", kMessage}, {"To", "+15005550006"}},
       "PARAM_MISSING"},
      {"no recipient",
       {{"AccountSid", kAccount}, {"MessageSid", kMessage}, {"From", "+15005550010"}},
       "PARAM_MISSING"},
      {"account of another shape",
       {{"AccountSid", bad_sid}, {"MessageSid", kMessage}, {"From", "a"}, {"To", "b"}},
       "PARAM_INVALID"},
      {"message of another shape",
       {{"AccountSid", kAccount}, {"MessageSid", "SM1"}, {"From", "a"}, {"To", "b"}},
       "PARAM_INVALID"},
      {"address too long",
       {{"AccountSid", kAccount}, {"MessageSid", kMessage}, {"From", long_address}, {"To", "b"}},
       "PARAM_INVALID"},
      {"media without address", Inbound({{"NumMedia", "1"}}), "PARAM_MISSING"},
      {"count that is none", Inbound({{"NumMedia", "many"}}), "PARAM_INVALID"},
      {"negative count", Inbound({{"NumMedia", "-1"}}), "PARAM_INVALID"},
      {"too many media", Inbound({{"NumMedia", "11"}}), "PARAM_INVALID"},
      {"service of another shape", Inbound({{"MessagingServiceSid", "MG1"}}), "PARAM_INVALID"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ErrorReason(ParseInboundMessage(c.params).status()), c.reason) << c.label;
  }
}

TEST(ParseStatusCallback, ReadsAFailure) {
  const FormParams params = {
      {"SmsSid", kMessage},     {"SmsStatus", "undelivered"}, {"MessageStatus", "undelivered"},
      {"To", "+15005550010"},   {"MessageSid", kMessage},     {"AccountSid", kAccount},
      {"From", "+15005550006"}, {"ErrorCode", "30003"},
  };
  const auto callback = ParseStatusCallback(params);
  ASSERT_TRUE(callback.ok()) << callback.status();
  EXPECT_EQ(callback->status, MessageStatus::kUndelivered);
  EXPECT_EQ(callback->message_sid, kMessage);
  EXPECT_EQ(callback->error_code, 30003);
  EXPECT_EQ(callback->from, "+15005550006");
}

TEST(ParseStatusCallback, NamesWhatIsMissingOrWrong) {
  const struct {
    const char* label;
    FormParams params;
    const char* reason;
  } cases[] = {
      {"no state", {{"AccountSid", kAccount}, {"MessageSid", kMessage}}, "PARAM_MISSING"},
      {"unknown state",
       {{"AccountSid", kAccount}, {"MessageSid", kMessage}, {"MessageStatus", "lost"}},
       "PARAM_INVALID"},
      {"no message", {{"AccountSid", kAccount}, {"MessageStatus", "sent"}}, "PARAM_MISSING"},
      {"code that is none",
       {{"AccountSid", kAccount},
        {"MessageSid", kMessage},
        {"MessageStatus", "failed"},
        {"ErrorCode", "3000x"}},
       "PARAM_INVALID"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ErrorReason(ParseStatusCallback(c.params).status()), c.reason) << c.label;
  }
}

}  // namespace
}  // namespace parley::twilio
