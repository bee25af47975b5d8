#include "spool/names.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/str_format.h"
#include "libs/base/status.h"

namespace parley::ingest {
namespace {
constexpr std::string_view kSegmentSuffix = ".spool";
constexpr std::size_t kDigits = 20;  // Of 2^64.
}  // namespace

std::string SegmentName(std::uint64_t first_sequence) {
  return absl::StrFormat("%020d%s", first_sequence, std::string(kSegmentSuffix));
}

bool IsSegmentName(std::string_view name) {
  return name.size() == kDigits + kSegmentSuffix.size() && name.ends_with(kSegmentSuffix) &&
         std::all_of(name.begin(), name.begin() + kDigits,
                     [](char c) { return c >= '0' && c <= '9'; });
}

std::string EncodeReplayed(std::uint64_t sequence) {
  const std::string digits = std::to_string(sequence);
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(digits.data()), digits.size());
  return absl::StrFormat("%s %08x\n", digits, static_cast<std::uint32_t>(crc));
}

absl::StatusOr<std::uint64_t> DecodeReplayed(std::string_view text) {
  std::uint64_t sequence = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), sequence);
  // A wrong digit would pass over records that nobody has: only exactly what was written counts.
  if (parsed.ec != std::errc() || EncodeReplayed(sequence) != text) {
    return ErrorStatus(absl::StatusCode::kDataLoss, "SPOOL_POSITION",
                       "The note of how far the spool was replayed is damaged.");
  }
  return sequence;
}

}  // namespace parley::ingest
