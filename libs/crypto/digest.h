// Digests and encodings. Pure; OpenSSL does the work.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace parley::crypto {

std::string Sha256(std::string_view data);                          // 32 raw bytes.
std::string HmacSha1(std::string_view key, std::string_view data);  // 20 raw bytes.
std::string Hex(std::string_view bytes);                            // Lower case.
std::string Base64(std::string_view bytes);                         // With padding.
// Errors: kInvalidArgument if `text` is not padded standard base64.
absl::StatusOr<std::string> Base64Decode(std::string_view text);
// Takes the same time wherever the two differ; lengths are not hidden.
bool ConstantTimeEquals(std::string_view a, std::string_view b);

}  // namespace parley::crypto
