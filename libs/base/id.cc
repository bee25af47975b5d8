#include "libs/base/id.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <atomic>
#include <cstdlib>

namespace parley {
namespace {

// UUIDv5 of "parley" in the nil namespace; never to be changed, since stored ids follow from it.
constexpr std::array<unsigned char, 16> kNamespace = {
    0x9c, 0x1d, 0x4b, 0x5e, 0x70, 0x2a, 0x5f, 0x31, 0x8e, 0x44, 0x3b, 0x6a, 0x12, 0xd9, 0x07, 0xc8};

std::string Format(const unsigned char* bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kDigits[bytes[i] >> 4]);
    text.push_back(kDigits[bytes[i] & 15]);
  }
  return text;
}

void SetVersion(unsigned char* bytes, int version) {
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | (version << 4));
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
}

// Random bytes, fetched a block at a time: one call to OpenSSL for each id costs more than
// all the rest of it.
void FillRandom(unsigned char* out, std::size_t size) {
  thread_local std::array<unsigned char, 1024> pool;
  thread_local std::size_t used = pool.size();
  if (used + size > pool.size()) {
    if (RAND_bytes(pool.data(), static_cast<int>(pool.size())) != 1) std::abort();
    used = 0;
  }
  for (std::size_t i = 0; i < size; ++i) out[i] = pool[used++];
}

}  // namespace

std::string NewIdAt(Time now) {
  // 48 bits of milliseconds, then 12 bits of the microseconds within it (RFC 9562, method 3).
  const auto micros = static_cast<std::uint64_t>(ToMicros(now));
  const std::uint64_t millis = micros / 1000;
  const std::uint64_t fraction = micros % 1000 * 4096 / 1000;
  unsigned char bytes[16];
  FillRandom(bytes + 8, 8);
  for (int i = 0; i < 6; ++i) bytes[i] = static_cast<unsigned char>(millis >> (40 - 8 * i));
  bytes[6] = static_cast<unsigned char>(fraction >> 8);
  bytes[7] = static_cast<unsigned char>(fraction);
  SetVersion(bytes, 7);
  return Format(bytes);
}

std::string NewId() {
  static std::atomic<std::int64_t> last{0};
  // Two ids of one microsecond would be in random order: the later takes the next one.
  std::int64_t now = ToMicros(SystemClock().Now());
  std::int64_t seen = last.load(std::memory_order_relaxed);
  do {
    if (now <= seen) now = seen + 1;
  } while (!last.compare_exchange_weak(seen, now, std::memory_order_relaxed));
  return NewIdAt(FromMicros(now));
}

std::string DerivedId(std::initializer_list<std::string_view> parts) {
  std::string input(reinterpret_cast<const char*>(kNamespace.data()), kNamespace.size());
  for (const std::string_view part : parts) {
    input += std::to_string(part.size());
    input.push_back(':');
    input += part;
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(input.data(), input.size(), digest, &size, EVP_sha1(), nullptr) != 1) {
    std::abort();
  }
  SetVersion(digest, 5);
  return Format(digest);
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
      return false;
    }
  }
  return true;
}

}  // namespace parley
