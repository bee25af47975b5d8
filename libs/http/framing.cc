#include "libs/http/framing.h"

#include <algorithm>
#include <charconv>

#include "libs/base/text.h"

namespace parley::http {
namespace {

constexpr std::size_t kChunkDigitsMax = 15;
constexpr std::size_t kChunkLineBytesMax = 256;  // With its extensions, which nobody uses.
constexpr std::size_t kTrailerBytesMax = 8 << 10;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A field name is a token; the few characters of it that nobody uses are refused too.
bool IsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

}  // namespace

bool Framing::TakeHeader(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !IsName(line.substr(0, colon))) return false;
  const std::string name = Lower(line.substr(0, colon));
  const std::string_view value = Trim(line.substr(colon + 1));
  if (name == "content-length") {
    if (has_length_) return false;
    has_length_ = true;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), left_);
    return !value.empty() && value.front() != '-' && error == std::errc() &&
           end == value.data() + value.size();
  }
  if (name == "transfer-encoding") {
    if (is_chunked_) return false;
    is_chunked_ = true;
    return Lower(value) == "chunked";
  }
  return true;
}

bool Framing::EndHead() {
  if (has_length_ && is_chunked_) return false;
  if (is_chunked_) {
    state_ = State::kChunkSize;
  } else if (left_ > 0) {
    state_ = State::kSized;
  }
  return true;
}

std::size_t Framing::Allow(std::size_t wanted) const {
  switch (state_) {
    case State::kDone:
      return 0;
    case State::kSized:
    case State::kChunkData:
      return static_cast<std::size_t>(std::min<std::uint64_t>(wanted, left_));
    default:
      return std::min<std::size_t>(wanted, 1);
  }
}

bool Framing::Take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (state_ == State::kSized || state_ == State::kChunkData) {
      const std::size_t taken = Allow(bytes.size());
      left_ -= taken;
      bytes.remove_prefix(taken);
      if (left_ == 0) state_ = state_ == State::kSized ? State::kDone : State::kChunkEnd;
      continue;
    }
    if (state_ == State::kDone || !TakeByte(bytes.front())) return false;
    bytes.remove_prefix(1);
  }
  return true;
}

bool Framing::TakeByte(char c) {
  switch (state_) {
    case State::kChunkSize:
    case State::kChunkExtension:
      ++line_bytes_;
      if (line_bytes_ > kChunkLineBytesMax) return false;
      if (c == '\n') {
        if (line_bytes_ < 3) return false;  // A digit, CR and LF at least.
        line_bytes_ = 0;
        state_ = left_ == 0 ? State::kTrailer : State::kChunkData;
        return true;
      }
      if (state_ == State::kChunkExtension) return true;
      if (const int digit = HexValue(c); digit >= 0) {
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        return line_bytes_ <= kChunkDigitsMax;
      }
      state_ = State::kChunkExtension;
      return line_bytes_ > 1 && (c == '\r' || c == ';' || c == ' ' || c == '\t');
    case State::kChunkEnd:
      if (c == '\r' && line_bytes_ == 0) {
        ++line_bytes_;
        return true;
      }
      line_bytes_ = 0;
      state_ = State::kChunkSize;
      return c == '\n';
    case State::kTrailer:
      if (++trailer_bytes_ > kTrailerBytesMax) return false;
      if (c != '\n') {
        if (c != '\r') ++line_bytes_;
        return true;
      }
      if (line_bytes_ == 0) state_ = State::kDone;
      line_bytes_ = 0;
      return true;
    default:
      return false;
  }
}

}  // namespace parley::http
