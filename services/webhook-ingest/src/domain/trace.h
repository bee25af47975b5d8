// W3C trace context: one id follows a message through all services. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace parley::ingest {

// True for "00-<32 hex>-<16 hex>-<2 hex>" in lower case whose ids are not all zero.
bool IsTraceparent(std::string_view text);

// A new one out of 24 random bytes.
std::string MakeTraceparent(const std::array<std::uint64_t, 3>& random);

}  // namespace parley::ingest
