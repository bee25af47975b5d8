#include "domain/channel.h"

#include <algorithm>

#include "domain/validation.h"
#include "libs/base/status.h"
#include "libs/twilio/number.h"

namespace parley::gateway {
namespace {

constexpr int kIntervalsMax = 21;
constexpr int kMinutesOfDay = 24 * 60;
constexpr int kVoicemailSecondsDefault = 120;
constexpr int kVoicemailSecondsMax = 600;
constexpr std::size_t kVoiceNameMax = 64;

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

absl::Status CheckOfficeHours(const v1::OfficeHours& hours) {
  const auto wrong = [](std::string_view what) {
    return InvalidArgument("INVALID_OFFICE_HOURS", "officeHours.intervals " + std::string(what));
  };
  PARLEY_RETURN_IF_ERROR(CheckText("officeHours.timeZone", hours.time_zone(), {0, kNameMax}));
  if (hours.intervals_size() > kIntervalsMax) return wrong("has more than 21 entries.");
  std::vector<std::pair<int, int>> minutes;  // Of the week.
  for (const v1::OfficeHours::Interval& one : hours.intervals()) {
    if (one.weekday() < 1 || one.weekday() > 7) return wrong("has a weekday that is not 1 to 7.");
    if (one.from_minute() < 0 || one.to_minute() > kMinutesOfDay ||
        one.from_minute() >= one.to_minute()) {
      return wrong("must begin before they end, within 0 to 1440 minutes of a day.");
    }
    const int day = (one.weekday() - 1) * kMinutesOfDay;
    minutes.emplace_back(day + one.from_minute(), day + one.to_minute());
  }
  std::sort(minutes.begin(), minutes.end());
  for (std::size_t i = 1; i < minutes.size(); ++i) {
    if (minutes[i].first < minutes[i - 1].second) return wrong("overlap.");
  }
  return absl::OkStatus();
}

bool IsWord(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
  });
}

absl::Status CheckVoice(const v1::Channel& channel) {
  const v1::ChannelVoice& voice = channel.voice();
  const auto wrong = [](std::string_view what) {
    return InvalidArgument("INVALID_VOICE", "voice." + std::string(what));
  };
  PARLEY_RETURN_IF_ERROR(
      FirstProblem({CheckText("voiceGreeting", channel.voice_greeting(), {0, kGreetingMax}),
                    CheckText("voice.language", voice.language(), {0, kVoiceNameMax}),
                    CheckText("voice.voiceName", voice.voice_name(), {0, kVoiceNameMax}),
                    CheckPhoneOrEmpty("voice.forwardNumber", voice.forward_number()),
                    CheckRange("voice.voicemailSecondsMax", voice.voicemail_seconds_max(), 0,
                               kVoicemailSecondsMax)}));
  if (!IsWord(voice.language())) return wrong("language must be like en-US.");
  if (!IsWord(voice.voice_name())) return wrong("voiceName must be like Polly.Joanna.");
  if (!v1::ChannelVoice::Action_IsValid(voice.action())) return wrong("action is unknown.");
  if (voice.action() != v1::ChannelVoice::ACTION_FORWARD) return absl::OkStatus();
  if (voice.forward_number().empty()) return wrong("forwardNumber is needed to forward calls.");
  if (voice.forward_number() == channel.phone_number()) {
    return InvalidArgument("FORWARD_TO_ITSELF",
                           "voice.forwardNumber must be another number than the channel's.");
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
  if (channel.auto_reply_mode() == v1::AUTO_REPLY_MODE_UNSPECIFIED) {
    channel.set_auto_reply_mode(channel.auto_reply().empty() ? v1::AUTO_REPLY_MODE_OFF
                                                             : v1::AUTO_REPLY_MODE_ALWAYS);
  }
  v1::ChannelVoice& voice = *channel.mutable_voice();
  if (voice.action() == v1::ChannelVoice::ACTION_UNSPECIFIED) {
    voice.set_action(v1::ChannelVoice::ACTION_NONE);
  }
  if (voice.voicemail_seconds_max() == 0) {
    voice.set_voicemail_seconds_max(kVoicemailSecondsDefault);
  }
}

void SettleAutoReplyMode(const std::set<std::string>& changed, v1::Channel& channel) {
  if (!changed.contains("auto_reply") || changed.contains("auto_reply_mode")) return;
  const bool off = channel.auto_reply_mode() == v1::AUTO_REPLY_MODE_OFF;
  if (channel.auto_reply().empty() || off) channel.clear_auto_reply_mode();
}

absl::Status CheckChannel(const v1::Channel& channel, const ChannelRules& rules) {
  PARLEY_RETURN_IF_ERROR(
      FirstProblem({CheckText("displayName", channel.display_name(), {1, kNameMax}),
                    CheckPhoneOrEmpty("phoneNumber", channel.phone_number()),
                    CheckPhoneOrEmpty("whatsappNumber", channel.whatsapp_number()),
                    CheckText("autoReply", channel.auto_reply(), {0, kTemplateMax}),
                    CheckPublicUrl("publicUrl", channel.public_url(), rules.https_only)}));
  if (!v1::AutoReplyMode_IsValid(channel.auto_reply_mode())) {
    return InvalidArgument("VALUE_OUT_OF_RANGE", "autoReplyMode is unknown.");
  }
  PARLEY_RETURN_IF_ERROR(CheckMedia(channel));
  PARLEY_RETURN_IF_ERROR(CheckOfficeHours(channel.office_hours()));
  PARLEY_RETURN_IF_ERROR(CheckVoice(channel));
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
  if (named("auto_reply_mode")) to.set_auto_reply_mode(from.auto_reply_mode());
  if (named("public_url")) to.set_public_url(from.public_url());

  const v1::OfficeHours& hours = from.office_hours();
  if (named("office_hours.time_zone")) {
    to.mutable_office_hours()->set_time_zone(hours.time_zone());
  }
  if (named("office_hours.intervals")) {
    *to.mutable_office_hours()->mutable_intervals() = hours.intervals();
  }
  const v1::ChannelVoice& voice = from.voice();
  v1::ChannelVoice& spoken = *to.mutable_voice();
  if (named("voice.language")) spoken.set_language(voice.language());
  if (named("voice.voice_name")) spoken.set_voice_name(voice.voice_name());
  if (named("voice.action")) spoken.set_action(voice.action());
  if (named("voice.forward_number")) spoken.set_forward_number(voice.forward_number());
  if (named("voice.voicemail_seconds_max")) {
    spoken.set_voicemail_seconds_max(voice.voicemail_seconds_max());
  }

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
  numbers.erase(std::string(twilio::kWhatsAppSandbox));
  return {numbers.begin(), numbers.end()};
}

}  // namespace parley::gateway
