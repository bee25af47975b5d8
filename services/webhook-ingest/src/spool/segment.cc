#include "spool/segment.h"

#include <zlib.h>

#include <array>
#include <limits>
#include <type_traits>

#include "libs/base/status.h"

namespace parley::ingest {
namespace {

// 0xFF occurs in no UTF-8 text, so a text never looks like a record's beginning.
constexpr std::string_view kMarker = "\xffPSR";
constexpr std::string_view kMagic = "PRLSPOOL";
constexpr std::uint32_t kVersion = 2;  // 1 had the header once.
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kCrcBytes = 4;
// Marker, length, CRC; then sequence, time, topic and the lengths of three texts.
constexpr std::size_t kFrameBytes = 4 + kLengthBytes + kCrcBytes;
constexpr std::size_t kFixedBytes = 8 + 8 + 1 + 3 * 2;
// Magic, version, first sequence, salt, CRC.
static_assert(kHeaderCopyBytes == kMagic.size() + 4 + 8 + 8 + kCrcBytes);
static_assert(kSpoolRecordBytesMax < std::numeric_limits<std::uint32_t>::max());

template <class Integer>
void Put(Integer value, std::string& out) {
  const auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
  std::array<char, sizeof(Integer)> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bits >> (8 * i));
  out.append(bytes.data(), bytes.size());
}

// The caller has seen that the bytes are there.
template <class Integer>
Integer Take(std::string_view& bytes) {
  std::make_unsigned_t<Integer> bits = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    bits = static_cast<std::make_unsigned_t<Integer>>(
        bits | (static_cast<std::make_unsigned_t<Integer>>(static_cast<unsigned char>(bytes[i]))
                << (8 * i)));
  }
  bytes.remove_prefix(sizeof(Integer));
  return static_cast<Integer>(bits);
}

std::string_view TakeText(std::string_view& bytes, std::size_t size) {
  const std::string_view text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return text;
}

std::uint32_t Crc(std::uint64_t salt, std::string_view length, std::string_view payload) {
  std::string salted;
  Put(salt, salted);
  salted.append(length);
  const auto add = [](uLong crc, std::string_view bytes) {
    return crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  };
  return static_cast<std::uint32_t>(add(add(0, salted), payload));
}

// The numbers on disk; they outlive whatever the enumeration becomes.
std::uint8_t TopicNumber(webhooks::Topic topic) {
  switch (topic) {
    case webhooks::Topic::kInbound:
      return 1;
    case webhooks::Topic::kConsent:
      return 2;
    case webhooks::Topic::kDeliveryStatus:
      return 3;
    case webhooks::Topic::kQuarantine:
      return 4;
  }
  return 0;
}

bool TopicOf(std::uint8_t number, webhooks::Topic& topic) {
  for (const webhooks::Topic known :
       {webhooks::Topic::kInbound, webhooks::Topic::kConsent, webhooks::Topic::kDeliveryStatus,
        webhooks::Topic::kQuarantine}) {
    if (TopicNumber(known) != number) continue;
    topic = known;
    return true;
  }
  return false;
}

bool ParsePayload(std::string_view payload, std::uint64_t after_sequence, SpoolRecord& record) {
  record.sequence = Take<std::uint64_t>(payload);
  record.appended_at = FromMicros(Take<std::int64_t>(payload));
  const auto topic = Take<std::uint8_t>(payload);
  const std::size_t key_bytes = Take<std::uint16_t>(payload);
  const std::size_t type_bytes = Take<std::uint16_t>(payload);
  const std::size_t trace_bytes = Take<std::uint16_t>(payload);
  if (key_bytes + type_bytes + trace_bytes > payload.size()) return false;
  record.key = TakeText(payload, key_bytes);
  record.type = TakeText(payload, type_bytes);
  record.traceparent = TakeText(payload, trace_bytes);
  record.value = payload;
  return TopicOf(topic, record.topic) && record.sequence > after_sequence;
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string out(kMagic);
  Put(kVersion, out);
  Put(header.first_sequence, out);
  Put(header.salt, out);
  Put(Crc(0, {}, out), out);
  return out + out;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view file) {
  const absl::Status damaged = ErrorStatus(absl::StatusCode::kDataLoss, "SPOOL_HEADER",
                                           "This is no segment of a spool, or its beginning is "
                                           "damaged.");
  if (file.size() < kSegmentHeaderBytes) return damaged;
  for (const std::size_t at : {std::size_t{0}, kHeaderCopyBytes}) {
    const std::string_view copy = file.substr(at, kHeaderCopyBytes);
    if (!copy.starts_with(kMagic)) continue;
    std::string_view rest = copy.substr(kMagic.size());
    const auto version = Take<std::uint32_t>(rest);
    SegmentHeader header;
    header.first_sequence = Take<std::uint64_t>(rest);
    header.salt = Take<std::uint64_t>(rest);
    const std::string_view checked = copy.substr(0, kHeaderCopyBytes - kCrcBytes);
    if (Take<std::uint32_t>(rest) != Crc(0, {}, checked)) continue;
    if (version == kVersion) return header;
    return FailedPrecondition(
        "SPOOL_VERSION",
        "Another version of Parley wrote this segment; let that version replay it.");
  }
  return damaged;
}

std::size_t EncodedBytes(const SpoolRecord& record) {
  return kFrameBytes + kFixedBytes + record.key.size() + record.type.size() +
         record.traceparent.size() + record.value.size();
}

absl::Status AppendRecord(const SpoolRecord& record, std::uint64_t salt, std::string& out) {
  constexpr std::size_t kTextBytesMax = std::numeric_limits<std::uint16_t>::max();
  const std::size_t bytes = EncodedBytes(record);
  if (bytes > kSpoolRecordBytesMax || record.key.size() > kTextBytesMax ||
      record.type.size() > kTextBytesMax || record.traceparent.size() > kTextBytesMax) {
    return InvalidArgument("SPOOL_RECORD_TOO_LARGE", "The record is too large to be stored.");
  }
  const std::size_t begin = out.size();
  out.append(kMarker);
  Put(static_cast<std::uint32_t>(bytes - kFrameBytes), out);
  out.append(kCrcBytes, '\0');
  Put(record.sequence, out);
  Put(ToMicros(record.appended_at), out);
  Put(TopicNumber(record.topic), out);
  Put(static_cast<std::uint16_t>(record.key.size()), out);
  Put(static_cast<std::uint16_t>(record.type.size()), out);
  Put(static_cast<std::uint16_t>(record.traceparent.size()), out);
  out.append(record.key).append(record.type).append(record.traceparent).append(record.value);
  const std::string_view written = std::string_view(out).substr(begin);
  std::string crc;
  Put(Crc(salt, written.substr(kMarker.size(), kLengthBytes), written.substr(kFrameBytes)), crc);
  out.replace(begin + kMarker.size() + kLengthBytes, kCrcBytes, crc);
  return absl::OkStatus();
}

ParsedRecord ParseRecord(std::string_view bytes, std::uint64_t salt, std::uint64_t after_sequence) {
  if (bytes.size() < kFrameBytes) return {.outcome = Parsed::kIncomplete};
  if (!bytes.starts_with(kMarker)) return {};
  const std::string_view length_bytes = bytes.substr(kMarker.size(), kLengthBytes);
  std::string_view rest = bytes.substr(kMarker.size());
  const std::size_t length = Take<std::uint32_t>(rest);
  const auto crc = Take<std::uint32_t>(rest);
  if (length < kFixedBytes || length > kSpoolRecordBytesMax - kFrameBytes) return {};
  if (rest.size() < length) return {.outcome = Parsed::kIncomplete};
  const std::string_view payload = rest.substr(0, length);
  if (crc != Crc(salt, length_bytes, payload)) return {};
  ParsedRecord parsed;
  if (!ParsePayload(payload, after_sequence, parsed.record)) return {};
  parsed.outcome = Parsed::kRecord;
  parsed.bytes = kFrameBytes + length;
  return parsed;
}

std::size_t FindRecord(std::string_view bytes, std::uint64_t salt, std::uint64_t after_sequence) {
  for (std::size_t at = bytes.find(kMarker); at != std::string_view::npos;
       at = bytes.find(kMarker, at + 1)) {
    if (ParseRecord(bytes.substr(at), salt, after_sequence).outcome == Parsed::kRecord) return at;
  }
  return std::string_view::npos;
}

SegmentScan ScanSegment(std::string_view file,
                        const std::function<void(const SpoolRecord&, std::size_t)>& visit) {
  SegmentScan scan;
  const absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(file);
  scan.header = header.status();
  if (!header.ok()) return scan;
  scan.first_sequence = header->first_sequence;
  scan.good_bytes = kSegmentHeaderBytes;
  if (!file.starts_with(EncodeSegmentHeader(*header))) scan.damaged_bytes = kHeaderCopyBytes;
  std::uint64_t after = header->first_sequence == 0 ? 0 : header->first_sequence - 1;
  while (scan.good_bytes < file.size()) {
    std::string_view rest = file.substr(scan.good_bytes);
    ParsedRecord parsed = ParseRecord(rest, header->salt, after);
    if (parsed.outcome != Parsed::kRecord) {
      const std::size_t skipped = FindRecord(rest, header->salt, after);
      if (skipped == std::string_view::npos) break;
      scan.damaged_bytes += skipped;
      scan.good_bytes += skipped;
      continue;
    }
    if (visit) visit(parsed.record, scan.good_bytes);
    after = parsed.record.sequence;
    ++scan.records;
    scan.last_sequence = after;
    scan.good_bytes += parsed.bytes;
  }
  scan.torn_bytes = file.size() - scan.good_bytes;
  return scan;
}

}  // namespace parley::ingest
