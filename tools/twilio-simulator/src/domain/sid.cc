#include "domain/sid.h"

namespace parley::simulator {
namespace {

void AppendHex(std::string& out, std::uint64_t value) {
  constexpr char kHex[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kHex[(value >> shift) & 15]);
}

std::optional<std::uint64_t> ReadHex(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    std::uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
    value = (value << 4) | digit;
  }
  return value;
}

std::uint64_t UnshiftXor(std::uint64_t value, int shift) {
  std::uint64_t result = value;
  for (int done = shift; done < 64; done += shift) result = value ^ (result >> shift);
  return result;
}

// Undoes Scatter: the inverse constants are those of the multiplications modulo 2^64.
std::uint64_t Gather(std::uint64_t value) {
  value = UnshiftXor(value, 31);
  value *= 0x319642B2D24D8EC3ULL;
  value = UnshiftXor(value, 27);
  value *= 0x96DE1B173F119089ULL;
  value = UnshiftXor(value, 30);
  return value - 0x9E3779B97F4A7C15ULL;
}

}  // namespace

std::uint64_t Scatter(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

std::string SidCodec::Encode(std::string_view prefix, std::uint64_t number) const {
  const std::uint64_t low = Scatter(number ^ key_);
  std::string sid(prefix);
  sid.reserve(34);
  AppendHex(sid, Scatter(low + key_));
  AppendHex(sid, low);
  return sid;
}

std::optional<std::uint64_t> SidCodec::Decode(std::string_view sid) const {
  if (sid.size() != 34) return std::nullopt;
  const auto high = ReadHex(sid.substr(2, 16));
  const auto low = ReadHex(sid.substr(18, 16));
  if (!high || !low || *high != Scatter(*low + key_)) return std::nullopt;
  return Gather(*low) ^ key_;
}

std::string DerivedSid(std::string_view prefix, std::string_view text) {
  std::uint64_t high = 0x243F6A8885A308D3ULL;
  std::uint64_t low = 0x13198A2E03707344ULL;
  for (const char c : text) {
    high = Scatter(high ^ static_cast<unsigned char>(c));
    low = Scatter(low + high);
  }
  std::string sid(prefix);
  AppendHex(sid, high);
  AppendHex(sid, low);
  return sid;
}

bool HasSidShape(std::string_view text, std::string_view prefix) {
  return text.size() == 34 && text.substr(0, 2) == prefix && ReadHex(text.substr(2, 16)) &&
         ReadHex(text.substr(18, 16));
}

std::string FormatUuid(std::uint64_t high, std::uint64_t low) {
  high = (high & ~0xF000ULL) | 0x4000ULL;
  low = (low & ~(3ULL << 62)) | (2ULL << 62);
  std::string hex;
  AppendHex(hex, high);
  AppendHex(hex, low);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

}  // namespace parley::simulator
