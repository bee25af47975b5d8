#include "libs/twilio/resource.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::twilio {
namespace {

const std::string kSid = "SM" + std::string(32, 'a');

TEST(ParseMessage, ReadsWhatTwilioAnswers) {
  const auto message = ParseMessage(
      R"({"body":"hi","num_segments":"2","direction":"outbound-api","from":"+15005550006",)"
      R"("date_updated":null,"price":"-0.00750","error_message":null,"uri":"/x","num_media":"1",)"
      R"("to":"+15005550010","date_created":"Thu, 24 Aug 2023 05:01:45 +0000","status":"sent",)"
      R"("sid":")" +
      kSid +
      R"(","date_sent":null,"messaging_service_sid":null,"error_code":30003,"price_unit":"USD"})");
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->sid, kSid);
  EXPECT_EQ(message->status, MessageStatus::kSent);
  EXPECT_EQ(message->segments, 2);
  EXPECT_EQ(message->media, 1);
  EXPECT_EQ(message->price, "-0.00750");
  EXPECT_EQ(message->error_code, 30003);
  EXPECT_EQ(message->messaging_service_sid, "");
  ASSERT_TRUE(message->created.has_value());
  EXPECT_EQ(FormatTime(*message->created), FormatTime(*ParseTime("2023-08-24T05:01:45Z")));
  EXPECT_FALSE(message->sent.has_value());
}

TEST(ParseMessage, RefusesWhatDoesNotIdentifyAMessage) {
  for (const char* json : {"", "null", "[]", "{", "{}", R"({"sid":"SM1","status":"queued"})",
                           R"({"sid":"SM1","status":"gone"})", R"({"sid":12})"}) {
    EXPECT_EQ(ErrorReason(ParseMessage(json).status()), "TWILIO_ANSWER_UNREADABLE") << json;
  }
}

TEST(ParseMessage, AStateThatIsNewAtTwilioIsNoFault) {
  const auto message = ParseMessage(R"({"sid":")" + kSid + R"(","status":"pondering"})");
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->status, MessageStatus::kQueued);
}

TEST(ParseCreatedMessage, ReadsWhatCounts) {
  const auto created = ParseCreatedMessage(
      R"({"subresource_uris":{"media":"/x","sid":"inner","status":"sent"},"media":[{"sid":"m"}],)"
      R"("num_segments":"2","status":"accepted","error_code":30007,"price":null,"sid":")" +
      kSid + R"("})");
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->sid, kSid);
  EXPECT_EQ(created->status, MessageStatus::kAccepted);
  EXPECT_EQ(created->segments, 2);
  EXPECT_EQ(created->error_code, 30007);
  const auto strange = ParseCreatedMessage(R"({"status":"pondering","num_segments":3,"sid":")" +
                                           kSid + R"(","error_code":null})");
  ASSERT_TRUE(strange.ok()) << strange.status();
  EXPECT_EQ(strange->sid, kSid) << "Twilio has it, whatever its state is called";
  EXPECT_EQ(strange->segments, 3);
  EXPECT_FALSE(strange->error_code.has_value());
}

TEST(ParseCreatedMessage, RefusesWhatNamesNoMessage) {
  for (const std::string& json :
       {std::string(), std::string("null"), std::string("{}"), std::string(R"({"sid":12})"),
        R"({"sid":")" + kSid + R"("})" + "x", R"({"sid":")" + kSid,
        R"([{"sid":")" + kSid + R"("}])", R"({"inner":{"sid":")" + kSid + R"("}})"}) {
    EXPECT_EQ(ErrorReason(ParseCreatedMessage(json).status()), "TWILIO_ANSWER_UNREADABLE") << json;
  }
}

TEST(ParseMessagePage, ReadsTheListAndTheNextPage) {
  const auto page = ParseMessagePage(R"({"messages":[{"sid":")" + kSid +
                                     R"(","status":"delivered"}],"next_page_uri":"/next"})");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->messages.size(), 1u);
  EXPECT_EQ(page->next_page_uri, "/next");
  const auto last = ParseMessagePage(R"({"messages":[],"next_page_uri":null})");
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->next_page_uri, "");
  EXPECT_FALSE(ParseMessagePage(R"({"messages":[1]})").ok());
  EXPECT_FALSE(ParseMessagePage(R"({"messages":{}})").ok());
}

TEST(ParsePhoneNumberPage, ReadsCapabilities) {
  const auto page = ParsePhoneNumberPage(
      R"({"incoming_phone_numbers":[{"sid":"PN1","phone_number":"+15005550006",)"
      R"("capabilities":{"voice":true,"sms":true,"mms":false},"sms_url":"http://h/x"}]})");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->numbers.size(), 1u);
  EXPECT_TRUE(page->numbers[0].sms);
  EXPECT_FALSE(page->numbers[0].mms);
  EXPECT_TRUE(page->numbers[0].voice);
  EXPECT_EQ(page->numbers[0].sms_url, "http://h/x");
}

TEST(ParseErrorBody, IsZeroForWhatIsNotTwilios) {
  const ErrorBody body = ParseErrorBody(R"({"code":21211,"message":"bad","status":400})");
  EXPECT_EQ(body.code, 21211);
  EXPECT_EQ(body.message, "bad");
  EXPECT_EQ(ParseErrorBody("<html>").code, 0);
  EXPECT_EQ(ParseErrorBody("[]").code, 0);
}

}  // namespace
}  // namespace parley::twilio
