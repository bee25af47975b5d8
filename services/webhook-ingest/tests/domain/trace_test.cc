#include "domain/trace.h"

#include <gtest/gtest.h>

namespace parley::ingest {
namespace {

TEST(Traceparent, OnesThatAreMadeAreValid) {
  EXPECT_TRUE(IsTraceparent(MakeTraceparent({0, 0, 0})));
  EXPECT_TRUE(IsTraceparent(MakeTraceparent({~0ULL, 1ULL << 63, 0xabcdef})));
  EXPECT_EQ(MakeTraceparent({0x0123456789abcdef, 1, 3}),
            "00-0123456789abcdef0000000000000001-0000000000000003-01");
}

TEST(Traceparent, RefusesOthers) {
  for (const char* text : {"", "00-", "01-0123456789abcdef0000000000000001-0000000000000003-01",
                           "00-0123456789ABCDEF0000000000000001-0000000000000003-01",
                           "00-00000000000000000000000000000000-0000000000000003-01",
                           "00-0123456789abcdef0000000000000001-0000000000000000-01",
                           "00-0123456789abcdef0000000000000001-0000000000000003-01x",
                           "00-0123456789abcdef0000000000000001-0000000000000003-\n1"}) {
    EXPECT_FALSE(IsTraceparent(text)) << text;
  }
}

}  // namespace
}  // namespace parley::ingest
