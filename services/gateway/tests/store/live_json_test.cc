#include "store/live_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libs/rpc/transcoder.h"
#include "parley/v1/live.pb.h"
#include "store/resources.h"

namespace parley::gateway::store {
namespace {

const Time kTime = FromMicros(1'800'000'000'123'456);

v1::Message WholeMessage() {
  v1::Message message;
  message.set_id("id");
  message.set_conversation_id("conversation");
  message.set_channel_id("channel");
  message.set_seq(9'007'199'254'740'993);  // More than a double holds.
  message.set_direction(v1::Message::DIRECTION_OUTBOUND);
  message.set_author(v1::Message::AUTHOR_AI);
  message.set_kind(v1::Message::KIND_MMS);
  message.set_medium(v1::MEDIUM_WHATSAPP);
  message.set_body("quotes \" and \\ and \n\t\x01 and <b> & grüße \xF0\x9F\x99\x82");
  for (const char* url : {"https://example.com/a", "https://example.com/b"}) {
    v1::MessageMedia& media = *message.add_media();
    media.set_url(url);
    media.set_content_type("image/jpeg");
  }
  message.set_status(v1::Message::STATUS_UNDELIVERED);
  *message.mutable_status_time() = ToTimestamp(kTime);
  message.set_error_code(30003);
  message.set_error_message("Off.");
  message.set_simulated(true);
  message.set_from("+15550000001");
  message.set_to("+15005550006");
  message.set_message_sid("SM1");
  message.set_call_sid("CA1");
  *message.mutable_create_time() = ToTimestamp(kTime);
  message.set_late(true);
  message.set_segments(2);
  message.set_recovered(true);
  message.set_call_status(v1::Message::CALL_STATUS_NO_ANSWER);
  message.set_call_seconds(61);
  message.set_price("-0.00750");
  message.set_price_unit("USD");
  *message.mutable_erase_time() = ToTimestamp(kTime);
  for (const char* name : {"FromCity", "AddOns"}) {
    v1::MessageParameter& parameter = *message.add_parameters();
    parameter.set_name(name);
    parameter.set_value("a \"value\"");
  }
  v1::Unconfirmed& unconfirmed = *message.mutable_unconfirmed();
  unconfirmed.set_verdict(v1::Unconfirmed::VERDICT_PROBABLY_NOT_SENT);
  for (const char* text : {"Twilio's \"list\" did not show it.", "Again."}) {
    v1::UnconfirmedFinding& finding = *unconfirmed.add_findings();
    finding.set_text(text);
    *finding.mutable_time() = ToTimestamp(kTime);
  }
  *unconfirmed.mutable_next_look_time() = ToTimestamp(kTime);
  *message.mutable_send_time() = ToTimestamp(kTime);
  message.set_copies(2);
  return message;
}

v1::Conversation WholeConversation() {
  v1::Conversation conversation;
  conversation.set_id("id");
  conversation.set_channel_id("channel");
  conversation.set_contact_id("contact");
  conversation.set_title("Ada");
  conversation.set_customer_number("+15005550006");
  conversation.set_medium(v1::MEDIUM_SMS);
  conversation.set_message_count(7);
  conversation.set_unread_count(3);
  *conversation.mutable_last_message() = WholeMessage();
  *conversation.mutable_update_time() = ToTimestamp(kTime);
  conversation.set_ai_enabled(false);
  conversation.set_ai_state(v1::Conversation::AI_STATE_TAKEN_OVER);
  conversation.set_opted_out(true);
  *conversation.mutable_whatsapp_window_time() = ToTimestamp(kTime);
  *conversation.mutable_create_time() = ToTimestamp(kTime);
  conversation.set_ai_error("No answer.");
  return conversation;
}

// A fully filled resource has every field of its type, so a new one that this writer does not know
// fails here.
template <class Resource>
void ExpectFilled(const Resource& resource) {
  const auto* descriptor = Resource::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    const bool set = field->is_repeated() ? resource.GetReflection()->FieldSize(resource, field) > 0
                                          : resource.GetReflection()->HasField(resource, field);
    EXPECT_TRUE(set || field->name() == "ai_enabled") << field->full_name();
  }
}

// What the API would answer, but for the number of digits of a time.
template <class Resource>
void ExpectLikeTheApi(const char* name, const Resource& resource) {
  const nlohmann::json live = nlohmann::json::parse(LiveData(resource));
  const nlohmann::json api = nlohmann::json::parse(rpc::ToJson(resource));
  EXPECT_EQ(live.at(name), api) << live.at(name).dump(2) << api.dump(2);
  v1::LiveEvent event;
  EXPECT_TRUE(rpc::FromJson(NumberedLiveEvent(7, kTime, LiveData(resource)), event).ok());
  EXPECT_EQ(event.number(), 7);
  EXPECT_EQ(event.time().nanos(), 123'456'000);
}

TEST(LiveData, IsWhatTheApiAnswers) {
  ExpectFilled(WholeMessage());
  ExpectFilled(WholeConversation());
  ExpectLikeTheApi("message", WholeMessage());
  ExpectLikeTheApi("message", v1::Message());
  ExpectLikeTheApi("conversation", WholeConversation());
  ExpectLikeTheApi("conversation", v1::Conversation());
}

TEST(EraseFromLiveLines, TakesOneMessagesTextAndNothingElse) {
  v1::Message other = WholeMessage();
  other.set_id("other");
  v1::Conversation conversation = WholeConversation();
  *conversation.mutable_last_message() = WholeMessage();
  std::string lines;
  AppendLiveLine(lines, "message", LiveData(WholeMessage()));
  AppendLiveLine(lines, "message", LiveData(other));
  AppendLiveLine(lines, "conversation", LiveData(conversation));
  AppendLiveLine(lines, "message", "{\"id\" no JSON");
  const std::string erased = EraseFromLiveLines(lines, "id");
  v1::Message wanted = WholeMessage();
  wanted.clear_body();
  wanted.clear_media();
  wanted.clear_parameters();
  *conversation.mutable_last_message() = wanted;
  std::string expected;
  AppendLiveLine(expected, "message", LiveData(wanted));
  AppendLiveLine(expected, "message", LiveData(other));
  AppendLiveLine(expected, "conversation", LiveData(conversation));
  AppendLiveLine(expected, "message", "{\"id\" no JSON");
  EXPECT_EQ(erased, expected);
}

}  // namespace
}  // namespace parley::gateway::store
