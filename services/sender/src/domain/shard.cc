#include "domain/shard.h"

#include <cstdint>

namespace parley::sender {

int ShardOf(std::string_view account_sid, std::string_view sender_number) {
  // FNV-1a, 64 bits, with a final mix because numbers differ in their last digits only.
  std::uint64_t hash = 14695981039346656037ULL;
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    }
  };
  add(account_sid);
  add("/");
  add(sender_number);
  hash ^= hash >> 32;
  hash *= 0x9E3779B97F4A7C15ULL;
  return static_cast<int>(hash >> 56);
}

}  // namespace parley::sender
