#include "domain/reply.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "tests/fakes/turns.h"

namespace parley::ai {
namespace {

constexpr char kSmile[] = "\xF0\x9F\x98\x80";  // Two UTF-16 units.
constexpr char kNi[] = "\xE4\xBD\xA0";         // One.

std::string Repeat(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(FitReply, CutsAtAWord) {
  struct Case {
    const char* label;
    std::string text;
    std::size_t units_max;
    std::string want;
  };
  const Case cases[] = {
      {"fits", "one two", 7, "one two"},
      {"white space around", " \n one two\t", 7, "one two"},
      {"within a word", "one two three", 10, "one two"},
      {"right after a word", "one two three", 7, "one two"},
      {"at the space", "one two three", 8, "one two"},
      {"several spaces", "one two   three", 9, "one two"},
      {"one endless word", Repeat("x", 20), 10, Repeat("x", 10)},
      {"a short word, then an endless one", "a " + Repeat("x", 20), 10, "a " + Repeat("x", 8)},
      {"an emoji counts twice", Repeat(kSmile, 3), 5, Repeat(kSmile, 2)},
      {"code points stay whole", Repeat(kNi, 8), 5, Repeat(kNi, 5)},
      {"controls go", std::string("a\0b\rc\x7f\x1b[1m d", 12), 20, "abc[1m d"},
      {"nothing", "  ", 5, ""},
  };
  for (const Case& c : cases) EXPECT_EQ(FitReply(c.text, c.units_max), c.want) << c.label;
}

TEST(FitReply, KeepsToTwiliosLimitByDefault) {
  EXPECT_EQ(FitReply(Repeat("x", 1600)).size(), 1600U);
  EXPECT_EQ(FitReply(Repeat("x", 1601)).size(), 1600U);
  EXPECT_EQ(FitReply(Repeat("word ", 400)).size(), 1599U);
}

TEST(ComposeReply, CarriesTheAnswer) {
  const Turn turn = MakeTurn();
  const auto reply = ComposeReply(turn, Completion{" Hi! ", "fake"}, At(3));
  EXPECT_EQ(reply.organization_id(), turn.organization_id);
  EXPECT_EQ(reply.conversation_id(), turn.conversation_id);
  EXPECT_EQ(reply.turn_id(), turn.ready.turn_id());
  EXPECT_EQ(reply.created_at_us(), ToMicros(At(3)));
  EXPECT_EQ(reply.text().body(), "Hi!");
  EXPECT_EQ(reply.text().model(), "fake");
}

TEST(ComposeReply, CarriesTheFailureWithItsReason) {
  struct Case {
    absl::StatusOr<Completion> answer;
    const char* want;
  };
  const Case cases[] = {
      {TurnExpired(), "TURN_EXPIRED"},
      {Unavailable("PROVIDER_UNAVAILABLE", "It is away."), "PROVIDER_UNAVAILABLE"},
      {Completion{" \n", "fake"}, "PROVIDER_EMPTY_ANSWER"},
  };
  for (const Case& c : cases) {
    const auto reply = ComposeReply(MakeTurn(), c.answer, At(3));
    EXPECT_FALSE(reply.has_text()) << c.want;
    EXPECT_EQ(reply.failure().reason(), c.want);
    EXPECT_TRUE(reply.failure().message().ends_with(".")) << reply.failure().message();
  }
}

}  // namespace
}  // namespace parley::ai
