// The record that closes a turn. Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "domain/turn.h"
#include "libs/base/clock.h"
#include "parley/events/v1/reply.pb.h"

namespace parley::ai {

// Twilio refuses longer bodies (21617). Counted in UTF-16 units, the stricter of the two counts in
// use: one emoji is two.
inline constexpr std::size_t kReplyUnitsMax = 1600;

// A provider's answer.
struct Completion {
  std::string text;
  std::string model;  // Provider and model, for example "openai/gpt-4o-mini".
};

// `text`, valid UTF-8, without control characters and surrounding white space, cut at a word if it
// is longer than `units_max`. May be empty.
std::string FitReply(std::string_view text, std::size_t units_max = kReplyUnitsMax);

// The answer, or, for an error or an empty text, the failure with its reason and sentence.
events::v1::ReplyRecord ComposeReply(const Turn& turn, const absl::StatusOr<Completion>& answer,
                                     Time now);

// Why a turn past its deadline has no answer.
absl::Status TurnExpired();

}  // namespace parley::ai
