// What share of the sender's requests an organization has while several have something to send.
// Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace parley::sender {

inline constexpr int kWeightMax = 100;

// "<organization id>=<1 to 100>, …"; whoever is not named has 1. Errors: kInvalidArgument.
absl::StatusOr<std::map<std::string, int>> ParseWeights(std::string_view text);

}  // namespace parley::sender
