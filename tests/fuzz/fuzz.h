// What the fuzz targets share. A target checks properties, not only that nothing crashes.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "libs/base/text.h"
#include "libs/twilio/form.h"

// Ends the run at the input that breaks a property.
#define FUZZ_EXPECT(condition)                                                     \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)

namespace parley::fuzz {

inline std::string_view View(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Some bytes of the input as text that PostgreSQL and protobuf would take: what is no UTF-8, and
// NUL, becomes "?".
inline std::string CleanText(FuzzedDataProvider& input, std::size_t bytes_max) {
  std::string text = input.ConsumeRandomLengthString(bytes_max);
  std::string clean;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 0;
    for (std::size_t bytes = 1; bytes <= 4 && length == 0; ++bytes) {
      if (IsCleanUtf8(std::string_view(text).substr(at, bytes))) length = bytes;
    }
    clean += length == 0 ? "?" : text.substr(at, length);
    at += length == 0 ? 1 : length;
  }
  return clean;
}

// Parameters of clean text.
inline twilio::FormParams CleanParams(FuzzedDataProvider& input, std::size_t params_max) {
  twilio::FormParams params;
  const auto count = input.ConsumeIntegralInRange<std::size_t>(0, params_max);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = CleanText(input, 32);
    params.Add(name, CleanText(input, 200));
  }
  return params;
}

inline bool Equal(const twilio::FormParams& a, const twilio::FormParams& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == b[i])) return false;
  }
  return true;
}

}  // namespace parley::fuzz
