// Answers by rules, at once and without a network.
#pragma once

#include "ports.h"

namespace parley::ai {

class MockProvider final : public Provider {
 public:
  // Errors: kFailedPrecondition NOTHING_TO_ANSWER.
  absl::StatusOr<Completion> Complete(const Turn& turn, const std::stop_token& stop) override;
};

}  // namespace parley::ai
