// How many segments a text takes on the wire. Pure.
#pragma once

#include <string_view>

namespace parley::simulator {

struct Segments {
  bool gsm7 = true;  // Otherwise UCS-2.
  int units = 0;     // Septets or UTF-16 units.
  int count = 1;
};

// GSM-7: up to 160 units are one segment, else 153 each; UCS-2: 70, else 67. An item of two units
// is never split. An empty text is one segment. `text` must be valid UTF-8.
Segments CountSegments(std::string_view text);

}  // namespace parley::simulator
