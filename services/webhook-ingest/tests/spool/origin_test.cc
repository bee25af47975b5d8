#include "spool/origin.h"

#include <gtest/gtest.h>

#include "parley/events/v1/inbound.pb.h"

namespace parley::ingest {
namespace {

using webhooks::Topic;

webhooks::OutgoingRecord Record(Topic topic) {
  events::v1::InboundRecord inbound;
  inbound.set_customer_number("+15005550010");
  inbound.set_origin(events::v1::ORIGIN_WEBHOOK);
  inbound.mutable_message()->set_body("Hello");
  return {.topic = topic,
          .key = "key",
          .value = inbound.SerializeAsString(),
          .type = inbound.GetTypeName(),
          .traceparent = ""};
}

TEST(MarkSpooled, ChangesTheOriginAndNothingElse) {
  webhooks::OutgoingRecord record = Record(Topic::kInbound);
  for (int i = 0; i < 2; ++i) {  // Once more is no harm.
    MarkSpooled(record);
    events::v1::InboundRecord inbound;
    ASSERT_TRUE(inbound.ParseFromString(record.value));
    EXPECT_EQ(inbound.origin(), events::v1::ORIGIN_SPOOL);
    EXPECT_EQ(inbound.customer_number(), "+15005550010");
    EXPECT_EQ(inbound.message().body(), "Hello");
  }
}

TEST(MarkSpooled, OtherRecordsHaveNoOrigin) {
  for (const Topic topic : {Topic::kConsent, Topic::kDeliveryStatus, Topic::kQuarantine}) {
    webhooks::OutgoingRecord record = Record(topic);
    const std::string before = record.value;
    MarkSpooled(record);
    EXPECT_EQ(record.value, before) << static_cast<int>(topic);
  }
}

}  // namespace
}  // namespace parley::ingest
