#include "domain/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/fakes.h"
#include "libs/twilio/twiml.h"

namespace parley::ingest {
namespace {

using events::v1::TwimlSettings;
using testing::HasSubstr;
using testing::Not;

constexpr char kPublicUrl[] = "https://chat.example.com";

// Local minutes of a zone, as people write them.
Time At(const char* zone_name, int day, int hour, int minute, int month = 3, int year = 2026) {
  absl::TimeZone zone;
  EXPECT_TRUE(absl::LoadTimeZone(zone_name, &zone));
  return FromMicros(
      absl::ToUnixMicros(absl::FromCivil(absl::CivilMinute(year, month, day, hour, minute), zone)));
}

NumberEntry Number(const TwimlSettings& settings) {
  NumberEntry number;
  number.account_sid = kAccountA;
  number.twiml = settings;
  return number;
}

Answer Ask(webhooks::Kind kind, const twilio::FormParams& params, const NumberEntry* number,
           Time received_at = FromMicros(1'700'000'000'000'000)) {
  SignedWebhook request = SignedPost("/", params, kTokenA);
  request.received_at = received_at;
  const webhooks::WebhookRequest view = request.View();
  webhooks::Webhook webhook;
  const absl::Status parsed = webhooks::ParseWebhook(kind, view, webhook);
  EXPECT_TRUE(parsed.ok()) << parsed;
  return MakeAnswer(webhook, number, kPublicUrl);
}

TwimlSettings AutoReply(const std::string& text) {
  TwimlSettings settings;
  settings.set_auto_reply(text);
  settings.set_auto_reply_mode(TwimlSettings::AUTO_REPLY_MODE_ALWAYS);
  return settings;
}

std::string ReplyTo(const twilio::FormParams& params, const TwimlSettings& settings) {
  const NumberEntry number = Number(settings);
  const Answer answer = Ask(webhooks::Kind::kMessage, params, &number);
  if (answer.auto_reply.empty()) {
    EXPECT_EQ(answer.twiml, twilio::kEmptyTwiml);
  } else {
    EXPECT_EQ(answer.twiml, twilio::Twiml().Message(answer.auto_reply).ToString());
  }
  return answer.auto_reply;
}

TEST(MakeAnswer, RepliesOnlyWhereItMay) {
  TwimlSettings always = AutoReply("We got: {body}");
  TwimlSettings ai = always;
  ai.set_ai_enabled(true);
  TwimlSettings never = always;
  never.set_auto_reply_mode(TwimlSettings::AUTO_REPLY_MODE_NEVER);
  TwimlSettings blank = AutoReply("{name}");
  twilio::FormParams from_short_code;
  for (const twilio::FormParam param : MessageParams()) {
    from_short_code.Add(param.name, param.name == "From" ? "55501" : param.value);
  }
  twilio::FormParams opted_out = MessageParams("arret");
  opted_out.Add("OptOutType", "STOP");
  const struct {
    const char* label;
    twilio::FormParams params;
    TwimlSettings settings;
    const char* want;
  } cases[] = {
      {"always", MessageParams("Hi <b>"), always, "We got: Hi <b>"},
      {"the AI answers", MessageParams(), ai, ""},
      {"never", MessageParams(), never, ""},
      {"no settings", MessageParams(), TwimlSettings(), ""},
      {"STOP", MessageParams("stop"), always, ""},
      {"START", MessageParams("START"), always, ""},
      {"HELP", MessageParams("help"), always, ""},
      {"the account's own keyword", opted_out, always, ""},
      {"not quite a keyword", MessageParams("stop it"), always, "We got: stop it"},
      {"another machine", from_short_code, always, ""},
      {"nothing left of it", MessageParams(), blank, ""},
  };
  for (const auto& c : cases) EXPECT_EQ(ReplyTo(c.params, c.settings), c.want) << c.label;
  const Answer unclaimed = Ask(webhooks::Kind::kMessage, MessageParams(), nullptr);
  EXPECT_EQ(unclaimed.twiml, twilio::kEmptyTwiml);
}

TEST(MakeAnswer, EscapesWhatTheCustomerWrote) {
  const NumberEntry number = Number(AutoReply("{body}"));
  const Answer answer = Ask(webhooks::Kind::kMessage,
                            MessageParams("</Message><Dial>+15005550009</Dial>\x01&"), &number);
  EXPECT_THAT(answer.twiml, Not(HasSubstr("<Dial>")));
  // The record says what the customer reads.
  EXPECT_EQ(answer.auto_reply, "</Message><Dial>+15005550009</Dial>&");
}

TEST(ExpandReply, FillsInOnce) {
  const std::string long_text(3'000, 'x');
  std::string umlauts;
  for (int i = 0; i < 1'700; ++i) umlauts += "ü";
  const struct {
    std::string text;
    ReplyValues values;
    std::string want;
  } cases[] = {
      {"Thanks for your message!", {"a", "b"}, "Thanks for your message!"},
      {"We received: {body}", {"{name} {body}", "Ana"}, "We received: {name} {body}"},
      {"Hi {name}!", {"", "Ana"}, "Hi Ana!"},
      {"Hi {name}!", {"", ""}, "Hi!"},
      {"{name}, hello", {"", ""}, ", hello"},
      {"{ {body {nam} }{body}", {"x", ""}, "{ {body {nam} }x"},
      {"{body}", {long_text, ""}, std::string(1'600, 'x')},
      {"{body}", {umlauts, ""}, umlauts.substr(0, 3'200)},
      {"  {body}  ", {"\xEF\xBF\xBFx", ""}, "x"},
      {"", {"x", "y"}, ""},
  };
  for (const auto& c : cases) EXPECT_EQ(ExpandReply(c.text, c.values), c.want) << c.text;
}

events::v1::OfficeHours Hours(std::initializer_list<std::array<int, 3>> intervals) {
  events::v1::OfficeHours hours;
  for (const auto& [weekday, from, to] : intervals) {
    auto* added = hours.add_intervals();
    added->set_weekday(weekday);
    added->set_from_minute(from);
    added->set_to_minute(to);
  }
  return hours;
}

TEST(IsOpen, GoesByTheClocksOfTheZone) {
  // Monday 9 to 17, Saturday night into Sunday, the hour that DST takes and gives back.
  const auto hours = Hours({{1, 540, 1020}, {6, 1320, 1440}, {7, 0, 150}, {7, 150, 210}});
  const auto nine_to_five = Hours({{1, 540, 1020}});
  const auto around_midnight = Hours({{6, 1320, 1440}, {7, 0, 60}});
  const auto sunday_two_to_three = Hours({{7, 120, 180}});
  const struct {
    const char* label;
    const events::v1::OfficeHours& hours;
    const char* zone;
    Time now;
    bool want;
  } cases[] = {
      {"a minute before", nine_to_five, "Europe/Berlin", At("Europe/Berlin", 2, 8, 59), false},
      {"the first minute", nine_to_five, "Europe/Berlin", At("Europe/Berlin", 2, 9, 0), true},
      {"the last minute", nine_to_five, "Europe/Berlin", At("Europe/Berlin", 2, 16, 59), true},
      {"the end is exclusive", nine_to_five, "Europe/Berlin", At("Europe/Berlin", 2, 17, 0), false},
      {"another day", nine_to_five, "Europe/Berlin", At("Europe/Berlin", 3, 10, 0), false},
      {"Monday there, Sunday here", nine_to_five, "Pacific/Auckland", At("UTC", 1, 21, 0), true},
      {"before midnight", around_midnight, "UTC", At("UTC", 7, 23, 59), true},
      {"midnight", around_midnight, "UTC", At("UTC", 8, 0, 0), true},
      {"an hour later", around_midnight, "UTC", At("UTC", 8, 1, 0), false},
      {"Sunday into Monday", around_midnight, "UTC", At("UTC", 9, 0, 0), false},
      {"summer time moves the office", nine_to_five, "Europe/Berlin", At("UTC", 30, 7, 30), true},
      {"winter time", nine_to_five, "Europe/Berlin", At("UTC", 23, 7, 30), false},
      // 2026-10-25, 02:30 comes twice in Berlin: 00:30 and 01:30 UTC.
      {"the first of two hours", sunday_two_to_three, "Europe/Berlin", At("UTC", 25, 0, 30, 10),
       true},
      {"the second of two hours", sunday_two_to_three, "Europe/Berlin", At("UTC", 25, 1, 30, 10),
       true},
      {"after both", sunday_two_to_three, "Europe/Berlin", At("UTC", 25, 2, 0, 10), false},
      // 2026-03-29, 02:00 to 03:00 does not exist in Berlin.
      {"the hour that is skipped", sunday_two_to_three, "Europe/Berlin", At("UTC", 29, 1, 0),
       false},
      {"several intervals", hours, "UTC", At("UTC", 8, 3, 0), true},
      {"none: never open", Hours({}), "UTC", At("UTC", 2, 12, 0), false},
  };
  for (const auto& c : cases) {
    absl::TimeZone zone;
    ASSERT_TRUE(absl::LoadTimeZone(c.zone, &zone));
    EXPECT_EQ(IsOpen(c.hours, zone, c.now), c.want) << c.label;
  }
}

TEST(MakeAnswer, OutOfHoursItReplies) {
  TwimlSettings settings = AutoReply("Closed");
  settings.set_auto_reply_mode(TwimlSettings::AUTO_REPLY_MODE_OUT_OF_HOURS);
  *settings.mutable_office_hours() = Hours({{1, 540, 1020}});
  NumberEntry number = Number(settings);
  ASSERT_TRUE(absl::LoadTimeZone("America/New_York", &number.time_zone));
  const Time open = At("America/New_York", 2, 9, 0);
  const Time closed = At("America/New_York", 2, 17, 0);
  EXPECT_EQ(Ask(webhooks::Kind::kMessage, MessageParams(), &number, open).auto_reply, "");
  EXPECT_EQ(Ask(webhooks::Kind::kMessage, MessageParams(), &number, closed).auto_reply, "Closed");
}

// --- Calls ---

twilio::FormParams CallParams(std::initializer_list<twilio::FormParam> more = {}) {
  twilio::FormParams params = {{"CallSid", "CA" + std::string(32, 'c')},
                               {"AccountSid", kAccountA},
                               {"From", kCustomer},
                               {"To", kNumberA},
                               {"Direction", "inbound"}};
  bool has_status = false;
  for (const twilio::FormParam& param : more) {
    params.Add(param.name, param.value);
    has_status = has_status || param.name == "CallStatus";
  }
  if (!has_status) params.Add("CallStatus", "ringing");
  return params;
}

Answer Call(const TwimlSettings& settings, std::initializer_list<twilio::FormParam> more = {}) {
  const NumberEntry number = Number(settings);
  return Ask(webhooks::Kind::kVoice, CallParams(more), &number);
}

constexpr char kRecordingUrl[] =
    "https://chat.example.com/webhooks/twilio/recording?business=%2B15005550006&amp;"
    "customer=%2B15005550010#rc=5&amp;rp=all";

TEST(MakeAnswer, GreetsInTheNumbersVoice) {
  TwimlSettings settings;
  settings.set_voice_greeting("Grüß Gott & <hallo>");
  settings.set_voice_language("de-DE");
  settings.set_voice_name("Polly.Vicki");
  const Answer answer = Call(settings);
  EXPECT_EQ(answer.answered_by, "greeting");
  EXPECT_THAT(answer.twiml, HasSubstr(R"(<Say language="de-DE" voice="Polly.Vicki">)"
                                      "Grüß Gott &amp; &lt;hallo&gt;</Say>"
                                      R"(<Pause length="1"/><Hangup/></Response>)"));
  EXPECT_THAT(Ask(webhooks::Kind::kVoice, CallParams(), nullptr).twiml, HasSubstr("<Say>Thank"));
}

TEST(MakeAnswer, TakesAVoicemail) {
  TwimlSettings settings;
  settings.set_voice_action(TwimlSettings::VOICE_ACTION_VOICEMAIL);
  const Answer answer = Call(settings);
  EXPECT_EQ(answer.answered_by, "voicemail");
  EXPECT_THAT(answer.twiml, HasSubstr("leave a message"));
  EXPECT_THAT(
      answer.twiml,
      HasSubstr(std::string("<Record action=\"") + kRecordingUrl +
                "\" method=\"POST\" maxLength=\"120\" recordingStatusCallback=\"" + kRecordingUrl +
                "\" recordingStatusCallbackMethod=\"POST\" "
                "recordingStatusCallbackEvent=\"completed absent\"/><Hangup/>"));
  settings.set_voicemail_seconds_max(6'000);
  EXPECT_THAT(Call(settings).twiml, HasSubstr("maxLength=\"600\""));
}

TEST(MakeAnswer, ForwardsAndTakesAMessageIfNobodyAnswers) {
  TwimlSettings settings;
  settings.set_voice_action(TwimlSettings::VOICE_ACTION_FORWARD);
  settings.set_forward_number("+15005550009");
  const Answer answer = Call(settings);
  EXPECT_EQ(answer.answered_by, "forward");
  EXPECT_THAT(answer.twiml,
              HasSubstr("<Response><Dial callerId=\"+15005550006\" timeout=\"20\" "
                        "action=\"https://chat.example.com/webhooks/twilio/voice#rc=5&amp;rp=all\" "
                        "method=\"POST\"><Number>+15005550009</Number></Dial></Response>"));
  for (const char* status : {"no-answer", "busy", "failed", "canceled"}) {
    const Answer back = Call(settings, {{"CallStatus", "in-progress"}, {"DialCallStatus", status}});
    EXPECT_THAT(back.twiml, HasSubstr("<Record ")) << status;
    EXPECT_EQ(back.answered_by, "") << status;
  }
  const Answer done =
      Call(settings, {{"CallStatus", "completed"}, {"DialCallStatus", "completed"}});
  EXPECT_THAT(done.twiml, HasSubstr("<Response><Hangup/></Response>"));
}

TEST(MakeAnswer, ACallIsNeverForwardedToItselfOrToNothing) {
  TwimlSettings settings;
  settings.set_voice_action(TwimlSettings::VOICE_ACTION_FORWARD);
  for (const char* number : {"", "nobody", kNumberA}) {
    settings.set_forward_number(number);
    EXPECT_EQ(Call(settings).answered_by, "voicemail") << number;
  }
}

TEST(MakeAnswer, ACallThatHasEndedIsToldNothing) {
  for (const char* status : {"completed", "busy", "failed", "no-answer", "canceled"}) {
    const Answer answer = Call(TwimlSettings(), {{"CallStatus", status}});
    EXPECT_EQ(answer.twiml, "") << status;
    EXPECT_EQ(answer.answered_by, "") << status;
  }
}

TEST(MakeAnswer, StaysWithinTwiliosLimits) {
  TwimlSettings settings;
  settings.set_voice_greeting(std::string(4'000, '"'));
  settings.set_voice_action(TwimlSettings::VOICE_ACTION_VOICEMAIL);
  EXPECT_LT(Call(settings).twiml.size(), 64'000u);
  const NumberEntry number = Number(AutoReply("{body}"));
  const Answer answer =
      Ask(webhooks::Kind::kMessage, MessageParams(std::string(20'000, '\'')), &number);
  EXPECT_LT(answer.twiml.size(), 64'000u);
}

}  // namespace
}  // namespace parley::ingest
