// Small text rules that input checks and logs share. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace parley {

// True if `text` is well-formed UTF-8 without NUL. PostgreSQL and protobuf refuse the rest.
bool IsCleanUtf8(std::string_view text);

// Number of Unicode code points; `text` must be valid UTF-8.
std::size_t CodePoints(std::string_view text);

// True for E.164: "+", then 2 to 15 digits, the first not 0. Only the shape is checked.
bool IsE164(std::string_view text);

// For logs: the last two digits stay, the rest is masked ("+15005550006" -> "+1500*****06").
// Prefixes such as "whatsapp:" are kept.
std::string MaskNumber(std::string_view number);

std::string Lower(std::string_view text);                                    // ASCII only.
std::string_view Trim(std::string_view text);                                // ASCII white space.
std::vector<std::string_view> Split(std::string_view text, char separator);  // Keeps empty parts.

}  // namespace parley
