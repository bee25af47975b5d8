// How many SMS segments a text takes (TWILIO.md 7): what it costs and how long a number is busy
// with it. Pure.
#pragma once

#include <string_view>

namespace parley::twilio {

enum class Encoding { kGsm7, kUcs2 };

struct SegmentCount {
  Encoding encoding = Encoding::kGsm7;
  int units = 0;     // GSM septets or UTF-16 units.
  int segments = 1;  // At least 1: an empty body with a picture is one message too.
};

// `text` must be valid UTF-8. One character outside GSM 03.38 switches the whole text to UCS-2. A
// pair (GSM escape, UTF-16 surrogates) is never split between two segments: it moves to the next.
SegmentCount CountSegments(std::string_view text);

}  // namespace parley::twilio
