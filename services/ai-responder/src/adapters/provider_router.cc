#include "adapters/provider_router.h"

#include "libs/base/status.h"

namespace parley::ai {

absl::StatusOr<Completion> ProviderRouter::Complete(const Turn& turn, const std::stop_token& stop) {
  const auto provider = providers_.find(turn.ready.settings().provider());
  if (provider == providers_.end()) {
    return FailedPrecondition(
        "PROVIDER_UNKNOWN",
        "The AI provider in the settings is not known here; choose \"mock\" or \"openai\".");
  }
  return provider->second->Complete(turn, stop);
}

}  // namespace parley::ai
