#include "libs/twilio/segments.h"

#include <cstdint>

namespace parley::twilio {
namespace {

// Units of a message that fits in one segment, and of each part of one that does not (the rest
// is its concatenation header).
struct Capacity {
  int single;
  int part;
};
constexpr Capacity kGsmCapacity = {160, 153};
constexpr Capacity kUcsCapacity = {70, 67};

// Reads one code point of valid UTF-8 and moves `at` behind it.
char32_t NextCodePoint(std::string_view text, std::size_t& at) {
  const auto byte = [&text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(at);
  if (lead < 0x80) {
    at += 1;
    return lead;
  }
  if (lead < 0xE0) {
    const char32_t point = ((lead & 0x1F) << 6) | (byte(at + 1) & 0x3F);
    at += 2;
    return point;
  }
  if (lead < 0xF0) {
    const char32_t point =
        ((lead & 0x0F) << 12) | ((byte(at + 1) & 0x3F) << 6) | (byte(at + 2) & 0x3F);
    at += 3;
    return point;
  }
  const char32_t point = ((lead & 0x07) << 18) | ((byte(at + 1) & 0x3F) << 12) |
                         ((byte(at + 2) & 0x3F) << 6) | (byte(at + 3) & 0x3F);
  at += 4;
  return point;
}

// Septets of a character in GSM 03.38: 1, 2 (extension table), or 0 if it has none.
int GsmUnits(char32_t c) {
  if (c < 0x80) {
    switch (c) {
      case U'\n':
      case U'\r':
        return 1;
      case U'\f':
      case U'^':
      case U'{':
      case U'}':
      case U'[':
      case U']':
      case U'\\':
      case U'~':
      case U'|':
        return 2;
      case U'`':
        return 0;
      default:
        return c >= 0x20 && c < 0x7F ? 1 : 0;
    }
  }
  constexpr std::u32string_view kBasic = U"£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà";
  if (c == U'€') return 2;
  return kBasic.find(c) != std::u32string_view::npos ? 1 : 0;
}

int UcsUnits(char32_t c) { return c > 0xFFFF ? 2 : 1; }

template <class UnitsOf>
SegmentCount Count(std::string_view text, Encoding encoding, Capacity capacity, UnitsOf units_of) {
  SegmentCount count{.encoding = encoding};
  int parts = 1;
  int in_part = 0;
  for (std::size_t at = 0; at < text.size();) {
    const int units = units_of(NextCodePoint(text, at));
    count.units += units;
    if (in_part + units > capacity.part) {
      ++parts;
      in_part = 0;
    }
    in_part += units;
  }
  count.segments = count.units <= capacity.single ? 1 : parts;
  return count;
}

}  // namespace

SegmentCount CountSegments(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (GsmUnits(NextCodePoint(text, at)) == 0) {
      return Count(text, Encoding::kUcs2, kUcsCapacity, UcsUnits);
    }
  }
  return Count(text, Encoding::kGsm7, kGsmCapacity, GsmUnits);
}

}  // namespace parley::twilio
