#include "domain/account_share.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

const std::string kAccount = "AC" + std::string(32, '1');

AccountUses Busy(int peak, bool wants_more = true, int adapted = 0) {
  return {{kAccount, {.peak = peak, .wants_more = wants_more, .adapted = adapted}}};
}
constexpr AccountUse kActive{.peak = 1, .wants_more = true};

TEST(AccountShares, DividesTheLimitByNeed) {
  const struct {
    const char* label;
    int limit;
    std::map<std::string, AccountUses> others;
    AccountUse own;
    int want;
  } cases[] = {
      {"no limit", 0, {{"a", Busy(50)}}, kActive, 0},
      {"alone", 10, {}, kActive, 10},
      {"an idle replica needs nothing", 10, {{"a", {}}}, kActive, 10},
      {"both want more", 10, {{"a", Busy(5)}}, kActive, 5},
      {"what another leaves", 10, {{"a", Busy(2, false)}}, kActive, 8},
      {"one leaves, one wants more", 11, {{"a", Busy(1, false)}, {"c", Busy(9)}}, kActive, 5},
      {"more than an even part is no claim", 10, {{"a", Busy(9, false)}}, kActive, 5},
      {"what does not divide: behind the first", 11, {{"a", Busy(6)}}, kActive, 5},
      {"what does not divide: the first", 11, {{"c", Busy(6)}}, kActive, 6},
      {"at least one", 1, {{"a", Busy(1)}, {"c", Busy(1)}}, kActive, 1},
      {"who begins takes what is free", 10, {{"a", Busy(8)}}, {.peak = 0}, 2},
      {"who begins takes one in any case", 10, {{"a", Busy(10)}}, {.peak = 0}, 1},
      {"the lowest lesson counts", 10, {{"a", Busy(1, false, 4)}}, kActive, 3},
      {"also without a setting", 0, {{"a", Busy(4, true, 8)}}, kActive, 4},
      {"its own", 100, {{"a", Busy(9)}}, {.peak = 9, .wants_more = true, .adapted = 6}, 3},
  };
  for (const auto& c : cases) {
    AccountShares shares("b", c.limit);
    shares.Heard(c.others);
    EXPECT_EQ(shares.ShareOf(kAccount, c.own), c.want) << c.label;
  }
}

TEST(AccountShares, ReplicasThatAllWantMoreUseTheLimitAndNoMore) {
  for (const int limit : {3, 7, 64, 100}) {
    int sum = 0;
    for (const std::string self : {"a", "b", "c"}) {
      std::map<std::string, AccountUses> others;
      for (const std::string other : {"a", "b", "c"}) {
        if (other != self) others[other] = Busy(limit / 3);
      }
      AccountShares shares(self, limit);
      shares.Heard(others);
      sum += shares.ShareOf(kAccount, {.peak = limit / 3, .wants_more = true});
    }
    EXPECT_EQ(sum, limit);
  }
}

TEST(AccountShares, WithoutNewsEachTakesAnEvenPart) {
  AccountShares shares("b", 30);
  EXPECT_EQ(shares.ShareOf(kAccount, kActive), 30) << "it never heard of another";
  shares.Heard({{"a", Busy(1, false, 2)}, {"c", {}}});
  shares.Lost();
  EXPECT_EQ(shares.ShareOf(kAccount, kActive), 10);
  EXPECT_EQ(shares.ShareOf(kAccount, {.peak = 1, .adapted = 2}), 1);
  EXPECT_EQ(shares.UseOfOthers(kAccount), 1) << "as heard last";
  shares.Heard({});
  EXPECT_EQ(shares.ShareOf(kAccount, kActive), 30);
}

}  // namespace
}  // namespace parley::sender
