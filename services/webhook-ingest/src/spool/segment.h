// The spool's file format. Pure: bytes in, bytes out.
//
// A segment is a header, written twice because no record can be read without it, and then records,
// each with a marker, its length and a CRC-32 that covers length and content. Records that were
// acknowledged are never torn; what a crash may leave is a last record that nobody was promised, so
// whoever reads a segment stops there. Bytes that a broken disk changed are stepped over: the next
// good record is looked for.
//
// The CRC begins with the segment's salt, which nobody outside knows: a customer's text cannot
// contain what would pass for a record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/webhooks/records.h"

namespace parley::ingest {

inline constexpr std::size_t kHeaderCopyBytes = 32;
inline constexpr std::size_t kSegmentHeaderBytes = 2 * kHeaderCopyBytes;
// One record with all that surrounds it. Kafka takes no more either; a webhook of 64 KiB becomes
// about 200 KiB at most.
inline constexpr std::size_t kSpoolRecordBytesMax = 1 << 20;

struct SegmentHeader {
  std::uint64_t first_sequence = 0;  // No record has a smaller one.
  std::uint64_t salt = 0;            // Random.
};

// A record as it lies in a segment; views into its bytes.
struct SpoolRecord {
  std::uint64_t sequence = 0;  // Rises from record to record, from segment to segment.
  Time appended_at;
  webhooks::Topic topic = webhooks::Topic::kInbound;
  std::string_view key;
  std::string_view type;
  std::string_view traceparent;
  std::string_view value;
};

std::string EncodeSegmentHeader(const SegmentHeader& header);

// One good copy is enough. Errors: kDataLoss SPOOL_HEADER (no segment, or a torn one);
// kFailedPrecondition SPOOL_VERSION (another version of Parley wrote it).
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view file);

// What AppendRecord will add.
std::size_t EncodedBytes(const SpoolRecord& record);

// Errors: kInvalidArgument SPOOL_RECORD_TOO_LARGE; `out` is then as before.
absl::Status AppendRecord(const SpoolRecord& record, std::uint64_t salt, std::string& out);

enum class Parsed {
  kRecord,
  kIncomplete,  // More bytes might make it one.
  kInvalid,
};

struct ParsedRecord {
  Parsed outcome = Parsed::kInvalid;
  std::size_t bytes = 0;  // That it takes up; for kRecord only.
  SpoolRecord record;     // For kRecord only.
};

// Reads the record at the beginning of `bytes`, whose sequence must exceed `after_sequence`.
ParsedRecord ParseRecord(std::string_view bytes, std::uint64_t salt, std::uint64_t after_sequence);

// Where the next whole record begins; npos if there is none.
std::size_t FindRecord(std::string_view bytes, std::uint64_t salt, std::uint64_t after_sequence);

struct SegmentScan {
  absl::Status header;  // Of DecodeSegmentHeader; if not OK the rest is 0.
  std::uint64_t first_sequence = 0;
  std::uint64_t last_sequence = 0;  // 0: no record.
  std::uint64_t records = 0;
  std::size_t good_bytes = 0;  // Up to the end of the last whole record.
  // Before that: a copy of the header, and places that had to be stepped over.
  std::size_t damaged_bytes = 0;
  std::size_t torn_bytes = 0;  // Behind it.
};

// Reads a whole segment, whatever its bytes are, and never beyond them. `visit` sees each whole
// record and where it begins.
SegmentScan ScanSegment(
    std::string_view file,
    const std::function<void(const SpoolRecord& record, std::size_t offset)>& visit = {});

}  // namespace parley::ingest
