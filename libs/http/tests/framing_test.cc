#include "libs/http/framing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace parley::http {
namespace {

// "" if the head is refused, else "length", "chunks" or "none".
std::string Kind(const std::vector<std::string>& headers) {
  Framing framing;
  for (const std::string& header : headers) {
    if (!framing.TakeHeader(header)) return "";
  }
  if (!framing.EndHead()) return "";
  if (framing.done()) return "none";
  return framing.Allow(100) > 1 ? "length" : "chunks";
}

TEST(Framing, RefusesHeadsThatCanBeReadInTwoWays) {
  const struct {
    const char* label;
    std::vector<std::string> headers;
    const char* want;
  } cases[] = {
      {"no body", {"Host: x"}, "none"},
      {"empty body", {"Content-Length: 0"}, "none"},
      {"a body", {"Content-Length: 12"}, "length"},
      {"chunks", {"Transfer-Encoding: Chunked"}, "chunks"},
      {"both", {"Content-Length: 5", "Transfer-Encoding: chunked"}, ""},
      {"two lengths", {"Content-Length: 5", "content-length: 6"}, ""},
      {"the same length twice", {"Content-Length: 5", "Content-Length: 5"}, ""},
      {"a list of lengths", {"Content-Length: 5, 5"}, ""},
      {"no number", {"Content-Length: abc"}, ""},
      {"signed", {"Content-Length: +5"}, ""},
      {"negative", {"Content-Length: -5"}, ""},
      {"without a value", {"Content-Length:"}, ""},
      {"too large for any machine", {"Content-Length: 99999999999999999999"}, ""},
      {"another encoding", {"Transfer-Encoding: xchunked"}, ""},
      {"a list of encodings", {"Transfer-Encoding: gzip, chunked"}, ""},
      {"two encodings", {"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}, ""},
      {"space before the colon", {"Content-Length : 5"}, ""},
      {"a folded line", {"X: a", " Content-Length: 5"}, ""},
      {"no colon", {"nonsense"}, ""},
  };
  for (const auto& c : cases) EXPECT_EQ(Kind(c.headers), c.want) << c.label;
}

TEST(Framing, ALengthEndsWhereItSays) {
  Framing framing;
  ASSERT_TRUE(framing.TakeHeader("Content-Length: 5"));
  ASSERT_TRUE(framing.EndHead());
  EXPECT_EQ(framing.Allow(100), 5u);
  EXPECT_TRUE(framing.Take("abc"));
  EXPECT_FALSE(framing.done());
  EXPECT_EQ(framing.Allow(100), 2u);
  EXPECT_TRUE(framing.Take("de"));
  EXPECT_TRUE(framing.done());
  EXPECT_EQ(framing.Allow(100), 0u);
  EXPECT_FALSE(framing.Take("GET"));
}

TEST(Framing, ChunksEndWithTheirTrailer) {
  for (const std::string body :
       {"5\r\nhello\r\n0\r\n\r\n", "A;name=x\r\n0123456789\r\n1\r\nx\r\n0\r\nX: y\r\n\r\n"}) {
    Framing framing;
    ASSERT_TRUE(framing.TakeHeader("Transfer-Encoding: chunked"));
    ASSERT_TRUE(framing.EndHead());
    for (std::size_t i = 0; i < body.size(); ++i) {
      EXPECT_FALSE(framing.done()) << body << " at " << i;
      ASSERT_TRUE(framing.Take(body.substr(i, 1))) << body << " at " << i;
    }
    EXPECT_TRUE(framing.done()) << body;
  }
}

TEST(Framing, WhatIsNoChunkIsRefused) {
  for (const std::string& body :
       {std::string("\r\n"), std::string("x\r\n"), std::string("-1\r\n"),
        std::string("5\r\nhelloX"), std::string(40, '0'), "1;" + std::string(300, 'x'),
        "0\r\n" + std::string(9'000, 'x')}) {
    Framing framing;
    ASSERT_TRUE(framing.TakeHeader("Transfer-Encoding: chunked"));
    ASSERT_TRUE(framing.EndHead());
    EXPECT_FALSE(framing.Take(body)) << body.substr(0, 20);
  }
}

}  // namespace
}  // namespace parley::http
