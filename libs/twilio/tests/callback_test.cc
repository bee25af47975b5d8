#include "libs/twilio/callback.h"

#include <gtest/gtest.h>

#include "libs/base/id.h"
#include "libs/twilio/url.h"

namespace parley::twilio {
namespace {

TEST(StatusCallbackUrl, IsReadBackFromItsQuery) {
  const CallbackTarget target{NewId(), 3};
  const std::string url = StatusCallbackUrl("https://h.example", target);
  const auto parts = SplitUrl(url);
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(parts->path, kStatusWebhookPath);
  EXPECT_EQ(parts->fragment, "rc=5&rp=all");
  const auto query = ParseForm(parts->query);
  ASSERT_TRUE(query.ok());
  const auto back = ParseCallbackTarget(*query);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, target);
}

TEST(MessageWebhookUrl, AsksForRetries) {
  EXPECT_EQ(MessageWebhookUrl("https://h.example"),
            "https://h.example/webhooks/twilio/message#rc=5&rp=all");
}

TEST(VoiceWebhookUrl, AsksForRetriesToo) {
  EXPECT_EQ(VoiceWebhookUrl("https://h.example"),
            "https://h.example/webhooks/twilio/voice#rc=5&rp=all");
  EXPECT_EQ(CallStatusUrl("https://h.example"),
            "https://h.example/webhooks/twilio/status#rc=5&rp=all");
}

TEST(RecordingUrl, IsReadBackFromItsQuery) {
  const CallParties parties{.business = "+15005550006", .customer = "+15005550010"};
  const std::string url = RecordingUrl("https://h.example", parties);
  const auto parts = SplitUrl(url);
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(parts->path, kRecordingWebhookPath);
  EXPECT_EQ(parts->fragment, "rc=5&rp=all");
  const auto query = ParseForm(parts->query);
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(ParseCallParties(*query), parties);
  EXPECT_EQ(ParseCallParties({}), CallParties());
}

TEST(ParseCallbackTarget, TakesACallbackWithoutTarget) {
  const auto target = ParseCallbackTarget({{"other", "1"}});
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(*target, CallbackTarget());
}

TEST(ParseCallbackTarget, RefusesWhatWeNeverWrote) {
  const FormParams cases[] = {{{"message_id", "1"}}, {{"attempt", "0"}},
                              {{"attempt", "-1"}},   {{"attempt", "1x"}},
                              {{"attempt", ""}},     {{"attempt", "99999999999"}}};
  for (const FormParams& query : cases) {
    EXPECT_FALSE(ParseCallbackTarget(query).ok()) << EncodeForm(query);
  }
}

}  // namespace
}  // namespace parley::twilio
