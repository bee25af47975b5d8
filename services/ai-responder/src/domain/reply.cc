#include "domain/reply.h"

#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::ai {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t'; }

// Bytes of the code point that starts with `lead`; valid UTF-8 is assumed.
std::size_t BytesOf(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xe0) return 2;
  return byte < 0xf0 ? 3 : 4;
}

std::string WithoutControls(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0x7f || (byte < 0x20 && !IsSpace(c))) continue;
    clean += c;
  }
  return clean;
}

}  // namespace

std::string FitReply(std::string_view text, std::size_t units_max) {
  const std::string clean = WithoutControls(text);
  const std::string_view whole = Trim(clean);
  std::size_t units = 0;
  std::size_t at = 0;
  std::size_t word_end = 0;  // Where the last whole word ended.
  while (at < whole.size()) {
    const std::size_t bytes = BytesOf(whole[at]);
    const std::size_t more = bytes == 4 ? 2 : 1;
    if (IsSpace(whole[at]) && at > 0 && !IsSpace(whole[at - 1])) word_end = at;
    if (units + more > units_max) break;
    units += more;
    at += bytes;
  }
  if (at >= whole.size()) return std::string(whole);
  // A text without words, or with one endless word, is cut where it must be.
  const bool at_word = word_end > at / 2;
  return std::string(Trim(whole.substr(0, at_word ? word_end : at)));
}

events::v1::ReplyRecord ComposeReply(const Turn& turn, const absl::StatusOr<Completion>& answer,
                                     Time now) {
  events::v1::ReplyRecord record;
  record.set_organization_id(turn.organization_id);
  record.set_conversation_id(turn.conversation_id);
  record.set_turn_id(turn.ready.turn_id());
  record.set_created_at_us(ToMicros(now));
  if (!answer.ok()) {
    record.mutable_failure()->set_reason(ErrorReason(answer.status()));
    record.mutable_failure()->set_message(std::string(FromAbsl(answer.status().message())));
    return record;
  }
  std::string body = FitReply(answer->text);
  if (body.empty()) {
    record.mutable_failure()->set_reason("PROVIDER_EMPTY_ANSWER");
    record.mutable_failure()->set_message("The AI provider answered without any text.");
    return record;
  }
  record.mutable_text()->set_body(std::move(body));
  record.mutable_text()->set_model(answer->model);
  return record;
}

absl::Status TurnExpired() {
  return ErrorStatus(absl::StatusCode::kDeadlineExceeded, "TURN_EXPIRED",
                     "The AI's answer would have come too late, so none was given.");
}

}  // namespace parley::ai
