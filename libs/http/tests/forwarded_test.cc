#include "libs/http/forwarded.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::http {
namespace {

TrustedProxies Trust(std::string_view networks) {
  auto parsed = TrustedProxies::Parse(networks);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return *std::move(parsed);
}

TEST(TrustedProxies, ContainTheirNetworks) {
  const TrustedProxies proxies = Trust("127.0.0.0/8, ::1 ,10.1.2.3,192.168.4.0/22,2001:db8::/33");
  for (const char* inside : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "10.1.2.3",
                             "192.168.7.255", "2001:db8:7fff::1"}) {
    EXPECT_TRUE(proxies.Contain(inside)) << inside;
  }
  for (const char* outside : {"126.255.255.255", "128.0.0.0", "::2", "10.1.2.4", "192.168.8.0",
                              "2001:db8:8000::1", "", "localhost", "127.0.0.1:80"}) {
    EXPECT_FALSE(proxies.Contain(outside)) << outside;
  }
  EXPECT_FALSE(Trust("").Contain("127.0.0.1"));
  EXPECT_TRUE(Trust("0.0.0.0/0").Contain("203.0.113.9"));
}

TEST(TrustedProxies, RefuseWhatIsNoNetwork) {
  for (const char* bad : {"localhost", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/-1",
                          "10.0.0.0/8x", "10.0.0", "/8", "127.0.0.1,,x"}) {
    EXPECT_EQ(ErrorReason(TrustedProxies::Parse(bad).status()), "CIDR_INVALID") << bad;
  }
}

TEST(ReadForwarded, BelievesOnlyTrustedProxies) {
  const ForwardedHeaders forged{.host = "inside",
                                .forwarded_for = "198.51.100.1",
                                .forwarded_proto = "https",
                                .forwarded_host = "chat.example.com",
                                .forwarded_port = ""};
  const Forwarded stranger = ReadForwarded("203.0.113.9", forged, Trust("127.0.0.1"));
  EXPECT_EQ(stranger.remote_address, "203.0.113.9");
  EXPECT_EQ(stranger.requested_url, "");
  const Forwarded proxy = ReadForwarded("127.0.0.1", forged, Trust("127.0.0.1"));
  EXPECT_EQ(proxy.remote_address, "198.51.100.1");
  EXPECT_EQ(proxy.requested_url, "https://chat.example.com");
}

TEST(ReadForwarded, FindsTheClientBehindSeveralProxies) {
  const TrustedProxies proxies = Trust("10.0.0.0/8,::1");
  const struct {
    const char* forwarded_for;
    const char* want;
  } cases[] = {
      {"198.51.100.1", "198.51.100.1"},
      {"192.0.2.66, 198.51.100.1", "198.51.100.1"},  // The first one is forged.
      {"192.0.2.66, 198.51.100.1, 10.0.0.7", "198.51.100.1"},
      {"198.51.100.1,10.0.0.7,10.0.0.8", "198.51.100.1"},
      {"10.0.0.7", "10.0.0.7"},
      {"", "10.0.0.1"},
      {"unknown", "10.0.0.1"},
      {"unknown, 198.51.100.1", "198.51.100.1"},
      {"198.51.100.1, x, 10.0.0.7", "10.0.0.7"},
      {"2001:db8::7", "2001:db8::7"},
      {",,,", "10.0.0.1"},
  };
  for (const auto& c : cases) {
    ForwardedHeaders headers;
    headers.forwarded_for = c.forwarded_for;
    EXPECT_EQ(ReadForwarded("10.0.0.1", headers, proxies).remote_address, c.want)
        << c.forwarded_for;
  }
}

TEST(ReadForwarded, RebuildsTheAddressThatWasAskedFor) {
  const std::string long_host(300, 'a');
  const struct {
    const char* label;
    ForwardedHeaders headers;
    std::string want;
  } cases[] = {
      {"host of the request",
       {"chat.example.com", "", "https", "", ""},
       "https://chat.example.com"},
      {"port kept", {"h:8080", "", "http", "", ""}, "http://h:8080"},
      {"port beside it", {"h", "", "https", "", "8443"}, "https://h:8443"},
      {"port twice", {"h:8080", "", "http", "", "80"}, "http://h:8080"},
      {"first of a list",
       {"x", "", "https, http", "a.example, b.example", ""},
       "https://a.example"},
      {"IPv6", {"[2001:db8::1]", "", "https", "", "443"}, "https://[2001:db8::1]:443"},
      {"any case", {"H.example", "", "HTTPS", "", ""}, "https://H.example"},
      {"no scheme", {"h", "", "", "", ""}, ""},
      {"another scheme", {"h", "", "ftp", "", ""}, ""},
      {"no host", {"", "", "https", "", ""}, ""},
      {"no host's characters", {"h/x?y", "", "https", "", ""}, ""},
      {"too long", {long_host, "", "https", "", ""}, ""},
      {"port that is none", {"h", "", "https", "", "99999"}, "https://h"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ReadForwarded("::1", c.headers, Trust("::1")).requested_url, c.want) << c.label;
  }
}

}  // namespace
}  // namespace parley::http
