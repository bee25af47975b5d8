#include "domain/auto_reply.h"

#include "domain/message.h"

namespace parley::gateway {
namespace {

constexpr std::size_t kCodePointsMax = 1600;  // The longest text that Twilio takes.

}  // namespace

std::string FillAutoReply(std::string_view text, std::string_view body, std::string_view name) {
  constexpr std::string_view kBody = "{body}";
  constexpr std::string_view kName = "{name}";
  std::string filled;
  while (!text.empty()) {
    if (text.starts_with(kBody)) {
      filled += body;
      text.remove_prefix(kBody.size());
    } else if (text.starts_with(kName)) {
      filled += name.empty() ? std::string_view("there") : name;
      text.remove_prefix(kName.size());
    } else {
      filled += text.front();
      text.remove_prefix(1);
    }
  }
  return CutText(filled, kCodePointsMax);
}

}  // namespace parley::gateway
