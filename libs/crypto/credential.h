// Passwords (argon2id) and random bearer tokens.
#pragma once

#include <string>
#include <string_view>

#include "libs/base/secret.h"

namespace parley::crypto {

// argon2id with libsodium's interactive limits (64 MiB, about 0.1 s). At most two run at once, so
// that log-ins cannot exhaust memory.
std::string HashPassword(const Secret& password);
bool VerifyPassword(const Secret& password, const std::string& hash);

// 32 random bytes as "<prefix>_<base64url>"; the prefix tells people and scanners what it is.
Secret NewToken(std::string_view prefix);

// What is stored instead of a token: SHA-256, hexadecimal. Tokens are random, so no salt.
std::string HashToken(std::string_view token);

}  // namespace parley::crypto
