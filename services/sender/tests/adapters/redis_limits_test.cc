#include "adapters/redis_limits.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

const std::string kA = "AC" + std::string(32, '1');
const std::string kB = "AC" + std::string(32, '2');

TEST(RedisLimits, ReadsWhatItWrites) {
  const AccountUses uses = {{kA, {.peak = 12, .wants_more = true, .adapted = 40}},
                            {kB, {.peak = 0, .wants_more = false, .adapted = 7}}};
  EXPECT_EQ(ReadUses(WriteUses(uses)), uses);
  EXPECT_TRUE(ReadUses(WriteUses({})).empty());
}

TEST(RedisLimits, TellsNothingOfIdleAccountsAndOfItsOwnBreaker) {
  EXPECT_EQ(WriteUses({{kA, {}}}), "");
  EXPECT_EQ(WriteUses({{kA, {.adapted = 1, .alone = true}}}), "");
  EXPECT_EQ(WriteUses({{kA, {.peak = 1, .adapted = 1, .alone = true}}}), kA + " 1 0 0");
}

TEST(RedisLimits, LeavesOutWhatItDoesNotUnderstand) {
  for (const std::string& text :
       {kA, kA + " 1", kA + " 1 0", kA + " x 0 1", kA + " 1 0 y", kA + " -1 0 0",
        kA + " 1 0 99999999999999", std::string("   "), kA + " 1 0 1x"}) {
    EXPECT_TRUE(ReadUses(text).empty()) << text;
  }
  EXPECT_EQ(ReadUses(kA + " x 0 0 " + kB + " 3 1 0").size(), 1U);
}

}  // namespace
}  // namespace parley::sender
