// Encodings that HTTP, forms and JSON need. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::simulator {

// Decoded parameters in the order in which they came; names may repeat.
using Params = std::vector<std::pair<std::string, std::string>>;

// A form with more parameters than this is refused.
inline constexpr std::size_t kFormParamsMax = 1000;

// Decodes %XX and "+"; a broken escape is kept as it stands.
std::string DecodeUrl(std::string_view text);
// Keeps RFC 3986's unreserved characters only.
std::string EncodeUrl(std::string_view text);
// Decodes application/x-www-form-urlencoded. Each part is split at its first "=".
Params ParseForm(std::string_view text);
std::string EncodeForm(const Params& params);

// The first value of `name`, or nullptr. The pointer lives as long as `params`.
const std::string* Find(const Params& params, std::string_view name);
std::string_view Get(const Params& params, std::string_view name, std::string_view fallback = {});
std::vector<std::string> GetAll(const Params& params, std::string_view name);

bool IsValidUtf8(std::string_view text);
// `text` must be valid UTF-8.
std::size_t CountCodePoints(std::string_view text);

// Appends `text` as a JSON string with its quotes. Invalid UTF-8 must not come here.
void AppendJson(std::string& out, std::string_view text);

std::string EncodeBase64(std::string_view bytes);
// Returns false, and leaves `out` unspecified, if `text` is not base64.
bool DecodeBase64(std::string_view text, std::string& out);

bool EqualsIgnoreCase(std::string_view a, std::string_view b);
std::string_view Trim(std::string_view text);
std::vector<std::string> Split(std::string_view text, char separator);
bool AllDigits(std::string_view text);
// Reads a decimal number that fills the whole text; false otherwise.
bool ParseInt(std::string_view text, std::int64_t& out);

}  // namespace parley::simulator
