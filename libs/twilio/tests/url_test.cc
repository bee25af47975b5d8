#include "libs/twilio/url.h"

#include <gtest/gtest.h>

namespace parley::twilio {
namespace {

TEST(SplitUrl, NamesEachPart) {
  const auto parts = SplitUrl("https://user:pw@Host.example:8443/a/b?x=1&y=2#rc=5");
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(parts->scheme, "https");
  EXPECT_EQ(parts->userinfo, "user:pw");
  EXPECT_EQ(parts->host, "Host.example");
  EXPECT_EQ(parts->port, "8443");
  EXPECT_EQ(parts->path, "/a/b");
  EXPECT_EQ(parts->query, "x=1&y=2");
  EXPECT_EQ(parts->fragment, "rc=5");
}

TEST(SplitUrl, ReadsBareHostsAndIpv6) {
  const auto bare = SplitUrl("http://localhost");
  ASSERT_TRUE(bare.ok());
  EXPECT_EQ(bare->host, "localhost");
  EXPECT_EQ(bare->path, "");
  EXPECT_FALSE(bare->has_query);
  const auto six = SplitUrl("http://[::1]:8080/x");
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->host, "[::1]");
  EXPECT_EQ(six->port, "8080");
  // A "/" in the query is no path.
  const auto query = SplitUrl("http://host?next=/a");
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->host, "host");
  EXPECT_EQ(query->query, "next=/a");
}

TEST(SplitUrl, RefusesWhatIsNoWebAddress) {
  for (const char* url : {"", "host/path", "ftp://host/", "https://", "https:///x", "http://h:/",
                          "http://h:0/", "http://h:99999/", "http://h:8x/", "http://u@/"}) {
    EXPECT_FALSE(SplitUrl(url).ok()) << url;
  }
}

TEST(OriginAndPrefix, CutsWhatFollows) {
  EXPECT_EQ(*OriginAndPrefix("https://a.example/"), "https://a.example");
  EXPECT_EQ(*OriginAndPrefix("https://a.example:8443/parley/?x=1"),
            "https://a.example:8443/parley");
  EXPECT_FALSE(OriginAndPrefix("a.example").ok());
}

TEST(AppendQuery, GoesBeforeTheFragment) {
  const FormParams params = {{"m", "a b"}, {"n", "1"}};
  const struct {
    const char* url;
    const char* want;
  } cases[] = {
      {"https://h/p", "https://h/p?m=a%20b&n=1"},
      {"https://h/p?x=1", "https://h/p?x=1&m=a%20b&n=1"},
      {"https://h/p?", "https://h/p?m=a%20b&n=1"},
      {"https://h/p#rc=5&rp=all", "https://h/p?m=a%20b&n=1#rc=5&rp=all"},
  };
  for (const auto& c : cases) EXPECT_EQ(AppendQuery(c.url, params), c.want) << c.url;
  EXPECT_EQ(AppendQuery("https://h/p", {}), "https://h/p");
}

TEST(ConnectionOverrides, AreWrittenAndReadBack) {
  ConnectionOverrides overrides;
  overrides.retry_count = 5;
  overrides.retry_on = "all";
  EXPECT_EQ(WithConnectionOverrides("https://h/p?x=1#old", overrides),
            "https://h/p?x=1" + std::string(kRetryAllFragment));
  overrides.read_timeout = std::chrono::milliseconds(7000);
  const std::string url = WithConnectionOverrides("https://h/p", overrides);
  const ConnectionOverrides back = ParseConnectionOverrides(url.substr(url.find('#') + 1));
  EXPECT_EQ(back.retry_count, 5);
  EXPECT_EQ(back.retry_on, "all");
  EXPECT_EQ(back.read_timeout, std::chrono::milliseconds(7000));
  EXPECT_FALSE(back.connect_timeout.has_value());
}

TEST(ConnectionOverrides, IgnoreWhatIsOutOfRange) {
  const ConnectionOverrides overrides = ParseConnectionOverrides("rc=9&ct=5&rt=x&tt=20000&zz=1&");
  EXPECT_FALSE(overrides.retry_count.has_value());
  EXPECT_FALSE(overrides.connect_timeout.has_value());
  EXPECT_FALSE(overrides.read_timeout.has_value());
  EXPECT_FALSE(overrides.total_timeout.has_value());
}

TEST(ConnectionOverrides, RetryOnWhatTheyName) {
  EXPECT_TRUE(ParseConnectionOverrides("").RetriesOn("ct"));
  EXPECT_FALSE(ParseConnectionOverrides("").RetriesOn("5xx"));
  EXPECT_TRUE(ParseConnectionOverrides("rp=all").RetriesOn("5xx"));
  EXPECT_TRUE(ParseConnectionOverrides("rp=rt,5xx").RetriesOn("5xx"));
  EXPECT_FALSE(ParseConnectionOverrides("rp=rt,5xx").RetriesOn("ct"));
}

}  // namespace
}  // namespace parley::twilio
