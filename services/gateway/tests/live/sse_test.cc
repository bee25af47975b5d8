#include "live/sse.h"

#include <gtest/gtest.h>

namespace parley::gateway::live {
namespace {

TEST(ToFrame, IsAServerSentEvent) {
  EXPECT_EQ(*ToFrame({7, "message", "{\"number\":\"7\"}"}),
            "id: 7\nevent: message\ndata: {\"number\":\"7\"}\n\n");
}

TEST(ParsePublished, TakesWhatTheRelayTellsAndNothingElse) {
  const auto event = ParsePublished("12\nconversation\n{\"a\":\"b\"}");
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->number, 12);
  EXPECT_EQ(event->name, "conversation");
  EXPECT_EQ(event->json, "{\"a\":\"b\"}");
  for (const char* bad : {"", "12", "12\nmessage", "x\nmessage\n{}", "-1\nmessage\n{}"}) {
    EXPECT_FALSE(ParsePublished(bad).has_value()) << bad;
  }
}

TEST(ParseTarget, ReadsPathTicketAndNumber) {
  struct Case {
    const char* target;
    const char* last_event_id;
    const char* path;
    const char* ticket;
    std::optional<std::int64_t> after;
  };
  const Case cases[] = {
      {"/v1/live", "", "/v1/live", "", std::nullopt},
      {"/v1/live?after=5", "", "/v1/live", "", 5},
      {"/v1/live?after=5", "9", "/v1/live", "", 9},
      {"/v1/live?ticket=abc&after=0", "", "/v1/live", "abc", 0},
      {"/v1/live?after=x", "", "/v1/live", "", std::nullopt},
      {"/v1/live?after=5", "nonsense", "/v1/live", "", 5},
      {"/v1/live?after=-1", "", "/v1/live", "", std::nullopt},
      {"/v1/live?ticket", "", "/v1/live", "", std::nullopt},
      {"/", "", "/", "", std::nullopt},
  };
  for (const Case& c : cases) {
    const LiveRequest request = ParseTarget(c.target, c.last_event_id);
    EXPECT_EQ(request.path, c.path) << c.target;
    EXPECT_EQ(request.ticket, c.ticket) << c.target;
    EXPECT_EQ(request.after, c.after) << c.target;
  }
}

TEST(CookieValue, FindsTheWholeName) {
  EXPECT_EQ(CookieValue("a=1; parley_session=abc; b=2", "parley_session"), "abc");
  EXPECT_EQ(CookieValue("xparley_session=abc", "parley_session"), "");
  EXPECT_EQ(CookieValue("parley_session2=abc", "parley_session"), "");
  EXPECT_EQ(CookieValue("", "parley_session"), "");
}

TEST(OriginAllowed, FollowsTheTable) {
  struct Case {
    const char* label;
    const char* origin;
    bool want;
  };
  const Case cases[] = {
      {"no browser, or the same page", "", true},
      {"the same host", "https://inbox.example.com", true},
      {"listed", "https://app.example.com", true},
      {"another port", "https://inbox.example.com:8443", false},
      {"a stranger", "https://evil.example.com", false},
      {"a sandbox", "null", false},
      {"a longer name", "https://app.example.com.evil.example", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(OriginAllowed(c.origin, "inbox.example.com", {"https://app.example.com"}), c.want)
        << c.label;
  }
}

}  // namespace
}  // namespace parley::gateway::live
