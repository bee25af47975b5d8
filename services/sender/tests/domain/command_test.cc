#include "domain/command.h"

#include <gtest/gtest.h>

#include "libs/base/id.h"
#include "libs/base/status.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using events::v1::Send;

const std::string kOrganization = "0190d1c0-0000-7000-8000-000000000001";
const Time kNow = FromMicros(1'800'000'000'000'000);

Send Valid() {
  Send send;
  send.set_message_id("0190D1C0-0000-7000-8000-0000000000AB");
  send.set_account_sid("AC" + std::string(32, '1'));
  send.set_sender_number("+15005550006");
  send.set_customer_number("+15550100001");
  send.set_medium(events::v1::MEDIUM_SMS);
  send.set_body("hello");
  send.set_priority(events::v1::PRIORITY_INTERACTIVE);
  send.set_created_at_us(ToMicros(kNow));
  send.set_not_after_us(ToMicros(kNow + 1h));
  return send;
}

TEST(ParseSend, TakesAValidCommand) {
  Send send = Valid();
  send.set_body(std::string(161, 'a'));
  const auto delivery = ParseSend(kOrganization, send, kNow);
  ASSERT_TRUE(delivery.ok()) << delivery.status();
  EXPECT_EQ(delivery->key.message_id, "0190d1c0-0000-7000-8000-0000000000ab") << "lower case";
  EXPECT_EQ(delivery->segments, 2);
  EXPECT_FALSE(delivery->whatsapp_window_until.has_value());
  send.set_medium(events::v1::MEDIUM_WHATSAPP);
  EXPECT_EQ(ParseSend(kOrganization, send, kNow)->segments, 1) << "WhatsApp counts messages";
  send.set_sender_number("55501");
  EXPECT_FALSE(ParseSend(kOrganization, send, kNow).ok()) << "WhatsApp has no short codes";
}

TEST(ParseSend, RefusesWhatCannotBeSent) {
  const struct {
    const char* label;
    void (*change)(Send&);
  } cases[] = {
      {"message id is none", [](Send& s) { s.set_message_id("1"); }},
      {"negative generation", [](Send& s) { s.set_generation(-1); }},
      {"conversation id is none", [](Send& s) { s.set_conversation_id("x"); }},
      {"campaign id is none", [](Send& s) { s.set_campaign_id("x"); }},
      {"account is none", [](Send& s) { s.set_account_sid("AC1"); }},
      {"Messaging Service is none", [](Send& s) { s.set_messaging_service_sid("MG1"); }},
      {"template is none", [](Send& s) { s.set_content_sid("HX1"); }},
      {"no sender", [](Send& s) { s.clear_sender_number(); }},
      {"sender with prefix", [](Send& s) { s.set_sender_number("whatsapp:+15005550006"); }},
      {"customer is no number", [](Send& s) { s.set_customer_number("5550100001"); }},
      {"no medium", [](Send& s) { s.clear_medium(); }},
      {"voice", [](Send& s) { s.set_medium(events::v1::MEDIUM_VOICE); }},
      {"nothing to say", [](Send& s) { s.clear_body(); }},
      {"NUL in the body", [](Send& s) { s.set_body(std::string("a\0b", 3)); }},
      {"body too long", [](Send& s) { s.set_body(std::string(1601, 'a')); }},
      {"eleven media",
       [](Send& s) {
         for (int i = 0; i < 11; ++i) s.add_media_urls("http://127.0.0.1/1.png");
       }},
      {"empty media URL", [](Send& s) { s.add_media_urls(""); }},
      {"variables too long", [](Send& s) { s.set_content_variables(std::string(20'000, '1')); }},
      {"no not_after", [](Send& s) { s.clear_not_after_us(); }},
      {"not_after too far", [](Send& s) { s.set_not_after_us(ToMicros(kNow + 25h)); }},
      {"not_before behind not_after", [](Send& s) { s.set_not_before_us(s.not_after_us() + 1); }},
      {"time out of range", [](Send& s) { s.set_created_at_us(INT64_MAX); }},
      {"no priority", [](Send& s) { s.clear_priority(); }},
  };
  for (const auto& c : cases) {
    Send send = Valid();
    c.change(send);
    const auto delivery = ParseSend(kOrganization, send, kNow);
    EXPECT_TRUE(absl::IsInvalidArgument(delivery.status())) << c.label;
    EXPECT_FALSE(IsRetryable(delivery.status())) << c.label;
  }
  EXPECT_FALSE(ParseSend("", Valid(), kNow).ok()) << "no organization";
}

TEST(ParseSend, TakesALateCommand) {
  // It waited in Kafka: it expires with a result, and is no dead letter.
  EXPECT_TRUE(ParseSend(kOrganization, Valid(), kNow - 1h).ok());
  Send send = Valid();
  send.set_not_after_us(ToMicros(kNow - 5h));
  EXPECT_TRUE(ParseSend(kOrganization, send, kNow).ok());
}

}  // namespace
}  // namespace parley::sender
