#include "libs/twilio/number.h"

#include <gtest/gtest.h>

namespace parley::twilio {
namespace {

TEST(ParseAddress, TellsChannelAndKind) {
  const struct {
    std::string_view text;
    Channel channel;
    AddressKind kind;
    std::string_view value;
  } cases[] = {
      {"+15005550006", Channel::kSms, AddressKind::kE164, "+15005550006"},
      {"whatsapp:+15005550006", Channel::kWhatsApp, AddressKind::kE164, "+15005550006"},
      {"rcs:+15005550006", Channel::kRcs, AddressKind::kE164, "+15005550006"},
      {"rcs:agent_1", Channel::kRcs, AddressKind::kOther, "agent_1"},
      {"messenger:12345", Channel::kMessenger, AddressKind::kOther, "12345"},
      {"12345", Channel::kSms, AddressKind::kShortCode, "12345"},
      {"MyCompany", Channel::kSms, AddressKind::kAlphanumeric, "MyCompany"},
      {"24 Hours", Channel::kSms, AddressKind::kAlphanumeric, "24 Hours"},
  };
  for (const auto& c : cases) {
    const auto address = ParseAddress(c.text);
    ASSERT_TRUE(address.ok()) << c.text;
    EXPECT_EQ(address->channel, c.channel) << c.text;
    EXPECT_EQ(address->kind, c.kind) << c.text;
    EXPECT_EQ(address->value, c.value) << c.text;
  }
}

TEST(ParseAddress, RefusesTheRest) {
  for (const char* text : {"", "+", "+0123456", "15005550006123", "whatsapp:12345", "whatsapp:",
                           "whatsapp:Name", "TwelveLetter", "café", "rcs:", "+15x", "12"}) {
    EXPECT_FALSE(ParseAddress(text).ok()) << text;
  }
}

TEST(GuessNumberType, GoesByShape) {
  const struct {
    std::string address;
    NumberType want;
  } cases[] = {
      {"+15005550006", NumberType::kLongCode},
      {"+18005551212", NumberType::kTollFree},
      {"+1" + std::string("8885550006"), NumberType::kTollFree},
      {"+1" + std::string("8335550006"), NumberType::kTollFree},
      {"+1" + std::string("8115550006"), NumberType::kLongCode},
      {"+18005551212" + std::string("1"), NumberType::kLongCode},
      {"12345", NumberType::kShortCode},
      {"whatsapp:+18005551212", NumberType::kWhatsApp},
      {"MyCompany", NumberType::kAlphanumeric},
  };
  for (const auto& c : cases) EXPECT_EQ(GuessNumberType(c.address), c.want) << c.address;
}

}  // namespace
}  // namespace parley::twilio
