#include "spool/names.h"

#include <zlib.h>

#include <charconv>

#include "absl/strings/str_format.h"
#include "libs/base/status.h"

namespace parley::ingest {
namespace {
constexpr std::string_view kSegmentSuffix = ".spool";
}  // namespace

std::string SegmentName(std::uint64_t first_sequence) {
  return absl::StrFormat("%020d%s", first_sequence, std::string(kSegmentSuffix));
}

std::optional<std::uint64_t> ParseSegmentName(std::string_view name) {
  std::uint64_t sequence = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), sequence);
  if (parsed.ec != std::errc() || SegmentName(sequence) != name) return std::nullopt;
  return sequence;
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
