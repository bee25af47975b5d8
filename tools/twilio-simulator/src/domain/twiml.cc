#include "domain/twiml.h"

#include <cstdint>
#include <optional>

namespace parley::simulator {
namespace {

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == ':' || c == '.';
}

void AppendUtf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (point >> 6)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3F)));
  } else if (point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (point >> 12)));
    out.push_back(static_cast<char>(0x80 | ((point >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (point >> 18)));
    out.push_back(static_cast<char>(0x80 | ((point >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((point >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3F)));
  }
}

// A recursive descent over elements whose depth is bounded by kTwimlDepthMax.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<XmlElement> Document() {
    if (rest_.substr(0, 3) == "\xEF\xBB\xBF") rest_.remove_prefix(3);
    if (!SkipMisc()) return std::nullopt;
    XmlElement root;
    if (!Element(root, 1)) return std::nullopt;
    if (!SkipMisc() || !rest_.empty()) return std::nullopt;
    return root;
  }

 private:
  bool StartsWith(std::string_view prefix) const {
    return rest_.substr(0, prefix.size()) == prefix;
  }

  void SkipSpace() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_[0]) != std::string_view::npos) {
      rest_.remove_prefix(1);
    }
  }

  bool SkipPast(std::string_view end) {
    const std::size_t at = rest_.find(end);
    if (at == std::string_view::npos) return false;
    rest_.remove_prefix(at + end.size());
    return true;
  }

  // Spaces, comments and processing instructions. A DOCTYPE is refused: TwiML has none.
  bool SkipMisc() {
    while (true) {
      SkipSpace();
      if (StartsWith("<?")) {
        if (!SkipPast("?>")) return false;
      } else if (StartsWith("<!--")) {
        if (!SkipPast("-->")) return false;
      } else {
        return true;
      }
    }
  }

  bool Name(std::string& out) {
    std::size_t length = 0;
    while (length < rest_.size() && IsNameChar(rest_[length])) ++length;
    if (length == 0) return false;
    out = std::string(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return true;
  }

  bool Unescape(std::string_view text, std::string& out) {
    while (!text.empty()) {
      const std::size_t amp = text.find('&');
      out += text.substr(0, amp);
      if (amp == std::string_view::npos) return true;
      const std::size_t end = text.find(';', amp);
      if (end == std::string_view::npos) return false;
      std::string_view entity = text.substr(amp + 1, end - amp - 1);
      text.remove_prefix(end + 1);
      if (entity == "amp") {
        out.push_back('&');
      } else if (entity == "lt") {
        out.push_back('<');
      } else if (entity == "gt") {
        out.push_back('>');
      } else if (entity == "quot") {
        out.push_back('"');
      } else if (entity == "apos") {
        out.push_back('\'');
      } else if (entity.size() > 1 && entity.size() <= 8 && entity[0] == '#') {
        const bool hex = entity[1] == 'x';
        std::uint32_t point = 0;
        entity.remove_prefix(hex ? 2 : 1);
        if (entity.empty()) return false;
        for (const char c : entity) {
          std::uint32_t digit = 0;
          if (c >= '0' && c <= '9') {
            digit = static_cast<std::uint32_t>(c - '0');
          } else if (hex && c >= 'a' && c <= 'f') {
            digit = static_cast<std::uint32_t>(c - 'a' + 10);
          } else if (hex && c >= 'A' && c <= 'F') {
            digit = static_cast<std::uint32_t>(c - 'A' + 10);
          } else {
            return false;
          }
          point = point * (hex ? 16 : 10) + digit;
        }
        if (point == 0 || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
        AppendUtf8(out, point);
      } else {
        return false;
      }
    }
    return true;
  }

  bool Attributes(XmlElement& element) {
    while (true) {
      SkipSpace();
      if (rest_.empty()) return false;
      if (rest_[0] == '>' || rest_[0] == '/') return true;
      std::string key, value;
      if (!Name(key)) return false;
      SkipSpace();
      if (rest_.empty() || rest_[0] != '=') return false;
      rest_.remove_prefix(1);
      SkipSpace();
      if (rest_.empty() || (rest_[0] != '"' && rest_[0] != '\'')) return false;
      const char quote = rest_[0];
      rest_.remove_prefix(1);
      const std::size_t end = rest_.find(quote);
      if (end == std::string_view::npos || !Unescape(rest_.substr(0, end), value)) return false;
      rest_.remove_prefix(end + 1);
      element.attributes.emplace_back(std::move(key), std::move(value));
    }
  }

  bool Element(XmlElement& element, int depth) {
    if (depth > kTwimlDepthMax || rest_.empty() || rest_[0] != '<') return false;
    rest_.remove_prefix(1);
    if (!Name(element.name) || !Attributes(element)) return false;
    if (StartsWith("/>")) {
      rest_.remove_prefix(2);
      return true;
    }
    if (rest_[0] != '>') return false;
    rest_.remove_prefix(1);
    while (true) {
      const std::size_t markup = rest_.find('<');
      if (markup == std::string_view::npos) return false;
      if (!Unescape(rest_.substr(0, markup), element.text)) return false;
      rest_.remove_prefix(markup);
      if (StartsWith("</")) {
        rest_.remove_prefix(2);
        std::string name;
        if (!Name(name) || name != element.name) return false;
        SkipSpace();
        if (rest_.empty() || rest_[0] != '>') return false;
        rest_.remove_prefix(1);
        element.text = std::string(Trim(element.text));
        return true;
      }
      if (StartsWith("<!--")) {
        if (!SkipPast("-->")) return false;
      } else if (StartsWith("<![CDATA[")) {
        rest_.remove_prefix(9);
        const std::size_t end = rest_.find("]]>");
        if (end == std::string_view::npos) return false;
        element.text += rest_.substr(0, end);
        rest_.remove_prefix(end + 3);
      } else if (StartsWith("<?")) {
        if (!SkipPast("?>")) return false;
      } else {
        element.children.emplace_back();
        if (!Element(element.children.back(), depth + 1)) return false;
      }
    }
  }

  std::string_view rest_;
};

}  // namespace

std::string_view XmlElement::Attribute(std::string_view key, std::string_view fallback) const {
  return Get(attributes, key, fallback);
}

const XmlElement* XmlElement::Child(std::string_view child_name) const {
  for (const XmlElement& child : children) {
    if (child.name == child_name) return &child;
  }
  return nullptr;
}

std::variant<XmlElement, TwimlError> ParseTwiml(std::string_view text) {
  if (text.size() > kTwimlBytesMax) return TwimlError{11750, "the answer is longer than 64 kB"};
  if (!IsValidUtf8(text)) return TwimlError{12100, "the answer is not UTF-8"};
  std::optional<XmlElement> root = Parser(text).Document();
  if (!root) return TwimlError{12100, "the answer is not well-formed XML"};
  if (root->name != "Response") return TwimlError{12200, "the answer has no <Response>"};
  return *std::move(root);
}

}  // namespace parley::simulator
