#include <gtest/gtest.h>

#include <set>

#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley {
namespace {

TEST(NewId, IsUniqueAndIncreasing) {
  std::string previous;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = NewId();
    ASSERT_TRUE(IsUuid(id)) << id;
    ASSERT_EQ(id[14], '7');
    ASSERT_LT(previous, id);
    previous = id;
  }
}

TEST(DerivedId, FollowsFromItsPartsAndTheirBorders) {
  EXPECT_EQ(DerivedId({"a", "b"}), DerivedId({"a", "b"}));
  EXPECT_NE(DerivedId({"ab", "c"}), DerivedId({"a", "bc"}));
  EXPECT_EQ(DerivedId({"a"})[14], '5');
  EXPECT_TRUE(IsUuid(DerivedId({})));
}

TEST(IsUuid, RefusesWhatIsNone) {
  for (const char* text :
       {"", "x", "0190163d-8694-739b-aea5-966c26f8ad9", "0190163d-8694-739b-aea5-966c26f8ad9g",
        "0190163d_8694-739b-aea5-966c26f8ad91"}) {
    EXPECT_FALSE(IsUuid(text)) << text;
  }
}

TEST(Time, SurvivesFormattingAndParsing) {
  const Time time = FromMicros(1'767'323'045'123'456);
  EXPECT_EQ(FormatTime(time), "2026-01-02T03:04:05.123456Z");
  EXPECT_EQ(*ParseTime(FormatTime(time)), time);
  EXPECT_EQ(*ParseTime("2026-01-02 03:04:05.123456+00"), time);
  EXPECT_EQ(*ParseTime("2026-01-02T05:04:05.123456+02:00"), time);
  EXPECT_FALSE(ParseTime("yesterday").ok());
}

TEST(IsCleanUtf8, RefusesWhatStoresRefuse) {
  struct Case {
    const char* label;
    std::string text;
    bool want;
  };
  const Case cases[] = {
      {"empty", "", true},
      {"ascii", "hello", true},
      {"two, three, four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", true},
      {"nul", std::string("a\0b", 3), false},
      {"lone continuation", "\x80", false},
      {"truncated", "\xe2\x82", false},
      {"overlong slash", "\xc0\xaf", false},
      {"surrogate", "\xed\xa0\x80", false},
      {"above the last code point", "\xf4\x90\x80\x80", false},
  };
  for (const Case& c : cases) EXPECT_EQ(IsCleanUtf8(c.text), c.want) << c.label;
}

TEST(IsE164, ChecksTheShapeOnly) {
  for (const char* text : {"+15005550006", "+491713920000", "+12"})
    EXPECT_TRUE(IsE164(text)) << text;
  for (const char* text : {"", "+", "+1", "15005550006", "+05005550006", "+1500555000a",
                           "+1234567890123456", "+1 5005550006"}) {
    EXPECT_FALSE(IsE164(text)) << text;
  }
}

TEST(MaskNumber, NeverShowsTheWholeNumber) {
  EXPECT_EQ(MaskNumber("+15005550006"), "+1500*****06");
  EXPECT_EQ(MaskNumber("whatsapp:+15005550006"), "whatsapp:+1500*****06");
  EXPECT_EQ(MaskNumber("12345"), "1****");
  EXPECT_EQ(MaskNumber(""), "");
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("ODD", "The number is odd; give an even one.");
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  PARLEY_ASSIGN_OR_RETURN(const int half, Half(value));
  return Half(half);
}

TEST(Status, CarriesItsReasonThroughTheMacros) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(ErrorReason(Quarter(6).status()), "ODD");
  EXPECT_EQ(ErrorReason(absl::NotFoundError("x")), "NOT_FOUND");
  EXPECT_TRUE(IsRetryable(absl::UnavailableError("")));
  EXPECT_FALSE(IsRetryable(absl::InvalidArgumentError("")));
}

}  // namespace
}  // namespace parley
