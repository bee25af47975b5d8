// What a language model is asked. Pure.
//
// Instructions stand in the system role alone, and nothing that a customer can write (not even the
// name) gets there: whatever a text says, it is the user who says it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "parley/events/v1/conversation_event.pb.h"

namespace parley::ai {

enum class Role { kSystem, kUser, kAssistant };

struct PromptMessage {
  Role role = Role::kUser;
  std::string text;
  bool operator==(const PromptMessage&) const = default;
};

// History beyond these bounds is left out, oldest first.
inline constexpr std::size_t kHistoryMessagesMax = 50;
inline constexpr std::size_t kHistoryBytesMax = 64 << 10;

// The system message, then the history as turns of user and assistant that alternate (several in
// a row are joined by a line break, because some endpoints refuse them otherwise) and end with the
// user. `default_prompt` is used where the organization gave none.
// Errors: kFailedPrecondition NOTHING_TO_ANSWER, the customer wrote nothing.
absl::StatusOr<std::vector<PromptMessage>> BuildPrompt(const events::v1::TurnReady& turn,
                                                       std::string_view default_prompt);

}  // namespace parley::ai
