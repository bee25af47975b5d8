#include "compat/mapping.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::gateway::compat {
namespace {

using nlohmann::json;

v1::Message Sent() {
  v1::Message message;
  message.set_id("m");
  message.set_conversation_id("s");
  message.set_channel_id("c");
  message.set_direction(v1::Message::DIRECTION_OUTBOUND);
  message.set_author(v1::Message::AUTHOR_AI);
  message.set_kind(v1::Message::KIND_MMS);
  message.set_medium(v1::MEDIUM_WHATSAPP);
  message.set_body("hello");
  message.set_status(v1::Message::STATUS_DELIVERED);
  message.set_from("+15550001000");
  message.set_to("+15550002000");
  message.set_message_sid("SM1");
  message.mutable_create_time()->set_seconds(1'700'000'000);
  message.mutable_create_time()->set_nanos(5'000);
  v1::MessageMedia& media = *message.add_media();
  media.set_url("https://example.com/a.png");
  media.set_content_type("image/png");
  return message;
}

TEST(ToJson, WritesEveryFieldOfAMessage) {
  const json want = {
      {"_id", "m"},
      {"session_id", "s"},
      {"channel_id", "c"},
      {"content", "hello"},
      {"sender", "contact"},
      {"type", "mms"},
      {"communication_type", "whatsapp"},
      {"status", "delivered"},
      {"created_at", "2023-11-14T22:13:20.000005Z"},
      {"createdAt", "2023-11-14T22:13:20.000005Z"},
      {"media", {{{"url", "https://example.com/a.png"}, {"content_type", "image/png"}}}},
      {"metadata",
       {{"fromNumber", "+15550001000"},
        {"toNumber", "+15550002000"},
        {"direction", "outgoing"},
        {"simulated", false},
        {"ai", true},
        {"twilioMessageSid", "SM1"},
        {"twilioCallSid", ""},
        {"sentViaTwilio", true},
        {"sentViaTwitter", true}}}};
  EXPECT_EQ(ToJson(Sent()), want);
}

TEST(ToJson, OnlyASimulatedIncomingMessageIsTheUsers) {
  const struct {
    const char* label;
    v1::Message::Direction direction;
    bool simulated;
    std::string sender;
    std::string written_direction;
  } cases[] = {
      {"simulated incoming", v1::Message::DIRECTION_INBOUND, true, "user", "incoming"},
      {"real incoming", v1::Message::DIRECTION_INBOUND, false, "contact", "incoming"},
      {"outgoing", v1::Message::DIRECTION_OUTBOUND, false, "contact", "outgoing"},
      {"outgoing, kept only", v1::Message::DIRECTION_OUTBOUND, true, "contact", "outgoing"},
  };
  for (const auto& c : cases) {
    v1::Message message = Sent();
    message.set_direction(c.direction);
    message.set_simulated(c.simulated);
    const json written = ToJson(message);
    EXPECT_EQ(written["sender"], c.sender) << c.label;
    EXPECT_EQ(written["metadata"]["direction"], c.written_direction) << c.label;
  }
}

TEST(ToJson, SentViaTwilioNeedsASidOfAnOutgoingMessage) {
  v1::Message message = Sent();
  message.clear_message_sid();
  EXPECT_EQ(ToJson(message)["metadata"]["sentViaTwilio"], false);
  message = Sent();
  message.set_direction(v1::Message::DIRECTION_INBOUND);
  EXPECT_EQ(ToJson(message)["metadata"]["sentViaTwilio"], false);
}

TEST(ToJson, WritesChannelsAndSessions) {
  v1::Channel channel;
  channel.set_id("c");
  channel.set_display_name("Shop");
  channel.set_phone_number("+15550001000");
  channel.add_media(v1::MEDIUM_SMS);
  channel.add_media(v1::MEDIUM_VOICE);
  channel.set_state(v1::Channel::STATE_ACTIVE);
  EXPECT_EQ(ToJson(channel), (json{{"id", "c"},
                                   {"_id", "c"},
                                   {"name", "Shop"},
                                   {"phone_number", "+15550001000"},
                                   {"whatsapp_number", ""},
                                   {"communication_types", {"sms", "voice"}},
                                   {"status", "active"}}));

  v1::Conversation conversation;
  conversation.set_id("s");
  conversation.set_channel_id("c");
  conversation.set_medium(v1::MEDIUM_SMS);
  conversation.set_title("Ann");
  conversation.set_message_count(3);
  conversation.mutable_update_time()->set_seconds(1'700'000'000);
  EXPECT_EQ(ToJson(conversation), (json{{"_id", "s"},
                                        {"channel_id", "c"},
                                        {"communication_type", "sms"},
                                        {"title", "SMS from Ann"},
                                        {"status", "active"},
                                        {"message_count", 3},
                                        {"last_message_at", "2023-11-14T22:13:20.000000Z"}}));
}

TEST(ReadPostedMessage, HasDefaults) {
  const auto posted = ReadPostedMessage(R"({"channel_id": "c", "content": "hi", "sender": null})");
  ASSERT_TRUE(posted.ok()) << posted.status();
  EXPECT_EQ(posted->channel_id, "c");
  EXPECT_EQ(posted->content, "hi");
  EXPECT_TRUE(posted->from_customer);
  EXPECT_EQ(posted->medium, v1::MEDIUM_SMS);
  EXPECT_EQ(posted->user_phone_number, "");
}

TEST(ReadPostedMessage, ReadsEveryField) {
  const auto posted = ReadPostedMessage(
      R"({"twilio_number": "+15550001000", "content": "hi", "sender": "contact",
          "communication_type": "whatsapp", "user_phone_number": "+15550002000", "other": 1})");
  ASSERT_TRUE(posted.ok()) << posted.status();
  EXPECT_EQ(posted->twilio_number, "+15550001000");
  EXPECT_FALSE(posted->from_customer);
  EXPECT_EQ(posted->medium, v1::MEDIUM_WHATSAPP);
  EXPECT_EQ(posted->user_phone_number, "+15550002000");
}

TEST(ReadPostedMessage, NamesWhatIsWrong) {
  const struct {
    std::string body;
    std::string want;
  } cases[] = {
      {"", "INVALID_JSON"},
      {"{", "INVALID_JSON"},
      {"[]", "INVALID_JSON"},
      {"\"text\"", "INVALID_JSON"},
      {"{\"channel_id\": \"\xFF\"}", "INVALID_JSON"},
      {R"({"content": "hi"})", "CHANNEL_MISSING"},
      {R"({"channel_id": 7, "content": "hi"})", "INVALID_FIELD"},
      {R"({"channel_id": "c", "content": ["hi"]})", "INVALID_FIELD"},
      {R"({"channel_id": "c", "content": "hi", "sender": "admin"})", "INVALID_FIELD"},
      {R"({"channel_id": "c", "content": "hi", "communication_type": "fax"})", "INVALID_FIELD"},
      {R"({"channel_id": "c", "content": "hi", "communication_type": "voice"})", "INVALID_FIELD"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ErrorReason(ReadPostedMessage(c.body).status()), c.want) << c.body;
  }
}

TEST(ReadChannel, NamesTheFieldsThatTheBodyHas) {
  const auto request = ReadChannel(R"({"name": "Shop", "communication_types": ["sms", "voice"]})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->channel().display_name(), "Shop");
  ASSERT_EQ(request->channel().media_size(), 2);
  EXPECT_EQ(request->channel().media(1), v1::MEDIUM_VOICE);
  ASSERT_EQ(request->update_mask().paths_size(), 2);
  EXPECT_EQ(request->update_mask().paths(0), "display_name");
  EXPECT_EQ(request->update_mask().paths(1), "media");
  EXPECT_EQ(ErrorReason(ReadChannel(R"({"communication_types": "sms"})").status()),
            "INVALID_FIELD");
  EXPECT_EQ(ErrorReason(ReadChannel(R"({"communication_types": [1]})").status()), "INVALID_FIELD");
  EXPECT_EQ(ErrorReason(ReadChannel(R"({"name": {}})").status()), "INVALID_FIELD");
}

TEST(ErrorJson, HasTheOldShape) {
  EXPECT_EQ(ErrorJson(NotFound("CHANNEL_NOT_FOUND", "There is none.")),
            (json{{"success", false},
                  {"error", {{"code", "CHANNEL_NOT_FOUND"}, {"message", "There is none."}}}}));
}

}  // namespace
}  // namespace parley::gateway::compat
