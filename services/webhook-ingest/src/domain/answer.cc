#include "domain/answer.h"

#include <algorithm>

#include "libs/base/text.h"
#include "libs/twilio/callback.h"
#include "libs/twilio/number.h"
#include "libs/twilio/twiml.h"

namespace parley::ingest {
namespace {

using events::v1::TwimlSettings;
using twilio::Twiml;

constexpr int kVoicemailSecondsDefault = 120;
constexpr int kVoicemailSecondsMax = 600;

// Said in Twilio's own voice and language: a greeting's voice may speak another language.
constexpr std::string_view kGreeting = "Thank you for calling. Nobody can take your call now.";
constexpr std::string_view kVoicemailGreeting =
    "Thank you for calling. Please leave a message after the tone.";
constexpr std::string_view kNobodyAnswers =
    "Nobody can take your call now. Please leave a message after the tone.";
constexpr std::string_view kThanks = "Thank you. Good bye.";

// At most this many characters, never a part of one.
std::string_view FirstCharacters(std::string_view text, std::size_t characters_max) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;  // Goes on.
    if (++characters > characters_max) return text.substr(0, i);
  }
  return text;
}

const TwimlSettings& SettingsOf(const NumberEntry* number) {
  return number == nullptr ? TwimlSettings::default_instance() : number->twiml;
}

bool RepliesNow(const NumberEntry& number, Time now) {
  switch (number.twiml.auto_reply_mode()) {
    case TwimlSettings::AUTO_REPLY_MODE_ALWAYS:
      return true;
    case TwimlSettings::AUTO_REPLY_MODE_OUT_OF_HOURS:
      return !IsOpen(number.twiml.office_hours(), number.time_zone, now);
    default:
      return false;
  }
}

Answer AnswerText(const webhooks::Webhook& webhook, const twilio::InboundMessage& message,
                  const NumberEntry* number) {
  Answer answer{.twiml = std::string(twilio::kEmptyTwiml), .auto_reply = "", .answered_by = ""};
  if (number == nullptr || number->twiml.ai_enabled() || number->twiml.auto_reply().empty()) {
    return answer;
  }
  if (webhook.keyword() != twilio::Keyword::kNone) return answer;
  if (!IsE164(webhook.customer_number())) return answer;
  if (!RepliesNow(*number, webhook.request.received_at)) return answer;
  answer.auto_reply = ExpandReply(number->twiml.auto_reply(),
                                  {.body = twilio::TextOf(message), .name = message.profile_name});
  if (!answer.auto_reply.empty()) answer.twiml = Twiml().Message(answer.auto_reply).ToString();
  return answer;
}

bool HasEnded(std::string_view status) {
  return status == "completed" || status == "busy" || status == "failed" || status == "no-answer" ||
         status == "canceled";
}

class CallAnswer {
 public:
  CallAnswer(const webhooks::Webhook& webhook, const TwimlSettings& settings,
             std::string_view public_url)
      : webhook_(webhook), settings_(settings), public_url_(public_url) {}

  Answer Begin() {
    switch (Action()) {
      case TwimlSettings::VOICE_ACTION_VOICEMAIL:
        Greet(kVoicemailGreeting);
        Voicemail();
        return Done("voicemail");
      case TwimlSettings::VOICE_ACTION_FORWARD:
        if (!settings_.voice_greeting().empty()) Greet("");
        twiml_.Dial({.number = settings_.forward_number(),
                     .caller_id = std::string(webhook_.business_number()),
                     .action = twilio::VoiceWebhookUrl(public_url_)});
        return Done("forward");
      default:
        Greet(kGreeting);
        twiml_.Pause(1).Hangup();
        return Done("greeting");
    }
  }

  // A forwarded call came back: who got no answer may leave a message.
  Answer Return(std::string_view dial_status) {
    if (dial_status == "completed" || dial_status == "answered") {
      twiml_.Hangup();
    } else {
      twiml_.Say(kNobodyAnswers);
      Voicemail();
    }
    return Done("");
  }

  Answer Thank() {
    twiml_.Say(kThanks).Hangup();
    return Done("");
  }

 private:
  TwimlSettings::VoiceAction Action() const {
    if (settings_.voice_action() != TwimlSettings::VOICE_ACTION_FORWARD) {
      return settings_.voice_action();
    }
    // Forwarded to itself it would ring for ever.
    const bool possible = IsE164(settings_.forward_number()) &&
                          settings_.forward_number() != webhook_.business_number();
    return possible ? TwimlSettings::VOICE_ACTION_FORWARD : TwimlSettings::VOICE_ACTION_VOICEMAIL;
  }

  void Greet(std::string_view otherwise) {
    if (settings_.voice_greeting().empty()) {
      twiml_.Say(otherwise);
    } else {
      twiml_.Say(settings_.voice_greeting(),
                 {.language = settings_.voice_language(), .voice = settings_.voice_name()});
    }
  }

  void Voicemail() {
    const int seconds = settings_.voicemail_seconds_max();
    const std::string url =
        twilio::RecordingUrl(public_url_, {.business = std::string(webhook_.business_number()),
                                           .customer = std::string(webhook_.customer_number())});
    twiml_.Record({.action = url,
                   .status_callback = url,
                   .seconds_max = seconds <= 0 ? kVoicemailSecondsDefault
                                               : std::min(seconds, kVoicemailSecondsMax)});
    twiml_.Hangup();  // Comes to pass after silence.
  }

  Answer Done(std::string_view answered_by) const {
    return {.twiml = twiml_.ToString(), .auto_reply = "", .answered_by = answered_by};
  }

  const webhooks::Webhook& webhook_;
  const TwimlSettings& settings_;
  const std::string_view public_url_;
  Twiml twiml_;
};

}  // namespace

Answer MakeAnswer(const webhooks::Webhook& webhook, const NumberEntry* number,
                  std::string_view public_url) {
  if (const auto* message = std::get_if<twilio::InboundMessage>(&webhook.event)) {
    return AnswerText(webhook, *message, number);
  }
  CallAnswer answer(webhook, SettingsOf(number), public_url);
  if (const auto* call = std::get_if<twilio::CallReport>(&webhook.event)) {
    if (!call->dial_status.empty()) return answer.Return(call->dial_status);
    if (call->inbound && !HasEnded(call->status)) return answer.Begin();
  } else if (const auto* recording = std::get_if<twilio::RecordingReport>(&webhook.event)) {
    if (recording->wants_twiml()) return answer.Thank();
  }
  return {};
}

std::string ExpandReply(std::string_view text, const ReplyValues& values) {
  constexpr std::string_view kBody = "{body}";
  constexpr std::string_view kName = "{name}";
  std::string out;
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('{'), text.size());
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.substr(0, kBody.size()) == kBody) {
      out.append(values.body);
      text.remove_prefix(kBody.size());
    } else if (text.substr(0, kName.size()) == kName) {
      if (values.name.empty() && !out.empty() && out.back() == ' ') out.pop_back();
      out.append(values.name);
      text.remove_prefix(kName.size());
    } else if (!text.empty()) {
      out.push_back(text.front());
      text.remove_prefix(1);
    }
  }
  const std::string readable = twilio::XmlText(out);
  return std::string(Trim(FirstCharacters(readable, kReplyCharactersMax)));
}

bool IsOpen(const events::v1::OfficeHours& hours, const absl::TimeZone& zone, Time now) {
  const absl::CivilMinute local = absl::ToCivilMinute(absl::FromUnixMicros(ToMicros(now)), zone);
  const int weekday = static_cast<int>(absl::GetWeekday(absl::CivilDay(local))) + 1;
  const int minute = local.hour() * 60 + local.minute();
  return std::any_of(hours.intervals().begin(), hours.intervals().end(), [&](const auto& interval) {
    return interval.weekday() == weekday && interval.from_minute() <= minute &&
           minute < interval.to_minute();
  });
}

}  // namespace parley::ingest
