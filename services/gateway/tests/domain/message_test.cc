#include "domain/message.h"

#include <gtest/gtest.h>

namespace parley::gateway {
namespace {

TEST(Names, EveryValueComesBack) {
  for (int i = 1; i < v1::Message::Status_ARRAYSIZE; ++i) {
    const auto status = static_cast<Status>(i);
    EXPECT_FALSE(StatusName(status).empty()) << i;
    EXPECT_EQ(ParseStatus(StatusName(status)), status);
  }
  for (int i = 1; i < v1::Medium_ARRAYSIZE; ++i) {
    EXPECT_EQ(ParseMedium(MediumName(static_cast<Medium>(i))), i);
  }
  EXPECT_EQ(ParseStatus("nonsense"), v1::Message::STATUS_UNSPECIFIED);
  EXPECT_EQ(ParseKind(KindName(v1::Message::KIND_MMS)), v1::Message::KIND_MMS);
  EXPECT_EQ(ParseAuthor(AuthorName(v1::Message::AUTHOR_AI)), v1::Message::AUTHOR_AI);
  EXPECT_EQ(ParseDirection("outbound"), v1::Message::DIRECTION_OUTBOUND);
}

TEST(CutText, CutsBetweenCodePoints) {
  struct Case {
    const char* text;
    std::size_t max;
    const char* want;
  };
  const Case cases[] = {
      {"", 3, ""},      {"abc", 3, "abc"}, {"abcd", 3, "abc"},
      {"äöü", 2, "äö"}, {"äöü", 3, "äöü"}, {"a\xF0\x9F\x99\x82z", 2, "a\xF0\x9F\x99\x82"},
      {"abc", 0, ""},
  };
  for (const Case& c : cases) EXPECT_EQ(CutText(c.text, c.max), c.want) << c.text << c.max;
}

}  // namespace
}  // namespace parley::gateway
