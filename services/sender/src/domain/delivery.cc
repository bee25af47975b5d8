#include "domain/delivery.h"

#include <iterator>

namespace parley::sender {
namespace {
constexpr std::string_view kNames[] = {"queued",      "sending",  "sent",   "failed",
                                       "unconfirmed", "canceled", "expired"};
}

std::string_view StateName(State state) { return kNames[static_cast<std::size_t>(state)]; }

State ParseState(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<State>(i);
  }
  return State::kFailed;
}

bool IsFinal(State state) {
  switch (state) {
    case State::kQueued:
    case State::kSending:
    case State::kUnconfirmed:
      return false;
    case State::kSent:
    case State::kFailed:
    case State::kCanceled:
    case State::kExpired:
      return true;
  }
  return true;
}

}  // namespace parley::sender
