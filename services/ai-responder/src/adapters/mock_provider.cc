#include "adapters/mock_provider.h"

#include "domain/mock_rules.h"
#include "libs/base/status.h"

namespace parley::ai {

absl::StatusOr<Completion> MockProvider::Complete(const Turn& turn, const std::stop_token&) {
  const TemplateValues values{CustomerText(turn.ready), turn.ready.customer_name(),
                              turn.ready.channel_name()};
  if (values.body.empty()) {
    return FailedPrecondition("NOTHING_TO_ANSWER",
                              "The turn holds no text of the customer that could be answered.");
  }
  return Completion{AnswerBy(RulesOf(turn.ready.settings()), values), "mock"};
}

}  // namespace parley::ai
