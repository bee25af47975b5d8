#include "domain/weights.h"

#include <gtest/gtest.h>

#include <vector>

namespace parley::sender {
namespace {

constexpr char kOne[] = "0190a000-0000-7000-8000-000000000001";
constexpr char kOther[] = "0190a000-0000-7000-8000-00000000000b";

TEST(ParseWeights, ReadsAList) {
  const auto weights =
      ParseWeights(std::string(kOne) + "=3, 0190A000-0000-7000-8000-00000000000B=100");
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ(*weights, (std::map<std::string, int>{{kOne, 3}, {kOther, 100}}));
  EXPECT_TRUE(ParseWeights("")->empty());
}

TEST(ParseWeights, RefusesWhatItDoesNotUnderstand) {
  const std::string one = kOne;
  for (const std::string& text :
       std::vector<std::string>{one, one + "=", one + "=0", one + "=101", one + "=2x", "you=2",
                                one + "=2,", one + "=2," + one + "=3", "=2"}) {
    EXPECT_EQ(ParseWeights(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace parley::sender
