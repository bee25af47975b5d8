#include "domain/quarantine.h"

#include <gtest/gtest.h>

namespace parley::ingest {
namespace {

using std::chrono::seconds;

const QuarantineGate::Time kStart{std::chrono::hours(1)};

TEST(QuarantineGate, KeepsOneOfEachToken) {
  QuarantineGate gate;
  EXPECT_TRUE(gate.Admit({"AC1", "203.0.113.1", "t"}, kStart));
  EXPECT_FALSE(gate.Admit({"AC1", "203.0.113.1", "t"}, kStart));
  EXPECT_FALSE(gate.Admit({"AC1", "203.0.113.2", "t"}, kStart));
  // Another account's webhook is another one, and one without a token is its own.
  EXPECT_TRUE(gate.Admit({"AC2", "203.0.113.1", "t"}, kStart));
  EXPECT_TRUE(gate.Admit({"AC1", "203.0.113.1", ""}, kStart));
  EXPECT_TRUE(gate.Admit({"AC1", "203.0.113.1", ""}, kStart));
}

TEST(QuarantineGate, FillsItsBucketsWithTime) {
  QuarantineGate gate({.address_per_minute = 6, .address_burst = 2});
  const QuarantineGate::Candidate candidate{"AC1", "203.0.113.1", ""};
  EXPECT_TRUE(gate.Admit(candidate, kStart));
  EXPECT_TRUE(gate.Admit(candidate, kStart));
  EXPECT_FALSE(gate.Admit(candidate, kStart));
  EXPECT_FALSE(gate.Admit(candidate, kStart + seconds(9)));
  EXPECT_TRUE(gate.Admit(candidate, kStart + seconds(11)));
  EXPECT_FALSE(gate.Admit(candidate, kStart + seconds(11)));
  // Never more than the burst, and another address has its own.
  EXPECT_TRUE(gate.Admit(candidate, kStart + seconds(600)));
  EXPECT_TRUE(gate.Admit(candidate, kStart + seconds(600)));
  EXPECT_FALSE(gate.Admit(candidate, kStart + seconds(600)));
  EXPECT_TRUE(gate.Admit({"AC1", "203.0.113.2", ""}, kStart + seconds(600)));
  // A clock that does not go on gives nothing.
  EXPECT_FALSE(gate.Admit(candidate, kStart));
}

TEST(QuarantineGate, ManyAddressesShareTheAccount) {
  QuarantineGate gate({.account_burst = 30});
  int kept = 0;
  for (int i = 0; i < 1'000; ++i) {
    kept += gate.Admit({"AC1", "2001:db8::" + std::to_string(i), ""}, kStart) ? 1 : 0;
  }
  EXPECT_EQ(kept, 30);
}

TEST(QuarantineGate, RefusedOnesUseUpNoToken) {
  QuarantineGate gate({.address_per_minute = 60, .address_burst = 1});
  EXPECT_TRUE(gate.Admit({"AC1", "a", "first"}, kStart));
  EXPECT_FALSE(gate.Admit({"AC1", "a", "second"}, kStart));
  EXPECT_TRUE(gate.Admit({"AC1", "a", "second"}, kStart + seconds(1)));
}

TEST(QuarantineGate, ForgetsWhatWasUsedLeastRecently) {
  QuarantineGate gate({.buckets_max = 4, .tokens_max = 3});
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    EXPECT_TRUE(gate.Admit({"AC" + name, "a", "t" + name}, kStart));
    EXPECT_LE(gate.buckets(), 4u);
    EXPECT_LE(gate.tokens(), 3u);
  }
  EXPECT_FALSE(gate.Admit({"AC99", "a", "t99"}, kStart));
  EXPECT_TRUE(gate.Admit({"AC0", "a", "t0"}, kStart));
}

}  // namespace
}  // namespace parley::ingest
