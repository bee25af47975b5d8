#include "domain/shard.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace parley::sender {
namespace {

const std::string kAccount = "AC" + std::string(32, '1');

// Fixed for ever: replicas of two versions run side by side during an update.
TEST(ShardOf, IsPartOfTheStoredContract) {
  EXPECT_EQ(ShardOf(kAccount, "+15005550006"), 151);
  EXPECT_EQ(ShardOf(kAccount, "+15550001000"), 89);
  EXPECT_EQ(ShardOf("AC" + std::string(32, '2'), "+15005550006"), 199);
}

TEST(ShardOf, SpreadsNumbersThatDifferLittle) {
  std::set<int> shards;
  for (int i = 0; i < 1'000; ++i) {
    const int shard = ShardOf(kAccount, "+1555" + std::to_string(1'000'000 + i));
    ASSERT_GE(shard, 0);
    ASSERT_LT(shard, kShards);
    shards.insert(shard);
  }
  EXPECT_GT(shards.size(), 230U);
}

}  // namespace
}  // namespace parley::sender
