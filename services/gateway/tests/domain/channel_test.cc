#include "domain/channel.h"

#include <gtest/gtest.h>

#include <functional>

#include "libs/base/status.h"

namespace parley::gateway {
namespace {

v1::Channel Good() {
  v1::Channel channel;
  channel.set_display_name("Shop");
  channel.set_phone_number("+15550001000");
  channel.add_media(v1::MEDIUM_SMS);
  return channel;
}

TEST(CheckChannel, NamesWhatIsWrong) {
  const struct {
    const char* label;
    std::function<void(v1::Channel&)> change;
    std::string want;
  } cases[] = {
      {"good", [](v1::Channel&) {}, ""},
      {"no name", [](v1::Channel& c) { c.clear_display_name(); }, "FIELD_REQUIRED"},
      {"long name", [](v1::Channel& c) { c.set_display_name(std::string(201, 'a')); },
       "TEXT_TOO_LONG"},
      {"no number", [](v1::Channel& c) { c.set_phone_number("5551000"); }, "INVALID_PHONE_NUMBER"},
      {"no media", [](v1::Channel& c) { c.clear_media(); }, "MEDIA_MISSING"},
      {"a medium twice", [](v1::Channel& c) { c.add_media(v1::MEDIUM_SMS); }, "MEDIA_REPEATED"},
      {"an unknown medium", [](v1::Channel& c) { c.add_media(v1::MEDIUM_UNSPECIFIED); },
       "MEDIA_UNKNOWN"},
      {"SMS without a phone number",
       [](v1::Channel& c) {
         c.clear_phone_number();
         c.set_whatsapp_number("+15550001000");
       },
       "NUMBER_MISSING"},
      {"WhatsApp alone",
       [](v1::Channel& c) {
         c.clear_phone_number();
         c.set_whatsapp_number("+15550001000");
         c.clear_media();
         c.add_media(v1::MEDIUM_WHATSAPP);
       },
       ""},
      {"unknown provider", [](v1::Channel& c) { c.mutable_ai()->set_provider("oracle"); },
       "UNKNOWN_PROVIDER"},
      {"negative delay", [](v1::Channel& c) { c.mutable_ai()->set_response_delay_ms(-1); },
       "VALUE_OUT_OF_RANGE"},
      {"delay of more than ten minutes",
       [](v1::Channel& c) { c.mutable_ai()->set_response_delay_ms(600'001); },
       "VALUE_OUT_OF_RANGE"},
      {"endpoint that is no address",
       [](v1::Channel& c) { c.mutable_ai()->set_base_url("localhost"); }, "INVALID_URL"},
      {"long prompt",
       [](v1::Channel& c) { c.mutable_ai()->set_system_prompt(std::string(20'001, 'a')); },
       "TEXT_TOO_LONG"},
  };
  for (const auto& c : cases) {
    v1::Channel channel = Good();
    c.change(channel);
    const absl::Status status = CheckChannel(channel);
    EXPECT_EQ(status.ok() ? "" : ErrorReason(status), c.want) << c.label;
  }
}

TEST(FillDefaults, FillsOnlyWhatWasNotSaid) {
  v1::Channel channel = Good();
  FillDefaults(channel, {.ai_enabled = true, .ai_delay_ms = 2'000, .ai_provider = "mock"});
  EXPECT_TRUE(channel.ai().enabled());
  EXPECT_EQ(channel.ai().response_delay_ms(), 2'000);
  EXPECT_EQ(channel.ai().provider(), "mock");

  v1::Channel said = Good();
  said.mutable_ai()->set_enabled(false);
  said.mutable_ai()->set_response_delay_ms(0);
  said.mutable_ai()->set_provider("openai");
  FillDefaults(said, {.ai_enabled = true, .ai_delay_ms = 2'000, .ai_provider = "mock"});
  EXPECT_FALSE(said.ai().enabled());
  EXPECT_EQ(said.ai().response_delay_ms(), 0);
  EXPECT_EQ(said.ai().provider(), "openai");
}

TEST(CopyFields, CopiesWhatIsNamedAndNothingElse) {
  v1::Channel from;
  from.set_display_name("New");
  from.set_auto_reply("Thanks");
  from.mutable_ai()->set_model("big");
  v1::Channel to = Good();
  to.mutable_ai()->set_enabled(true);
  CopyFields(from, {"display_name", "ai.model", "ai.enabled"}, to);
  EXPECT_EQ(to.display_name(), "New");
  EXPECT_EQ(to.auto_reply(), "");
  EXPECT_EQ(to.phone_number(), "+15550001000");
  EXPECT_EQ(to.ai().model(), "big");
  EXPECT_FALSE(to.ai().has_enabled()) << "named without a value: back to the default";
}

TEST(NumbersOf, AreEachOnceAndNeverTheSandbox) {
  v1::Channel channel = Good();
  channel.set_whatsapp_number("+15550001000");
  EXPECT_EQ(NumbersOf(channel), std::vector<std::string>{"+15550001000"});
  channel.set_whatsapp_number("+14155238886");
  EXPECT_EQ(NumbersOf(channel), std::vector<std::string>{"+15550001000"});
  channel.set_whatsapp_number("+15550001001");
  EXPECT_EQ(NumbersOf(channel), (std::vector<std::string>{"+15550001000", "+15550001001"}));
}

}  // namespace
}  // namespace parley::gateway
