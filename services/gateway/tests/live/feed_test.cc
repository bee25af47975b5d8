#include "live/feed.h"

#include <gtest/gtest.h>

namespace parley::gateway::live {
namespace {

Frame Text(const char* text) { return std::make_shared<const std::string>(text); }

TEST(Feed, TakesOnlyTheNextNumber) {
  Feed feed(7);
  EXPECT_EQ(feed.Offer(7, Text("old")), Feed::Offered::kDuplicate);
  EXPECT_EQ(feed.Offer(9, Text("early")), Feed::Offered::kGap);
  EXPECT_EQ(feed.last(), 7);
  EXPECT_EQ(feed.Offer(8, Text("eight")), Feed::Offered::kAppended);
  EXPECT_EQ(feed.Offer(9, Text("nine")), Feed::Offered::kAppended);
  EXPECT_EQ(feed.last(), 9);
  EXPECT_EQ(*feed.At(8), "eight");
  EXPECT_EQ(*feed.At(9), "nine");
  EXPECT_EQ(feed.At(7), nullptr);
  EXPECT_EQ(feed.At(10), nullptr);
}

TEST(Feed, KeepsTheNewestWithinItsLimits) {
  Feed by_count(0, {.frames_max = 2, .bytes_max = 1000});
  Feed by_bytes(0, {.frames_max = 100, .bytes_max = 10});
  for (int i = 1; i <= 5; ++i) {
    by_count.Offer(i, Text("frame"));
    by_bytes.Offer(i, Text("frame"));
  }
  for (const Feed* feed : {&by_count, &by_bytes}) {
    EXPECT_EQ(feed->At(3), nullptr);
    EXPECT_NE(feed->At(4), nullptr);
    EXPECT_NE(feed->At(5), nullptr);
  }
}

}  // namespace
}  // namespace parley::gateway::live
