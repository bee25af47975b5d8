#include "libs/twilio/form.h"

#include <algorithm>
#include <array>

#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::twilio {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Decodes `text` to the end of `out`. Returns false at a bad escape.
bool DecodeTo(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '+') {
      out.push_back(' ');
    } else if (c == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(c);
    }
  }
  return true;
}

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

void EncodeTo(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const auto plain = static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), IsPlain) - text.begin());
    out.append(text, 0, plain);
    if (plain == text.size()) return;
    const auto byte = static_cast<unsigned char>(text[plain]);
    const char escape[] = {'%', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    out.append(escape, sizeof escape);
    text.remove_prefix(plain + 1);
  }
}

absl::Status CheckText(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    return InvalidArgument("FORM_NUL", "A parameter holds a NUL byte, which no text may contain.");
  }
  if (!IsCleanUtf8(text)) {
    return InvalidArgument("FORM_NOT_UTF8", "A parameter is not valid UTF-8.");
  }
  return absl::OkStatus();
}

}  // namespace

FormParams::FormParams(std::initializer_list<FormParam> params) {
  for (const FormParam& param : params) Add(param.name, param.value);
}

void FormParams::Reserve(std::size_t params, std::size_t bytes) {
  entries_.reserve(params);
  text_.reserve(bytes);
}

void FormParams::Add(std::string_view name, std::string_view value) {
  entries_.push_back({static_cast<std::uint32_t>(text_.size()),
                      static_cast<std::uint32_t>(name.size()),
                      static_cast<std::uint32_t>(value.size())});
  text_.append(name);
  text_.append(value);
}

bool FormParams::AddEncoded(std::string_view name, std::string_view value) {
  const std::size_t start = text_.size();
  if (!DecodeTo(name, text_)) return false;
  const std::size_t middle = text_.size();
  if (!DecodeTo(value, text_)) return false;
  entries_.push_back({static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(middle - start),
                      static_cast<std::uint32_t>(text_.size() - middle)});
  return true;
}

FormParam FormParams::operator[](std::size_t index) const {
  const Entry& entry = entries_[index];
  const std::string_view text = text_;
  return {text.substr(entry.offset, entry.name_bytes),
          text.substr(entry.offset + entry.name_bytes, entry.value_bytes)};
}

std::optional<std::string_view> FormParams::Find(std::string_view name) const {
  for (const FormParam param : *this) {
    if (param.name == name) return param.value;
  }
  return std::nullopt;
}

std::string_view FormParams::Get(std::string_view name) const {
  return Find(name).value_or(std::string_view());
}

std::vector<std::string_view> FormParams::All(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const FormParam param : *this) {
    if (param.name == name) values.push_back(param.value);
  }
  return values;
}

absl::StatusOr<FormParams> ParseForm(std::string_view body, const FormLimits& limits) {
  if (body.size() > limits.body_bytes_max) {
    return InvalidArgument("FORM_TOO_LARGE", "The form is larger than " +
                                                 std::to_string(limits.body_bytes_max) + " bytes.");
  }
  FormParams params;
  params.Reserve(32, body.size());
  std::size_t start = 0;
  while (start <= body.size()) {
    std::size_t end = body.find('&', start);
    if (end == std::string_view::npos) end = body.size();
    const std::string_view piece = body.substr(start, end - start);
    start = end + 1;
    if (piece.empty()) continue;
    if (params.size() == limits.params_max) {
      return InvalidArgument(
          "FORM_TOO_MANY_PARAMS",
          "The form has more than " + std::to_string(limits.params_max) + " parameters.");
    }
    const std::size_t equals = piece.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : piece.substr(equals + 1);
    if (!params.AddEncoded(piece.substr(0, equals), value)) {
      return InvalidArgument("FORM_BAD_ESCAPE",
                             "A \"%\" is not followed by two hexadecimal digits.");
    }
    const FormParam param = params[params.size() - 1];
    PARLEY_RETURN_IF_ERROR(CheckText(param.name));
    PARLEY_RETURN_IF_ERROR(CheckText(param.value));
  }
  return params;
}

std::string EncodeComponent(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  EncodeTo(text, out);
  return out;
}

void AppendFormParam(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out.push_back('&');
  EncodeTo(name, out);
  out.push_back('=');
  EncodeTo(value, out);
}

std::string EncodeForm(const FormParams& params) {
  std::string out;
  for (const FormParam param : params) AppendFormParam(out, param.name, param.value);
  return out;
}

}  // namespace parley::twilio
