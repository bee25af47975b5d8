#include "spool/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::ingest {
namespace {

using webhooks::Topic;

constexpr std::uint64_t kSalt = 0x1122334455667788;

SpoolRecord Record(std::uint64_t sequence, std::string_view value, Topic topic = Topic::kInbound) {
  return {.sequence = sequence,
          .appended_at = FromMicros(1'700'000'000'000'000),
          .topic = topic,
          .key = "AC1/+15005550006/+15005550010",
          .type = "parley.events.v1.InboundRecord",
          .traceparent = "00-1-2-01",
          .value = value};
}

std::string Segment(const std::vector<SpoolRecord>& records) {
  std::string file = EncodeSegmentHeader({.first_sequence = 1, .salt = kSalt});
  for (const SpoolRecord& record : records) {
    EXPECT_TRUE(AppendRecord(record, kSalt, file).ok());
  }
  return file;
}

std::vector<std::string> Values(std::string_view file, SegmentScan& scan) {
  std::vector<std::string> values;
  scan = ScanSegment(
      file, [&](const SpoolRecord& record, std::size_t) { values.emplace_back(record.value); });
  return values;
}

TEST(Segment, ReadsWhatWasWritten) {
  const std::string big(200'000, '\xff');
  const std::string file = Segment({Record(3, "", Topic::kConsent), Record(4, big),
                                    Record(9, "\xffPSR in the text", Topic::kDeliveryStatus)});
  std::vector<SpoolRecord> seen;
  std::vector<std::size_t> offsets;
  const SegmentScan scan = ScanSegment(file, [&](const SpoolRecord& record, std::size_t offset) {
    seen.push_back(record);
    offsets.push_back(offset);
  });
  EXPECT_TRUE(scan.header.ok());
  EXPECT_EQ(scan.records, 3u);
  EXPECT_EQ(scan.first_sequence, 1u);
  EXPECT_EQ(scan.last_sequence, 9u);
  EXPECT_EQ(scan.good_bytes, file.size());
  EXPECT_EQ(scan.damaged_bytes + scan.torn_bytes, 0u);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[1].value, big);
  EXPECT_EQ(seen[2].sequence, 9u);
  EXPECT_EQ(seen[2].topic, Topic::kDeliveryStatus);
  EXPECT_EQ(seen[2].key, Record(9, "").key);
  EXPECT_EQ(seen[2].type, Record(9, "").type);
  EXPECT_EQ(seen[2].traceparent, "00-1-2-01");
  EXPECT_EQ(seen[2].appended_at, Record(9, "").appended_at);
  EXPECT_EQ(offsets[0], kSegmentHeaderBytes);
  EXPECT_EQ(offsets[1], kSegmentHeaderBytes + EncodedBytes(Record(3, "")));
}

TEST(Segment, ATornTailIsCutOffAtEveryByte) {
  const std::string whole = Segment({Record(1, "one"), Record(2, "two")});
  const std::string file = Segment({Record(1, "one"), Record(2, "two"), Record(3, "three")});
  for (std::size_t bytes = whole.size(); bytes < file.size(); ++bytes) {
    SegmentScan scan;
    // What the disk holds behind a tail may also be zeros.
    for (const std::string& tail : {std::string(), std::string(64, '\0')}) {
      const std::string torn = file.substr(0, bytes) + tail;
      EXPECT_EQ(Values(torn, scan), (std::vector<std::string>{"one", "two"})) << bytes;
      EXPECT_EQ(scan.good_bytes, whole.size()) << bytes;
      EXPECT_EQ(scan.torn_bytes, torn.size() - whole.size()) << bytes;
      EXPECT_EQ(scan.damaged_bytes, 0u);
    }
  }
}

TEST(Segment, AnyFlippedBitLosesItsRecordAlone) {
  const std::string file = Segment({Record(1, "one"), Record(2, "two"), Record(3, "three")});
  const std::size_t record_bytes = EncodedBytes(Record(1, "one"));
  const std::size_t second = kSegmentHeaderBytes + record_bytes;
  for (std::size_t bit = 0; bit < record_bytes * 8; ++bit) {
    std::string damaged = file;
    damaged[second + bit / 8] = static_cast<char>(damaged[second + bit / 8] ^ (1 << (bit % 8)));
    SegmentScan scan;
    EXPECT_EQ(Values(damaged, scan), (std::vector<std::string>{"one", "three"})) << bit;
    EXPECT_EQ(scan.damaged_bytes, record_bytes) << bit;
    EXPECT_EQ(scan.torn_bytes, 0u) << bit;
  }
}

TEST(Segment, ABitOfTheHeaderLosesNothing) {
  const std::string file = Segment({Record(1, "one"), Record(2, "two")});
  for (std::size_t bit = 0; bit < kSegmentHeaderBytes * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    SegmentScan scan;
    EXPECT_EQ(Values(damaged, scan), (std::vector<std::string>{"one", "two"})) << bit;
    EXPECT_EQ(scan.damaged_bytes, kHeaderCopyBytes) << bit;
    EXPECT_EQ(scan.good_bytes, file.size()) << bit;
  }
}

TEST(Segment, WithoutAWholeHeaderItIsNoSegment) {
  const std::string file = Segment({Record(1, "one")});
  std::string damaged = file;
  for (const std::size_t copy : {std::size_t{0}, kHeaderCopyBytes}) {
    damaged[copy + 20] = static_cast<char>(~damaged[copy + 20]);
  }
  EXPECT_TRUE(absl::IsDataLoss(ScanSegment(damaged).header));
  for (std::size_t bytes = 0; bytes < kSegmentHeaderBytes; ++bytes) {
    EXPECT_TRUE(absl::IsDataLoss(ScanSegment(file.substr(0, bytes)).header)) << bytes;
  }
}

TEST(Segment, RecordsOfAnotherSaltAreNoRecords) {
  // A customer's text that contains a whole record, found behind a damaged place.
  std::string forged;
  ASSERT_TRUE(AppendRecord(Record(2, "forged"), kSalt + 1, forged).ok());
  std::string file = Segment({Record(1, forged), Record(3, "three")});
  file[kSegmentHeaderBytes + 20] = static_cast<char>(~file[kSegmentHeaderBytes + 20]);
  SegmentScan scan;
  EXPECT_EQ(Values(file, scan), (std::vector<std::string>{"three"}));
}

TEST(Segment, SequencesOnlyRise) {
  SegmentScan scan;
  EXPECT_EQ(
      Values(Segment({Record(5, "five"), Record(5, "again"), Record(4, "four"), Record(6, "six")}),
             scan),
      (std::vector<std::string>{"five", "six"}));
  EXPECT_GT(scan.damaged_bytes, 0u);
}

TEST(Segment, SizesAreBounded) {
  std::string out = "as before";
  const std::size_t around = EncodedBytes(Record(1, ""));
  const absl::Status too_large =
      AppendRecord(Record(1, std::string(kSpoolRecordBytesMax - around + 1, 'x')), kSalt, out);
  EXPECT_EQ(ErrorReason(too_large), "SPOOL_RECORD_TOO_LARGE");
  SpoolRecord record = Record(1, "");
  const std::string key(70'000, 'k');
  record.key = key;
  EXPECT_EQ(ErrorReason(AppendRecord(record, kSalt, out)), "SPOOL_RECORD_TOO_LARGE");
  EXPECT_EQ(out, "as before");
  EXPECT_TRUE(
      AppendRecord(Record(1, std::string(kSpoolRecordBytesMax - around, 'x')), kSalt, out).ok());
}

}  // namespace
}  // namespace parley::ingest
