#include "catchup/compare.h"

#include <gtest/gtest.h>

#include "libs/webhooks/webhook.h"
#include "parley/events/v1/inbound.pb.h"

namespace parley::gateway::catchup {
namespace {

using twilio::MessageResource;
using twilio::MessageStatus;

const Time kNow = FromMicros(1'700'000'000'000'000);

MessageResource Inbound(const std::string& sid, Time sent = kNow) {
  return {.sid = sid, .status = MessageStatus::kReceived, .direction = "inbound", .sent = sent};
}

MessageResource Sent(const std::string& sid, MessageStatus status) {
  return {.sid = sid, .status = status, .direction = "outbound-api", .sent = kNow};
}

TEST(Compare, FindsWhatCameInAndIsNotStored) {
  const std::vector<MessageResource> page{Inbound("SM1"), Inbound("SM2")};
  const Differences found = Compare(page, {.inbound = {"SM2"}}, kNow);
  ASSERT_EQ(found.missing.size(), 1U);
  EXPECT_EQ(found.missing[0]->sid, "SM1");
  EXPECT_TRUE(found.advanced.empty());
}

TEST(Compare, LeavesTheYoungestToTheirWebhooks) {
  using std::chrono::seconds;
  const std::vector<MessageResource> page{Inbound("SM1", kNow + seconds(1)), Inbound("SM2", kNow)};
  const Differences found = Compare(page, {}, kNow);
  ASSERT_EQ(found.missing.size(), 1U);
  EXPECT_EQ(found.missing[0]->sid, "SM2");
}

TEST(Compare, MovesStatusesForwardOnly) {
  const struct {
    const char* label;
    std::string stored;
    MessageStatus listed;
    bool advances;
  } cases[] = {
      {"not heard of yet", "sending", MessageStatus::kSent, true},
      {"its answer was lost", "unconfirmed", MessageStatus::kDelivered, true},
      {"a callback was lost", "sent", MessageStatus::kDelivered, true},
      {"it failed", "sent", MessageStatus::kUndelivered, true},
      {"read after it was delivered", "delivered", MessageStatus::kRead, true},
      {"the same", "sent", MessageStatus::kSent, false},
      {"the list lags", "delivered", MessageStatus::kSent, false},
      {"final", "read", MessageStatus::kDelivered, false},
      {"failed stays", "failed", MessageStatus::kDelivered, false},
      {"Twilio works on it", "sending", MessageStatus::kQueued, false},
  };
  for (const auto& c : cases) {
    const std::vector<MessageResource> page{Sent("SM1", c.listed)};
    EXPECT_EQ(Compare(page, {.sent = {{"SM1", c.stored}}}, kNow).advanced.size(),
              c.advances ? 1U : 0U)
        << c.label;
  }
}

TEST(Compare, PassesOverWhatOtherSoftwareSent) {
  const std::vector<MessageResource> page{Sent("SM1", MessageStatus::kDelivered)};
  const Differences found = Compare(page, {}, kNow);
  EXPECT_TRUE(found.advanced.empty());
  EXPECT_TRUE(found.missing.empty());
}

TEST(WebhookForm, IsReadLikeTheWebhookThatNeverCame) {
  const std::string account = "AC" + std::string(32, '1');
  MessageResource message = Inbound("MM" + std::string(32, 'a'));
  message.from = "whatsapp:+15005550010";
  message.to = "whatsapp:+15005550006";
  message.body = "a&b=c é";
  const std::vector<Attachment> media{{"https://api.example.com/Media/ME1", "image/png"}};
  const std::string form = WebhookForm(account, message, media);
  webhooks::Webhook webhook;
  ASSERT_TRUE(webhooks::ParseWebhook(webhooks::Kind::kMessage,
                                     {.target = "/",
                                      .content_type = "application/x-www-form-urlencoded",
                                      .body = form,
                                      .received_at = kNow},
                                     webhook)
                  .ok());
  const auto records = webhooks::MakeRecords(webhook, {.origin = events::v1::ORIGIN_RECOVERED});
  ASSERT_EQ(records.size(), 1U);
  events::v1::InboundRecord record;
  ASSERT_TRUE(record.ParseFromString(records[0].value));
  EXPECT_EQ(record.account_sid(), account);
  EXPECT_EQ(record.customer_number(), "+15005550010");
  EXPECT_EQ(record.medium(), events::v1::MEDIUM_WHATSAPP);
  EXPECT_EQ(record.received_at_us(), ToMicros(kNow));
  EXPECT_EQ(record.origin(), events::v1::ORIGIN_RECOVERED);
  EXPECT_EQ(record.message().body(), "a&b=c é");
  ASSERT_EQ(record.message().media_size(), 1);
  EXPECT_EQ(record.message().media(0).url(), media[0].url);
}

TEST(TimeOf, PrefersWhenItWasSent) {
  MessageResource message;
  EXPECT_EQ(TimeOf(message, kNow), kNow);
  message.created = FromMicros(1);
  EXPECT_EQ(TimeOf(message, kNow), FromMicros(1));
  message.sent = FromMicros(2);
  EXPECT_EQ(TimeOf(message, kNow), FromMicros(2));
}

}  // namespace
}  // namespace parley::gateway::catchup
