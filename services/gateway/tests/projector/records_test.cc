#include "projector/records.h"

#include <gtest/gtest.h>

#include <functional>

#include "libs/base/id.h"
#include "libs/base/status.h"

namespace parley::gateway::projector {
namespace {

using events::v1::InboundRecord;
using events::v1::ReplyRecord;

constexpr char kId[] = "00000000-0000-7000-8000-000000000001";
const Time kNow = FromMicros(1'800'000'000'000'000);

InboundRecord Whole() {
  InboundRecord record;
  record.set_account_sid("AC1");
  record.set_business_number("+15550000001");
  record.set_customer_number("+15005550006");
  record.set_medium(events::v1::MEDIUM_SMS);
  record.set_received_at_us(ToMicros(kNow));
  record.mutable_message()->set_message_sid("SM1");
  record.mutable_message()->set_body("Hello");
  return record;
}

TEST(ParseInbound, RefusesWhatCanNeverBeStored) {
  struct Case {
    const char* label;
    std::function<void(InboundRecord&)> spoil;
  };
  const Case cases[] = {
      {"no account", [](auto& r) { r.clear_account_sid(); }},
      {"no business number", [](auto& r) { r.clear_business_number(); }},
      {"no customer", [](auto& r) { r.clear_customer_number(); }},
      {"NUL in a number",
       [](auto& r) {
         r.set_customer_number(
             std::string("+1\0"
                         "5",
                         4));
       }},
      {"an endless number", [](auto& r) { r.set_business_number(std::string(300, '5')); }},
      {"no medium", [](auto& r) { r.clear_medium(); }},
      {"a medium of the future", [](auto& r) { r.set_medium(static_cast<events::v1::Medium>(9)); }},
      {"no event", [](auto& r) { r.clear_message(); }},
      {"no SID", [](auto& r) { r.mutable_message()->clear_message_sid(); }},
      {"NUL in the text", [](auto& r) { r.mutable_message()->set_body(std::string("a\0b", 3)); }},
      {"an endless text", [](auto& r) { r.mutable_message()->set_body(std::string(70'000, 'x')); }},
      {"a call without SID", [](auto& r) { r.mutable_call(); }},
  };
  for (const Case& c : cases) {
    InboundRecord record = Whole();
    c.spoil(record);
    const auto parsed = ParseInbound(record.SerializeAsString());
    EXPECT_EQ(ErrorReason(parsed.status()), "INVALID_RECORD") << c.label;
    EXPECT_FALSE(IsRetryable(parsed.status())) << c.label;
  }
  EXPECT_EQ(ErrorReason(ParseInbound("\xff\xff").status()), "UNPARSABLE");
  EXPECT_TRUE(ParseInbound(Whole().SerializeAsString()).ok());
}

TEST(ToNewMessage, OnlyFreshOrdinaryTextsStartATurn) {
  struct Case {
    const char* label;
    std::function<void(InboundRecord&)> change;
    bool want;
  };
  const Case cases[] = {
      {"a text", [](auto&) {}, true},
      {"STOP", [](auto& r) { r.mutable_message()->set_keyword(events::v1::KEYWORD_STOP); }, false},
      {"START", [](auto& r) { r.mutable_message()->set_keyword(events::v1::KEYWORD_START); },
       false},
      {"HELP", [](auto& r) { r.mutable_message()->set_keyword(events::v1::KEYWORD_HELP); }, false},
      {"a call", [](auto& r) { r.mutable_call()->set_call_sid("CA1"); }, false},
      {"15 minutes old",
       [](auto& r) { r.set_received_at_us(ToMicros(kNow - std::chrono::minutes(15))); }, true},
      {"older", [](auto& r) { r.set_received_at_us(ToMicros(kNow - std::chrono::seconds(901))); },
       false},
  };
  for (const Case& c : cases) {
    InboundRecord record = Whole();
    c.change(record);
    EXPECT_EQ(ToNewMessage(record, kNow, std::chrono::minutes(15)).may_start_turn, c.want)
        << c.label;
  }
}

TEST(ToNewMessage, TheIdFollowsFromAccountAndSid) {
  InboundRecord repeat = Whole();
  repeat.set_received_at_us(1);
  repeat.mutable_message()->set_body("changed");
  const auto id = [](const InboundRecord& record) {
    return ToNewMessage(record, kNow, std::chrono::minutes(15)).message_id;
  };
  EXPECT_EQ(id(Whole()), id(repeat));
  EXPECT_EQ(id(Whole()), DerivedId({"AC1", "SM1"}));
  repeat.set_account_sid("AC2");
  EXPECT_NE(id(Whole()), id(repeat));
}

TEST(ToNewMessage, AnAnswerThatCannotBeSentIsAFailure) {
  struct Case {
    const char* label;
    std::string body;
    bool failure;
  };
  std::string longest;
  for (int i = 0; i < 1600; ++i) longest += "ä";
  const Case cases[] = {{"short", "Yes.", false},
                        {"empty", "", true},
                        {"blank", " \n ", true},
                        {"the longest", longest, false},
                        {"longer", longest + "x", true}};
  for (const Case& c : cases) {
    ReplyRecord record;
    record.set_organization_id(kId);
    record.set_conversation_id(kId);
    record.set_turn_id(kId);
    record.mutable_text()->set_body(c.body);
    ASSERT_TRUE(ParseReply(record.SerializeAsString()).ok());
    EXPECT_EQ(!ToNewMessage(record, kNow).turn_failure.empty(), c.failure) << c.label;
  }
}

TEST(Parse, IdsOfTheOtherTopicsMustBeIds) {
  ReplyRecord reply;
  reply.set_organization_id(kId);
  reply.set_conversation_id("' OR 1=1");
  reply.set_turn_id(kId);
  reply.mutable_text()->set_body("x");
  EXPECT_FALSE(ParseReply(reply.SerializeAsString()).ok());

  events::v1::SendResult result;
  EXPECT_FALSE(ParseSendResult(result.SerializeAsString()).ok());
  result.mutable_outcome()->set_organization_id(kId);
  result.mutable_outcome()->set_message_id("x");
  result.mutable_outcome()->set_state(events::v1::SendOutcome::STATE_SENT);
  EXPECT_FALSE(ParseSendResult(result.SerializeAsString()).ok());
  result.mutable_outcome()->set_message_id(kId);
  EXPECT_TRUE(ParseSendResult(result.SerializeAsString()).ok());

  events::v1::ConsentRecord consent;
  consent.set_customer_number("+15005550006");
  consent.set_given_at_us(1);
  consent.set_keyword(events::v1::KEYWORD_HELP);
  EXPECT_FALSE(ParseConsent(consent.SerializeAsString()).ok());
  consent.set_keyword(events::v1::KEYWORD_STOP);
  EXPECT_TRUE(ParseConsent(consent.SerializeAsString()).ok());

  events::v1::DeliveryStatusRecord report;
  report.set_account_sid("AC1");
  report.set_message_sid("SM1");
  EXPECT_FALSE(ParseDeliveryStatus(report.SerializeAsString()).ok());
  report.set_status("delivered");
  EXPECT_TRUE(ParseDeliveryStatus(report.SerializeAsString()).ok());
}

events::v1::InboundRecord RecordingOf(const std::string& call_sid, const std::string& url) {
  events::v1::InboundRecord record;
  record.set_account_sid("AC1");
  record.mutable_recording()->set_call_sid(call_sid);
  record.mutable_recording()->set_url(url);
  return record;
}

TEST(ParseInbound, ARecordingNamesItsCallAlone) {
  EXPECT_TRUE(ParseInbound(RecordingOf("CA1", "").SerializeAsString()).ok());
  EXPECT_FALSE(ParseInbound(RecordingOf("", "").SerializeAsString()).ok());
  // An index could not hold it.
  EXPECT_FALSE(ParseInbound(RecordingOf("CA1", std::string(1025, 'x')).SerializeAsString()).ok());
}

TEST(ToCallReport, TakesWhatTheRecordKnows) {
  events::v1::InboundRecord call;
  call.set_account_sid("AC1");
  call.mutable_call()->set_call_sid("CA1");
  call.mutable_call()->set_status("no-answer");
  call.mutable_call()->set_duration_seconds(-1);
  EXPECT_EQ(ToCallReport(call, kNow).status, v1::Message::CALL_STATUS_NO_ANSWER);
  EXPECT_EQ(ToCallReport(call, kNow).seconds, 0);
  EXPECT_EQ(ToCallReport(RecordingOf("CA1", "https://x"), kNow).recording_url, "https://x");
}

TEST(ParametersJson, KeepsWhatHasNoColumn) {
  events::v1::InboundRecord record;
  for (const auto& [name, value] :
       {std::pair{"ToZip", "94105"}, std::pair{"MessageSid", "SM1"}, std::pair{"Body", "x"},
        std::pair{"MediaUrl0", "https://x"}, std::pair{"A", "1"}, std::pair{"A", "\"2\""}}) {
    auto* parameter = record.add_parameters();
    parameter->set_name(name);
    parameter->set_value(value);
  }
  EXPECT_EQ(ParametersJson(record), R"({"A":["1","\"2\""],"ToZip":"94105"})");
  EXPECT_EQ(ParametersJson({}), "{}");
}

}  // namespace
}  // namespace parley::gateway::projector
