#include "domain/segments.h"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace parley::simulator {
namespace {

char32_t TakePoint(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t point = length == 1 ? lead : lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length && i < text.size(); ++i) {
    point = (point << 6) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  text.remove_prefix(std::min(length, text.size()));
  return point;
}

// The septets of one character, 0 if GSM-7 has none.
int GsmUnits(char32_t point) {
  static const std::unordered_map<char32_t, int> kUnits = [] {
    std::unordered_map<char32_t, int> units;
    constexpr std::u32string_view kBasic =
        U"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
        U"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    constexpr std::u32string_view kExtension = U"^{}[]\\~€|\f";
    for (const char32_t c : kBasic) units[c] = 1;
    for (const char32_t c : kExtension) units[c] = 2;
    return units;
  }();
  const auto found = kUnits.find(point);
  return found == kUnits.end() ? 0 : found->second;
}

int CountPacked(const std::vector<int>& items, int whole, int part) {
  int total = 0;
  for (const int item : items) total += item;
  if (total <= whole) return 1;
  int count = 1;
  int used = 0;
  for (const int item : items) {
    if (used + item > part) {
      ++count;
      used = 0;
    }
    used += item;
  }
  return count;
}

}  // namespace

Segments CountSegments(std::string_view text) {
  // Plain ASCII that is short: by far the most common case, and the hot one.
  if (text.size() <= 160) {
    bool plain = true;
    for (const char c : text) {
      const bool simple = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '%' && c <= '?') || c == ' ' || c == '!' || c == '@';
      if (!simple) {
        plain = false;
        break;
      }
    }
    if (plain) return {true, static_cast<int>(text.size()), 1};
  }
  std::vector<int> gsm;
  std::vector<int> ucs2;
  bool gsm7 = true;
  int gsm_total = 0;
  int ucs2_total = 0;
  while (!text.empty()) {
    const char32_t point = TakePoint(text);
    const int septets = GsmUnits(point);
    gsm7 = gsm7 && septets > 0;
    gsm.push_back(septets);
    ucs2.push_back(point > 0xFFFF ? 2 : 1);
    gsm_total += septets;
    ucs2_total += ucs2.back();
  }
  if (gsm7) return {true, gsm_total, CountPacked(gsm, 160, 153)};
  return {false, ucs2_total, CountPacked(ucs2, 70, 67)};
}

}  // namespace parley::simulator
