// Spool segments: whatever a crash or a broken disk leaves, a reader sees only records that were
// written, whole and in their order, and all of them up to where a file was cut.
#include <vector>

#include "spool/segment.h"
#include "tests/fuzz/fuzz.h"

namespace parley::fuzz {
namespace {

using ingest::ScanSegment;
using ingest::SegmentScan;
using ingest::SpoolRecord;

// Views into `texts_`, which is filled once.
struct Written {
  std::vector<std::string> texts;
  std::vector<SpoolRecord> records;
  std::vector<std::size_t> ends;  // Of each record in the file.
  std::string file;
};

bool Same(const SpoolRecord& a, const SpoolRecord& b) {
  return a.sequence == b.sequence && a.appended_at == b.appended_at && a.topic == b.topic &&
         a.key == b.key && a.type == b.type && a.traceparent == b.traceparent && a.value == b.value;
}

Written Write(FuzzedDataProvider& input) {
  Written written;
  const auto salt = input.ConsumeIntegral<std::uint64_t>();
  std::uint64_t sequence = input.ConsumeIntegralInRange<std::uint64_t>(0, 1ull << 62);
  written.file = ingest::EncodeSegmentHeader({.first_sequence = sequence + 1, .salt = salt});
  const int count = input.ConsumeIntegralInRange(0, 6);
  for (int i = 0; i < 4 * count; ++i) {
    written.texts.push_back(input.ConsumeRandomLengthString(i % 4 == 3 ? 400 : 40));
  }
  for (std::size_t i = 0; i < written.texts.size(); i += 4) {
    sequence += input.ConsumeIntegralInRange<std::uint64_t>(1, 1000);
    const SpoolRecord record{.sequence = sequence,
                             .appended_at = FromMicros(input.ConsumeIntegralInRange<std::int64_t>(
                                 0, 4'000'000'000'000'000)),
                             .topic = static_cast<webhooks::Topic>(input.ConsumeIntegralInRange(
                                 0, static_cast<int>(webhooks::Topic::kQuarantine))),
                             .key = written.texts[i],
                             .type = written.texts[i + 1],
                             .traceparent = written.texts[i + 2],
                             .value = written.texts[i + 3]};
    const std::size_t before = written.file.size();
    FUZZ_EXPECT(ingest::AppendRecord(record, salt, written.file).ok());
    FUZZ_EXPECT(written.file.size() == before + ingest::EncodedBytes(record));
    written.records.push_back(record);
    written.ends.push_back(written.file.size());
  }
  return written;
}

// Whatever the bytes are: what is read as a record is one, checksum included, byte for byte.
void CheckAnyBytes(std::string_view file) {
  const auto header = ingest::DecodeSegmentHeader(file);
  std::size_t end = 0;
  ScanSegment(file, [&](const SpoolRecord& record, std::size_t offset) {
    FUZZ_EXPECT(header.ok() && offset >= end);
    std::string encoded;
    FUZZ_EXPECT(ingest::AppendRecord(record, header->salt, encoded).ok());
    FUZZ_EXPECT(file.substr(offset, encoded.size()) == encoded);
    end = offset + encoded.size();
  });
  if (header.ok()) {
    const std::string copy =
        ingest::EncodeSegmentHeader(*header).substr(0, ingest::kHeaderCopyBytes);
    FUZZ_EXPECT(file.starts_with(copy) || file.substr(copy.size()).starts_with(copy));
  }
}

// Reads `file`, checks what holds for any bytes, and returns which of `written` it held.
std::vector<std::size_t> Read(std::string_view file, const std::vector<SpoolRecord>& written) {
  std::vector<std::size_t> found;
  std::uint64_t last = 0;
  std::size_t end = 0;
  const SegmentScan scan = ScanSegment(file, [&](const SpoolRecord& record, std::size_t offset) {
    FUZZ_EXPECT(offset >= end && offset + ingest::EncodedBytes(record) <= file.size());
    FUZZ_EXPECT(record.sequence > last);
    last = record.sequence;
    end = offset + ingest::EncodedBytes(record);
    for (std::size_t i = 0; i < written.size(); ++i) {
      if (Same(record, written[i])) found.push_back(i);
    }
  });
  if (!scan.header.ok()) {
    FUZZ_EXPECT(scan.records == 0);
    return found;
  }
  FUZZ_EXPECT(scan.last_sequence == last);
  FUZZ_EXPECT(scan.good_bytes + scan.torn_bytes == file.size());
  FUZZ_EXPECT(scan.good_bytes + ingest::kHeaderCopyBytes >=
              ingest::kSegmentHeaderBytes + scan.damaged_bytes);
  FUZZ_EXPECT(end == 0 || scan.good_bytes == end);
  // Nothing that nobody wrote.
  FUZZ_EXPECT(found.size() == scan.records);
  return found;
}

void CheckWhole(const Written& written) {
  const std::vector<std::size_t> found = Read(written.file, written.records);
  FUZZ_EXPECT(found.size() == written.records.size());
  const SegmentScan scan = ScanSegment(written.file);
  FUZZ_EXPECT(scan.header.ok() && scan.torn_bytes == 0 && scan.damaged_bytes == 0);
}

void CheckCut(const Written& written, std::size_t bytes) {
  const std::vector<std::size_t> found =
      Read(std::string_view(written.file).substr(0, bytes), written.records);
  if (bytes < ingest::kSegmentHeaderBytes) return;
  std::size_t whole = 0;
  while (whole < written.ends.size() && written.ends[whole] <= bytes) ++whole;
  FUZZ_EXPECT(found.size() == whole);
}

// One place of the file is changed: only the records that it touches may be missing.
void CheckDamage(const Written& written, FuzzedDataProvider& input) {
  std::string file = written.file;
  const auto at = input.ConsumeIntegralInRange<std::size_t>(0, file.size() - 1);
  const std::string bytes = input.ConsumeRandomLengthString(16);
  const bool insert = input.ConsumeBool();
  const std::size_t removed =
      insert ? input.ConsumeIntegralInRange<std::size_t>(0, 16) : bytes.size();
  file.replace(at, removed, bytes);
  const std::vector<std::size_t> found = Read(file, written.records);
  if (at < ingest::kSegmentHeaderBytes) return;
  std::size_t untouched = 0;
  for (std::size_t i = 0; i < written.ends.size(); ++i) {
    const std::size_t begin = i == 0 ? ingest::kSegmentHeaderBytes : written.ends[i - 1];
    if (written.ends[i] <= at || begin >= at + removed) ++untouched;
  }
  FUZZ_EXPECT(found.size() >= untouched);
}

}  // namespace
}  // namespace parley::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley::fuzz;  // NOLINT: the entry point stands outside.
  CheckAnyBytes(View(data, size));
  FuzzedDataProvider input(data, size);
  const Written written = Write(input);
  CheckWhole(written);
  CheckCut(written, input.ConsumeIntegralInRange<std::size_t>(0, written.file.size()));
  CheckDamage(written, input);
  return 0;
}
