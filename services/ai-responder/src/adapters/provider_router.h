// Hands each turn to the provider that its organization chose.
#pragma once

#include <map>
#include <string>

#include "ports.h"

namespace parley::ai {

class ProviderRouter final : public Provider {
 public:
  // By the name in AiSettings; the providers must outlive this object.
  explicit ProviderRouter(std::map<std::string, Provider*> providers)
      : providers_(std::move(providers)) {}

  // Errors: kFailedPrecondition PROVIDER_UNKNOWN, and what the provider says.
  absl::StatusOr<Completion> Complete(const Turn& turn, const std::stop_token& stop) override;

 private:
  const std::map<std::string, Provider*> providers_;
};

}  // namespace parley::ai
