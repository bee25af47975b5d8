#include "libs/postgres/array.h"

#include <charconv>

namespace parley::postgres {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 0;
}

void AppendHex(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
}

}  // namespace

void Array::Separate() {
  if (!text_.empty()) text_.push_back(',');
}

Array& Array::Add(std::string_view text) {
  Separate();
  text_.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') text_.push_back('\\');
    text_.push_back(c);
  }
  text_.push_back('"');
  return *this;
}

Array& Array::Add(std::int64_t number) {
  Separate();
  text_ += std::to_string(number);
  return *this;
}

Array& Array::Add(double number) {
  Separate();
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, number);
  text_.append(buffer, result.ptr);
  return *this;
}

Array& Array::Add(bool flag) {
  Separate();
  text_ += flag ? "t" : "f";
  return *this;
}

Array& Array::Add(Time time) { return Add(std::string_view(FormatTime(time))); }

Array& Array::AddBytes(std::string_view bytes) {
  Separate();
  text_ += "\"\\\\x";
  AppendHex(text_, bytes);
  text_.push_back('"');
  return *this;
}

Array& Array::AddNull() {
  Separate();
  text_ += "NULL";
  return *this;
}

std::string Bytea(std::string_view bytes) {
  std::string text = "\\x";
  text.reserve(2 + bytes.size() * 2);
  AppendHex(text, bytes);
  return text;
}

std::string FromBytea(std::string_view text) {
  std::string bytes;
  if (!text.starts_with("\\x")) return bytes;
  text.remove_prefix(2);
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(HexDigit(text[i]) << 4 | HexDigit(text[i + 1])));
  }
  return bytes;
}

std::vector<std::string> ParseArray(std::string_view text) {
  std::vector<std::string> elements;
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return elements;
  text = text.substr(1, text.size() - 2);
  std::size_t i = 0;
  while (i < text.size()) {
    std::string element;
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        element.push_back(text[i]);
      }
      ++i;
    } else {
      const std::size_t end = text.find(',', i);
      element = text.substr(i, end == std::string_view::npos ? end : end - i);
      i += element.size();
      if (element == "NULL") element.clear();
    }
    elements.push_back(std::move(element));
    ++i;  // The comma.
  }
  return elements;
}

}  // namespace parley::postgres
