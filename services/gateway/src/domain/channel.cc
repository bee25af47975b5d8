#include "domain/channel.h"

#include <algorithm>

#include "domain/validation.h"
#include "libs/base/status.h"

namespace parley::gateway {
namespace {

constexpr std::string_view kWhatsAppSandbox = "+14155238886";

absl::Status CheckMedia(const v1::Channel& channel) {
  std::set<int> seen;
  for (const int medium : channel.media()) {
    if (medium == v1::MEDIUM_UNSPECIFIED || !v1::Medium_IsValid(medium)) {
      return InvalidArgument("MEDIA_UNKNOWN",
                             "media lists MEDIUM_SMS, MEDIUM_WHATSAPP and MEDIUM_VOICE only.");
    }
    if (!seen.insert(medium).second) {
      return InvalidArgument("MEDIA_REPEATED", "media names a medium twice.");
    }
  }
  if (seen.empty()) {
    return InvalidArgument("MEDIA_MISSING", "media must name at least one medium.");
  }
  const bool needs_phone = seen.contains(v1::MEDIUM_SMS) || seen.contains(v1::MEDIUM_VOICE);
  if (needs_phone && channel.phone_number().empty()) {
    return InvalidArgument("NUMBER_MISSING", "SMS and voice need a phoneNumber.");
  }
  if (channel.phone_number().empty() && channel.whatsapp_number().empty()) {
    return InvalidArgument("NUMBER_MISSING", "WhatsApp needs a whatsappNumber or a phoneNumber.");
  }
  return absl::OkStatus();
}

absl::Status CheckAi(const v1::ChannelAi& ai) {
  if (!ai.provider().empty() && ai.provider() != "mock" && ai.provider() != "openai") {
    return InvalidArgument("UNKNOWN_PROVIDER", "ai.provider must be mock or openai.");
  }
  return FirstProblem(
      {CheckRange("ai.responseDelayMs", ai.response_delay_ms(), 0, kAiDelayMsMax),
       ai.base_url().empty() ? absl::OkStatus() : CheckUrl("ai.baseUrl", ai.base_url()),
       CheckText("ai.model", ai.model(), {0, kModelMax}),
       CheckText("ai.systemPrompt", ai.system_prompt(), {0, kPromptMax}),
       CheckText("ai.apiKey", ai.api_key(), {0, kAiKeyBytesMax})});
}

}  // namespace

void FillDefaults(v1::Channel& channel, const ChannelDefaults& defaults) {
  v1::ChannelAi& ai = *channel.mutable_ai();
  if (!ai.has_enabled()) ai.set_enabled(defaults.ai_enabled);
  if (!ai.has_response_delay_ms()) ai.set_response_delay_ms(defaults.ai_delay_ms);
  if (ai.provider().empty()) ai.set_provider(defaults.ai_provider);
}

absl::Status CheckChannel(const v1::Channel& channel) {
  PARLEY_RETURN_IF_ERROR(
      FirstProblem({CheckText("displayName", channel.display_name(), {1, kNameMax}),
                    CheckPhoneOrEmpty("phoneNumber", channel.phone_number()),
                    CheckPhoneOrEmpty("whatsappNumber", channel.whatsapp_number()),
                    CheckText("autoReply", channel.auto_reply(), {0, kTemplateMax}),
                    CheckText("voiceGreeting", channel.voice_greeting(), {0, kTemplateMax})}));
  PARLEY_RETURN_IF_ERROR(CheckMedia(channel));
  return CheckAi(channel.ai());
}

void CopyFields(const v1::Channel& from, const std::set<std::string>& paths, v1::Channel& to) {
  const auto named = [&](const char* path) { return paths.contains(path); };
  if (named("display_name")) to.set_display_name(from.display_name());
  if (named("phone_number")) to.set_phone_number(from.phone_number());
  if (named("whatsapp_number")) to.set_whatsapp_number(from.whatsapp_number());
  if (named("media")) *to.mutable_media() = from.media();
  if (named("account_sid")) to.set_account_sid(from.account_sid());
  if (named("auto_reply")) to.set_auto_reply(from.auto_reply());
  if (named("voice_greeting")) to.set_voice_greeting(from.voice_greeting());

  const v1::ChannelAi& ai = from.ai();
  v1::ChannelAi& target = *to.mutable_ai();
  if (named("ai.enabled")) {
    ai.has_enabled() ? target.set_enabled(ai.enabled()) : target.clear_enabled();
  }
  if (named("ai.response_delay_ms")) {
    ai.has_response_delay_ms() ? target.set_response_delay_ms(ai.response_delay_ms())
                               : target.clear_response_delay_ms();
  }
  if (named("ai.provider")) target.set_provider(ai.provider());
  if (named("ai.base_url")) target.set_base_url(ai.base_url());
  if (named("ai.model")) target.set_model(ai.model());
  if (named("ai.system_prompt")) target.set_system_prompt(ai.system_prompt());
  if (named("ai.api_key")) target.set_api_key(ai.api_key());
}

std::vector<std::string> NumbersOf(const v1::Channel& channel) {
  std::set<std::string> numbers{channel.phone_number(), channel.whatsapp_number()};
  numbers.erase("");
  numbers.erase(std::string(kWhatsAppSandbox));
  return {numbers.begin(), numbers.end()};
}

}  // namespace parley::gateway
