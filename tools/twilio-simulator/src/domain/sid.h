// Makes SIDs: two letters and 32 lowercase hexadecimal digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parley::simulator {

// Turns numbers 0, 1, 2 … into SIDs that look random and back again, so that messages need no
// index by SID. Two codecs with different keys make different SIDs: each process draws its own,
// and no SID comes twice. Pure.
class SidCodec {
 public:
  explicit SidCodec(std::uint64_t key) : key_(key) {}

  std::string Encode(std::string_view prefix, std::uint64_t number) const;
  // The number in `sid`, whatever its prefix; nothing if this codec did not make it.
  std::optional<std::uint64_t> Decode(std::string_view sid) const;

 private:
  std::uint64_t key_;
};

// Always the same SID for the same text: numbers keep theirs over a restart.
std::string DerivedSid(std::string_view prefix, std::string_view text);

bool HasSidShape(std::string_view text, std::string_view prefix);

// The splitmix64 step: a bijection that scatters its input.
std::uint64_t Scatter(std::uint64_t value);

// A random UUID from two random words.
std::string FormatUuid(std::uint64_t high, std::uint64_t low);

}  // namespace parley::simulator
