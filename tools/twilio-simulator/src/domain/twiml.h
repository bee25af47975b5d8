// Reads the TwiML that a webhook answers with. Pure; written for hostile input.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/text.h"

namespace parley::simulator {

inline constexpr std::size_t kTwimlBytesMax = 64 << 10;  // 11750 above it.
inline constexpr int kTwimlDepthMax = 8;

struct XmlElement {
  std::string name;
  Params attributes;
  std::string text;  // The element's own text, without its children's, trimmed.
  std::vector<XmlElement> children;

  std::string_view Attribute(std::string_view key, std::string_view fallback = {}) const;
  const XmlElement* Child(std::string_view child_name) const;
};

struct TwimlError {
  int code = 12100;  // 11750 too long, 12100 not XML, 12200 not TwiML, 12300 wrong type.
  std::string reason;
};

// The <Response> element.
std::variant<XmlElement, TwimlError> ParseTwiml(std::string_view text);

}  // namespace parley::simulator
