// The small rules of the domain: texts, times, addresses, segments, keywords, overrides, SIDs,
// TwiML.
#include <gtest/gtest.h>

#include "domain/address.h"
#include "domain/knobs.h"
#include "domain/opt_out.h"
#include "domain/overrides.h"
#include "domain/segments.h"
#include "domain/sid.h"
#include "domain/text.h"
#include "domain/time_text.h"
#include "domain/twiml.h"

namespace parley::simulator {
namespace {

TEST(ParseForm, SplitsAndDecodes) {
  const struct {
    const char* text;
    Params want;
  } cases[] = {
      {"", {}},
      {"a=1&b=2", {{"a", "1"}, {"b", "2"}}},
      {"a=1&a=2", {{"a", "1"}, {"a", "2"}}},
      {"Body=a+b%2Bc%20d", {{"Body", "a b+c d"}}},
      {"DateSent%3C=2026-01-01", {{"DateSent<", "2026-01-01"}}},
      {"DateSent>=2026-01-01", {{"DateSent>", "2026-01-01"}}},
      {"a&&b=", {{"a", ""}, {"b", ""}}},
      {"a=%zz%4", {{"a", "%zz%4"}}},
  };
  for (const auto& c : cases) EXPECT_EQ(ParseForm(c.text), c.want) << c.text;
}

TEST(ParseForm, StopsAtItsBound) {
  std::string text;
  for (std::size_t i = 0; i < kFormParamsMax * 3; ++i) text += "a=1&";
  EXPECT_EQ(ParseForm(text).size(), kFormParamsMax + 1);
}

TEST(EncodeForm, IsReadBackAsItWas) {
  const Params params = {{"Body", "a b+c&d=e%\n😀"}, {"To", "+15005550006"}, {"Empty", ""}};
  EXPECT_EQ(ParseForm(EncodeForm(params)), params);
}

TEST(Base64, RoundTripsEveryLength) {
  std::string bytes;
  for (int i = 0; i < 40; ++i) {
    std::string back;
    ASSERT_TRUE(DecodeBase64(EncodeBase64(bytes), back));
    EXPECT_EQ(back, bytes);
    bytes.push_back(static_cast<char>(i * 37));
  }
  std::string out;
  EXPECT_FALSE(DecodeBase64("a", out));
  EXPECT_FALSE(DecodeBase64("ab!d", out));
}

TEST(IsValidUtf8, KnowsWhatIsNot) {
  for (const char* good : {"", "abc", "ñ", "€", "😀"}) EXPECT_TRUE(IsValidUtf8(good)) << good;
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xE2\x82", "\xED\xA0\x80", "\xF5\x80\x80\x80", "a\xFF"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
}

TEST(Times, AreWrittenAsTwilioWritesThem) {
  const auto time = ParseIso8601("2023-08-24T05:01:45Z");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(FormatRfc2822(time->time), "Thu, 24 Aug 2023 05:01:45 +0000");
  EXPECT_EQ(FormatIso8601(time->time), "2023-08-24T05:01:45Z");
  EXPECT_EQ(FormatDlrDate(time->time), "2308240501");
  EXPECT_EQ(ParseIso8601("2023-08-24T07:01:45+02:00")->time, time->time);
  EXPECT_EQ(ParseIso8601("2023-08-24 05:01:45.5")->time, time->time + 500 * kMillisecond);
  EXPECT_TRUE(ParseIso8601("2023-08-24")->date_only);
  for (const char* bad : {"", "2023", "2023-02-30", "2023-13-01", "2023-08-24T25:00:00Z",
                          "2023-08-24T05:01", "2023-08-24T05:01:45Zz", "2023-08-24T05:01:45.Z",
                          "tomorrow", "2023-08-24T05:01:45+99:00"}) {
    EXPECT_FALSE(ParseIso8601(bad).has_value()) << bad;
  }
}

TEST(ParseAddress, TellsKindsApart) {
  const struct {
    const char* text;
    AddressKind kind;
    Channel channel;
    const char* number;
  } cases[] = {
      {"+15005550006", AddressKind::kPhone, Channel::kSms, "+15005550006"},
      {"(500) 555-0006", AddressKind::kPhone, Channel::kSms, "+15005550006"},
      {"1 500 555 0006", AddressKind::kPhone, Channel::kSms, "+15005550006"},
      {"whatsapp:+15005550006", AddressKind::kPhone, Channel::kWhatsApp, "+15005550006"},
      {"WhatsApp:+15005550006", AddressKind::kPhone, Channel::kWhatsApp, "+15005550006"},
      {"55501", AddressKind::kShortCode, Channel::kSms, "55501"},
      {"Parley", AddressKind::kAlphanumeric, Channel::kSms, "Parley"},
      {"ParleyParley", AddressKind::kInvalid, Channel::kSms, "ParleyParley"},
      {"messenger:123", AddressKind::kOther, Channel::kMessenger, "123"},
      {"+1500555000", AddressKind::kInvalid, Channel::kSms, "+1500555000"},
      {"+05005550006", AddressKind::kInvalid, Channel::kSms, "+05005550006"},
      {"whatsapp:hello", AddressKind::kInvalid, Channel::kWhatsApp, "hello"},
      {"", AddressKind::kInvalid, Channel::kSms, ""},
      {"+1500555000a", AddressKind::kInvalid, Channel::kSms, "+1500555000a"},
  };
  for (const auto& c : cases) {
    const Address address = ParseAddress(c.text);
    EXPECT_EQ(address.kind, c.kind) << c.text;
    EXPECT_EQ(address.channel, c.channel) << c.text;
    EXPECT_EQ(address.number, c.number) << c.text;
  }
}

TEST(CountSegments, FollowsTheCarriersAlphabets) {
  const std::string ascii(200, 'a');
  const struct {
    std::string text;
    bool gsm7;
    int count;
  } cases[] = {
      {"", true, 1},
      {ascii.substr(0, 160), true, 1},
      {ascii.substr(0, 161), true, 2},
      {std::string(306, 'a'), true, 2},
      {std::string(307, 'a'), true, 3},
      {"{" + ascii.substr(0, 158), true, 1},
      {"{" + ascii.substr(0, 159), true, 2},
      {"ñ", true, 1},
      {"`", false, 1},
      {"ç", false, 1},
      {"Ç", true, 1},
      {"😀" + ascii.substr(0, 68), false, 1},
      {"😀" + ascii.substr(0, 69), false, 2},
  };
  for (const auto& c : cases) {
    const Segments segments = CountSegments(c.text);
    EXPECT_EQ(segments.gsm7, c.gsm7) << c.text;
    EXPECT_EQ(segments.count, c.count) << c.text;
  }
}

TEST(MatchKeyword, WantsTheWholeBody) {
  const struct {
    const char* body;
    Keyword local;
    Keyword toll_free;
  } cases[] = {
      {"STOP", Keyword::kStop, Keyword::kStop},
      {" stop\n", Keyword::kStop, Keyword::kStop},
      {"Unsubscribe", Keyword::kStop, Keyword::kNone},
      {"optout", Keyword::kStop, Keyword::kNone},
      {"revoke", Keyword::kStop, Keyword::kNone},
      {"STOP PLEASE", Keyword::kNone, Keyword::kNone},
      {"yes", Keyword::kStart, Keyword::kNone},
      {"START", Keyword::kStart, Keyword::kStart},
      {"unstop", Keyword::kStart, Keyword::kStart},
      {"help", Keyword::kHelp, Keyword::kHelp},
      {"info", Keyword::kHelp, Keyword::kHelp},
      {"", Keyword::kNone, Keyword::kNone},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(MatchKeyword(c.body, false), c.local) << c.body;
    EXPECT_EQ(MatchKeyword(c.body, true), c.toll_free) << c.body;
  }
}

TEST(ParseOverrides, TakesWhatIsInRange) {
  const ConnectionOverrides plain = ParseOverrides("");
  EXPECT_EQ(plain.retries, 1);
  EXPECT_TRUE(plain.on_connect);
  EXPECT_FALSE(plain.on_5xx);
  const ConnectionOverrides all = ParseOverrides("rc=5&rp=all&ct=100&rt=200&tt=300&sni=n&e=dublin");
  EXPECT_EQ(all.retries, 5);
  EXPECT_TRUE(all.on_4xx && all.on_5xx && all.on_connect && all.on_read);
  EXPECT_EQ(all.connect_timeout_ms, 100);
  EXPECT_EQ(all.read_timeout_ms, 200);
  EXPECT_EQ(all.total_timeout_ms, 300);
  EXPECT_FALSE(all.verify_host);
  EXPECT_EQ(all.edge, "dublin");
  const ConnectionOverrides bad = ParseOverrides("rc=6&rp=never&ct=99&rt=15001&tt=x");
  EXPECT_EQ(bad.retries, 1);
  EXPECT_EQ(bad.connect_timeout_ms, 5000);
  EXPECT_EQ(bad.read_timeout_ms, 15000);
  EXPECT_TRUE(bad.on_connect);
}

TEST(IsRetryable, FollowsThePolicy) {
  const struct {
    const char* policy;
    WebhookEnd end;
    int status;
    bool want;
  } cases[] = {
      {"rp=4xx", WebhookEnd::kAnswered, 404, true},
      {"rp=4xx", WebhookEnd::kAnswered, 503, false},
      {"rp=5xx", WebhookEnd::kAnswered, 503, true},
      {"rp=5xx", WebhookEnd::kRefused, 0, false},
      {"rp=ct", WebhookEnd::kRefused, 0, true},
      {"rp=ct", WebhookEnd::kConnectTimeout, 0, true},
      {"rp=ct", WebhookEnd::kReadTimeout, 0, false},
      {"rp=rt,5xx", WebhookEnd::kReadTimeout, 0, true},
      {"rp=rt,5xx", WebhookEnd::kAnswered, 500, true},
      {"rp=all", WebhookEnd::kBroken, 0, true},
      {"rp=all", WebhookEnd::kTotalTimeout, 0, false},
      {"rp=all", WebhookEnd::kAnswered, 200, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(IsRetryable(ParseOverrides(c.policy), c.end, c.status), c.want)
        << c.policy << " " << c.status;
  }
}

TEST(SidCodec, TurnsNumbersIntoSidsAndBack) {
  const SidCodec codec(42);
  for (const std::uint64_t number : {0ULL, 1ULL, 2ULL, 1'000'000ULL, 1ULL << 63}) {
    const std::string sid = codec.Encode("SM", number);
    EXPECT_TRUE(HasSidShape(sid, "SM")) << sid;
    EXPECT_EQ(codec.Decode(sid), number);
    EXPECT_EQ(SidCodec(43).Decode(sid), std::nullopt);
  }
  EXPECT_EQ(codec.Decode("SM" + std::string(32, '0')), std::nullopt);
  EXPECT_EQ(codec.Decode("SM" + std::string(32, 'g')), std::nullopt);
  EXPECT_EQ(codec.Decode("SM"), std::nullopt);
}

TEST(ParseTwiml, ReadsVerbsAttributesAndText) {
  const auto parsed = ParseTwiml(
      "<?xml version=\"1.0\"?><!-- hi -->\n<Response><Message to='+15005550006'>"
      "<Body>a &amp; b &#x1F600; <![CDATA[<c>]]></Body><Media>/cat.png</Media></Message><Hangup/>"
      "</Response>\n");
  const auto* response = std::get_if<XmlElement>(&parsed);
  ASSERT_NE(response, nullptr);
  ASSERT_EQ(response->children.size(), 2U);
  const XmlElement& message = response->children[0];
  EXPECT_EQ(message.Attribute("to"), "+15005550006");
  EXPECT_EQ(message.Child("Body")->text, "a & b 😀 <c>");
  EXPECT_EQ(message.Child("Media")->text, "/cat.png");
}

TEST(ParseTwiml, RefusesWhatIsNoTwiml) {
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "<a>";
  const struct {
    std::string text;
    int code;
  } cases[] = {
      {"", 12100},
      {"hello", 12100},
      {"<Response>", 12100},
      {"<Response></Respons>", 12100},
      {"<Response><Message>&bogus;</Message></Response>", 12100},
      {"<Response a=1/>", 12100},
      {"<Response/><Response/>", 12100},
      {"<!DOCTYPE x [<!ENTITY a \"b\">]><Response/>", 12100},
      {"<Other/>", 12200},
      {"<Response>\xFF</Response>", 12100},
      {"<Response>" + deep + "</Response>", 12100},
      {"<Response>" + std::string(kTwimlBytesMax, ' ') + "</Response>", 11750},
      {"<Response><", 12100},
      {"<Response a", 12100},
      {"<Response><![CDATA[x</Response>", 12100},
  };
  for (const auto& c : cases) {
    const auto parsed = ParseTwiml(c.text);
    const auto* error = std::get_if<TwimlError>(&parsed);
    ASSERT_NE(error, nullptr) << c.text.substr(0, 60);
    EXPECT_EQ(error->code, c.code) << c.text.substr(0, 60);
  }
}

using Json = nlohmann::ordered_json;

TEST(ReadFaults, ReplacesAllOrNothing) {
  Faults faults;
  faults.latency_ms = 5;
  EXPECT_EQ(
      ReadFaults(Json::parse(R"({"status_429_rate": 0.5, "callback_shuffle": true})"), faults), "");
  EXPECT_EQ(faults.status_429_rate, 0.5);
  EXPECT_TRUE(faults.callback_shuffle);
  EXPECT_EQ(faults.latency_ms, 0);
  for (const char* bad :
       {"[]", "1", R"({"latency_ms": -1})", R"({"latency_ms": 1.5})", R"({"latency_ms": "1"})",
        R"({"status_429_rate": 1.1})", R"({"callback_shuffle": 1})", R"({"nonsense": 1})",
        R"({"latency_ms": 99999999999999999999})"}) {
    EXPECT_NE(ReadFaults(Json::parse(bad, nullptr, false), faults), "") << bad;
    EXPECT_EQ(faults.status_429_rate, 0.5) << bad;
  }
}

TEST(ReadSettings, ChangesOnlyWhatIsNamed) {
  Settings settings;
  EXPECT_EQ(ReadSettings(Json::parse(R"({"sent_delay_ms": 7})"), settings), "");
  EXPECT_EQ(ReadSettings(Json::parse(R"({"callbacks": false})"), settings), "");
  EXPECT_EQ(settings.sent_delay_ms, 7);
  EXPECT_FALSE(settings.callbacks);
  EXPECT_NE(ReadSettings(Json::parse(R"({"inbound_retry_policy": "x"})"), settings), "");
  EXPECT_NE(ReadSettings(Json::parse(R"({"call_outcome": "x"})"), settings), "");
  EXPECT_NE(ReadSettings(Json::parse(R"({"geo_blocked_prefixes": [1]})"), settings), "");
}

TEST(Dice, AreTheSameForTheSameSeed) {
  Dice one(7), two(7);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) {
    const bool hit = one.Roll(0.25);
    EXPECT_EQ(hit, two.Roll(0.25));
    hits += hit ? 1 : 0;
  }
  EXPECT_NEAR(hits, 2500, 200);
  EXPECT_FALSE(one.Roll(0));
  EXPECT_TRUE(one.Roll(1));
}

}  // namespace
}  // namespace parley::simulator
