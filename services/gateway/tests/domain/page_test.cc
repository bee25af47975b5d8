#include "domain/page.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::gateway {
namespace {

TEST(PageSize, HasADefaultAndAMaximum) {
  EXPECT_EQ(*PageSize(0), 50);
  EXPECT_EQ(*PageSize(1), 1);
  EXPECT_EQ(*PageSize(200), 200);
  EXPECT_EQ(*PageSize(201), 200);
  EXPECT_EQ(*PageSize(INT32_MAX), 200);
  EXPECT_EQ(ErrorReason(PageSize(-1).status()), "INVALID_PAGE_SIZE");
}

TEST(PageToken, GivesThePositionBack) {
  const std::string token = MakePageToken("messages/a", {"42", "x/y+z"});
  EXPECT_EQ(token.find_first_of("+/="), std::string::npos) << token << " is not safe in a URL";
  const auto position = ReadPageToken("messages/a", token, 2);
  ASSERT_TRUE(position.ok());
  EXPECT_EQ(*position, (std::vector<std::string>{"42", "x/y+z"}));
}

TEST(PageToken, EmptyIsTheFirstPage) {
  EXPECT_TRUE(ReadPageToken("messages/a", "", 1)->empty());
  EXPECT_TRUE(ReadTimeAndId("channels", "")->first_page);
}

TEST(PageToken, IsRefusedUnlessIssuedForTheseArguments) {
  const std::string token = MakePageToken("messages/a", {"42"});
  std::string changed = token;
  changed.back() = changed.back() == 'A' ? 'B' : 'A';
  const struct {
    const char* label;
    std::string scope;
    std::string token;
    std::size_t size;
  } cases[] = {
      {"other arguments", "messages/b", token, 1},
      {"other list", "contacts", token, 1},
      {"other shape", "messages/a", token, 2},
      {"changed", "messages/a", changed, 1},
      {"cut", "messages/a", token.substr(0, 6), 1},
      {"made up", "messages/a", "next", 1},
      {"no base64", "messages/a", "\x01\x02***", 1},
      {"huge", "messages/a", std::string(100'000, 'A'), 1},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ErrorReason(ReadPageToken(c.scope, c.token, c.size).status()), "INVALID_PAGE_TOKEN")
        << c.label;
  }
}

TEST(TimeAndId, TravelsInAToken) {
  const auto position =
      ReadTimeAndId("channels", MakeTimeAndId("channels", 1'700'000'000'000'001, "an id"));
  ASSERT_TRUE(position.ok());
  EXPECT_FALSE(position->first_page);
  EXPECT_EQ(position->micros, 1'700'000'000'000'001);
  EXPECT_EQ(position->id, "an id");
  EXPECT_EQ(
      ErrorReason(ReadTimeAndId("channels", MakePageToken("channels", {"soon", "id"})).status()),
      "INVALID_PAGE_TOKEN");
}

}  // namespace
}  // namespace parley::gateway
