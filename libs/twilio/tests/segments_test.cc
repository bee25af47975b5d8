#include "libs/twilio/segments.h"

#include <gtest/gtest.h>

#include <string>

namespace parley::twilio {
namespace {

std::string Repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(CountSegments, FollowsTwiliosCalculator) {
  const struct {
    const char* label;
    std::string text;
    Encoding encoding;
    int units;
    int segments;
  } cases[] = {
      {"empty", "", Encoding::kGsm7, 0, 1},
      {"160 letters", std::string(160, 'a'), Encoding::kGsm7, 160, 1},
      {"161 letters", std::string(161, 'a'), Encoding::kGsm7, 161, 2},
      {"306 letters", std::string(306, 'a'), Encoding::kGsm7, 306, 2},
      {"307 letters", std::string(307, 'a'), Encoding::kGsm7, 307, 3},
      {"brace and 158", "{" + std::string(158, 'a'), Encoding::kGsm7, 160, 1},
      {"brace and 159", "{" + std::string(159, 'a'), Encoding::kGsm7, 161, 2},
      {"emoji and 68", "😀" + std::string(68, 'a'), Encoding::kUcs2, 70, 1},
      {"emoji and 69", "😀" + std::string(69, 'a'), Encoding::kUcs2, 71, 2},
      {"70 of UCS-2", Repeat("я", 70), Encoding::kUcs2, 70, 1},
      {"134 of UCS-2", Repeat("я", 134), Encoding::kUcs2, 134, 2},
      {"135 of UCS-2", Repeat("я", 135), Encoding::kUcs2, 135, 3},
      // The 153rd septet stays empty: the escape pair moves to the second part.
      {"escape pair at the seam", std::string(152, 'a') + "€" + std::string(152, 'b'),
       Encoding::kGsm7, 306, 3},
      {"escape pairs only", Repeat("€", 81), Encoding::kGsm7, 162, 2},
      // 76 pairs fill 152 of 153 septets: the 153rd cannot hold half a pair.
      {"153 escape pairs", Repeat("€", 153), Encoding::kGsm7, 306, 3},
      // 33 pairs fill 66 of 67 units.
      {"surrogate pairs at the seam", Repeat("😀", 67), Encoding::kUcs2, 134, 3},
      {"one backtick switches all", "`" + std::string(70, 'a'), Encoding::kUcs2, 71, 2},
  };
  for (const auto& c : cases) {
    const SegmentCount count = CountSegments(c.text);
    EXPECT_EQ(count.encoding, c.encoding) << c.label;
    EXPECT_EQ(count.units, c.units) << c.label;
    EXPECT_EQ(count.segments, c.segments) << c.label;
  }
}

TEST(CountSegments, KnowsTheGsmAlphabet) {
  for (const char* text : {"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡",
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"}) {
    EXPECT_EQ(CountSegments(text).encoding, Encoding::kGsm7) << text;
  }
  for (const char* text : {"^", "{", "}", "[", "]", "\\", "~", "|", "\f", "€"}) {
    EXPECT_EQ(CountSegments(text).encoding, Encoding::kGsm7) << text;
    EXPECT_EQ(CountSegments(text).units, 2) << text;
  }
  for (const char* text : {"`", "ç", "“", "á", "\t", "\x7f", "😀", "–"}) {
    EXPECT_EQ(CountSegments(text).encoding, Encoding::kUcs2) << text;
  }
}

}  // namespace
}  // namespace parley::twilio
