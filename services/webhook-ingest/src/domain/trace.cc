#include "domain/trace.h"

#include <algorithm>

namespace parley::ingest {
namespace {

bool IsLowerHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool IsId(std::string_view text) {
  return std::all_of(text.begin(), text.end(), IsLowerHex) &&
         text.find_first_not_of('0') != std::string_view::npos;
}

void AppendHex(std::uint64_t value, std::string& out) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kHexDigits[(value >> shift) & 15]);
}

}  // namespace

bool IsTraceparent(std::string_view text) {
  return text.size() == 55 && text.substr(0, 3) == "00-" && text[35] == '-' && text[52] == '-' &&
         IsId(text.substr(3, 32)) && IsId(text.substr(36, 16)) && IsLowerHex(text[53]) &&
         IsLowerHex(text[54]);
}

std::string MakeTraceparent(const std::array<std::uint64_t, 3>& random) {
  std::string out = "00-";
  out.reserve(55);
  AppendHex(random[0], out);
  AppendHex(random[1] | 1, out);  // Never all zero.
  out.push_back('-');
  AppendHex(random[2] | 1, out);
  return out.append("-01");
}

}  // namespace parley::ingest
