#include "spool/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>

#include "fakes/fake_files.h"
#include "libs/base/status.h"
#include "spool/names.h"

namespace parley::ingest {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kFolder[] = "/data/spool";
constexpr auto kPatience = 30s;

webhooks::OutgoingRecord Record(std::string key, std::string value) {
  return {.topic = webhooks::Topic::kInbound,
          .key = std::move(key),
          .value = std::move(value),
          .type = "type",
          .traceparent = ""};
}

class SpoolTest : public testing::Test {
 protected:
  std::unique_ptr<Spool> Open(SpoolOptions options = {}) {
    options.folder = kFolder;
    auto spool = Spool::Open(options, files_, clock_);
    EXPECT_TRUE(spool.ok()) << spool.status();
    return spool.ok() ? *std::move(spool) : nullptr;
  }
  static absl::Status Append(Spool& spool, const std::string& key, const std::string& value) {
    return spool.Append(Record(key, value), std::chrono::steady_clock::now() + kPatience).status();
  }
  static std::vector<SpooledRecord> ReadAll(Spool& spool, std::size_t bytes_max = 1000) {
    std::vector<SpooledRecord> all;
    SpoolPosition position;
    while (true) {
      auto records = spool.Read(position, bytes_max);
      EXPECT_TRUE(records.ok()) << records.status();
      if (!records.ok() || records->empty()) return all;
      std::move(records->begin(), records->end(), std::back_inserter(all));
    }
  }
  static std::vector<std::string> Values(Spool& spool) {
    std::vector<std::string> values;
    for (const SpooledRecord& record : ReadAll(spool)) values.push_back(record.record.value);
    return values;
  }
  std::vector<std::string> FilesLeft() {
    std::vector<std::string> names;
    for (const auto& [path, content] : files_.Contents()) {
      names.push_back(path.substr(sizeof kFolder));
    }
    return names;
  }

  FakeFiles files_;
  SimulatedClock clock_{FromMicros(1'700'000'000'000'000)};
};

TEST_F(SpoolTest, WhatWasAppendedSurvivesACrash) {
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  ASSERT_TRUE(Append(*spool, "b", "two").ok());
  EXPECT_THAT(Values(*spool), ElementsAre("one", "two"));
  files_.StopAfter(0);
  spool.reset();
  files_.Crash();
  spool = Open();
  EXPECT_EQ(spool->records(), 2u);
  EXPECT_TRUE(spool->Holds(Record("a", "")));
  EXPECT_FALSE(spool->Holds(Record("another", "")));
  ASSERT_TRUE(Append(*spool, "a", "three").ok());
  EXPECT_THAT(Values(*spool), ElementsAre("one", "two", "three"));
}

TEST_F(SpoolTest, ManyThreadsShareASync) {
  auto spool = Open();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&spool, i] {
      for (int n = 0; n < 50; ++n) {
        ASSERT_TRUE(Append(*spool, std::to_string(i), std::to_string(n)).ok());
      }
    });
  }
  threads.clear();
  std::map<std::string, int> next;
  std::uint64_t sequence = 0;
  for (const SpooledRecord& record : ReadAll(*spool)) {
    EXPECT_EQ(record.record.value, std::to_string(next[record.record.key]++));
    EXPECT_GT(record.sequence, std::exchange(sequence, record.sequence));
  }
  EXPECT_EQ(spool->records(), 800u);
  EXPECT_EQ(next.size(), 16u);
}

TEST_F(SpoolTest, ReplayedSegmentsAreDeletedAndTheRestResumes) {
  auto spool = Open({.segment_bytes = 232});
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(Append(*spool, std::to_string(i % 3), std::to_string(i)).ok());
  }
  EXPECT_THAT(FilesLeft(), ElementsAre(SegmentName(1), SegmentName(6)));
  std::vector<SpooledRecord> records = ReadAll(*spool);
  spool->Replayed(std::span(records).first(5));
  EXPECT_THAT(FilesLeft(), ElementsAre(SegmentName(6), "replayed"));
  EXPECT_EQ(spool->records(), 4u);
  spool.reset();
  files_.Crash();
  spool = Open();
  EXPECT_THAT(Values(*spool), ElementsAre("5", "6", "7", "8"));
  records = ReadAll(*spool);
  spool->Replayed(records);
  EXPECT_EQ(spool->records(), 0u);
  EXPECT_EQ(spool->bytes(), 0u);
  EXPECT_FALSE(spool->Holds(Record("1", "")));
  EXPECT_THAT(FilesLeft(), ElementsAre("replayed"));
  // Sequences go on.
  ASSERT_TRUE(Append(*spool, "a", "next").ok());
  EXPECT_EQ(ReadAll(*spool).at(0).sequence, 10u);
}

TEST_F(SpoolTest, ARestartInTheMiddleOfASegmentResumesThere) {
  auto spool = Open();
  for (const char* value : {"one", "two", "three"}) ASSERT_TRUE(Append(*spool, "a", value).ok());
  std::vector<SpooledRecord> records = ReadAll(*spool);
  records.pop_back();
  spool->Replayed(records);
  spool.reset();
  spool = Open();
  EXPECT_EQ(spool->records(), 1u);
  EXPECT_THAT(Values(*spool), ElementsAre("three"));
  spool->Replayed(ReadAll(*spool));
  EXPECT_EQ(spool->records(), 0u);
  EXPECT_FALSE(spool->Holds(Record("a", "")));
}

TEST_F(SpoolTest, AReaderSeesWhatComesLater) {
  auto spool = Open();
  SpoolPosition position;
  EXPECT_THAT(*spool->Read(position, 100), IsEmpty());
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  std::vector<SpooledRecord> records = *spool->Read(position, 100);
  ASSERT_EQ(records.size(), 1u);
  spool->Replayed(records);
  EXPECT_EQ(spool->bytes(), 0u);
  ASSERT_TRUE(Append(*spool, "a", "two").ok());
  records = *spool->Read(position, 100);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].record.value, "two");
}

TEST_F(SpoolTest, ReadsARecordThatIsLargerThanAsked) {
  auto spool = Open();
  const std::string large(300'000, 'x');
  ASSERT_TRUE(Append(*spool, "a", "small").ok());
  ASSERT_TRUE(Append(*spool, "a", large).ok());
  ASSERT_TRUE(Append(*spool, "a", "last").ok());
  EXPECT_THAT(Values(*spool), ElementsAre("small", large, "last"));
}

TEST_F(SpoolTest, AFullDiskIsNobodysSuccess) {
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  files_.SetRoom(20);
  EXPECT_EQ(ErrorReason(Append(*spool, "a", "two")), "SPOOL_DISK_FULL");
  EXPECT_FALSE(spool->Health().ok());
  EXPECT_EQ(spool->records(), 1u);
  files_.SetRoom(1 << 20);
  // By itself: nobody needs to append for it.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!spool->Health().ok() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(spool->Health().ok());
  ASSERT_TRUE(Append(*spool, "a", "three").ok());
  EXPECT_THAT(Values(*spool), ElementsAre("one", "three"));
  spool.reset();
  files_.Crash();
  spool = Open();
  EXPECT_THAT(Values(*spool), ElementsAre("one", "three"));
}

TEST_F(SpoolTest, AfterAFailedSyncTheFileIsGivenUp) {
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  files_.FailSyncs(true);
  EXPECT_EQ(ErrorReason(Append(*spool, "a", "two")), "SPOOL_IO");
  files_.FailSyncs(false);
  ASSERT_TRUE(Append(*spool, "a", "three").ok());
  EXPECT_THAT(Values(*spool), ElementsAre("one", "three"));
  EXPECT_THAT(FilesLeft(), ElementsAre(SegmentName(1), SegmentName(3)));
}

TEST_F(SpoolTest, ItsSizeIsBounded) {
  auto spool = Open({.bytes_max = 2'000, .segment_bytes = 500});
  int taken = 0;
  while (Append(*spool, "a", std::string(100, 'x')).ok()) ++taken;
  EXPECT_GT(taken, 5);
  EXPECT_LE(spool->bytes(), 2'000u);
  EXPECT_EQ(ErrorReason(Append(*spool, "a", std::string(100, 'x'))), "SPOOL_FULL");
  EXPECT_EQ(ErrorReason(spool->Health()), "SPOOL_FULL");
  const std::vector<SpooledRecord> records = ReadAll(*spool);
  spool->Replayed(std::span(records).first(records.size() / 2));
  EXPECT_TRUE(spool->Health().ok());
  EXPECT_TRUE(Append(*spool, "a", "fits").ok());
}

TEST_F(SpoolTest, OneProcessOwnsAFolder) {
  const auto spool = Open();
  const auto second = Spool::Open({.folder = kFolder}, files_, clock_);
  EXPECT_EQ(ErrorReason(second.status()), "SPOOL_IN_USE");
}

TEST_F(SpoolTest, ATornTailIsCutOff) {
  const std::string path = std::string(kFolder) + "/" + SegmentName(1);
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  const std::size_t first = files_.Contents()[path].size();
  ASSERT_TRUE(Append(*spool, "b", "two").ok());
  spool.reset();
  const std::string whole = files_.Contents()[path];
  for (std::size_t bytes = first; bytes < whole.size(); ++bytes) {
    files_.Put(path, whole.substr(0, bytes));
    spool = Open();
    ASSERT_NE(spool, nullptr);
    EXPECT_EQ(spool->records(), 1u) << bytes;
    EXPECT_FALSE(spool->Holds(Record("b", ""))) << bytes;
    EXPECT_THAT(Values(*spool), ElementsAre("one")) << bytes;
    EXPECT_EQ(files_.Contents()[path].size(), first) << bytes;
    spool.reset();
  }
}

TEST_F(SpoolTest, DamageIsSteppedOverAndTheFileIsKept) {
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  ASSERT_TRUE(Append(*spool, "b", "two").ok());
  ASSERT_TRUE(Append(*spool, "c", "three").ok());
  // While it runs, and at the next start.
  const std::string path = std::string(kFolder) + "/" + SegmentName(1);
  std::string content = files_.Contents()[path];
  content[content.find("two")] = 'T';
  files_.Put(path, content);
  EXPECT_THAT(Values(*spool), ElementsAre("one", "three"));
  spool.reset();
  spool = Open();
  EXPECT_EQ(spool->records(), 2u);
  EXPECT_THAT(Values(*spool), ElementsAre("one", "three"));
  spool->Replayed(ReadAll(*spool));
  EXPECT_THAT(FilesLeft(), testing::Contains(SegmentName(1) + ".damaged"));
}

TEST_F(SpoolTest, WhatDamageTookIsWaitedForByNobody) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"one", {"two", "three"}}, {"two", {"one", "three"}}, {"three", {"one", "two"}}};
  for (const std::size_t bytes_max : {1, 1'000}) {
    for (const auto& [lost, rest] : cases) {
      auto spool = Open();
      for (const char* value : {"one", "two", "three"}) {
        ASSERT_TRUE(Append(*spool, value, value).ok());
      }
      const std::string path = [&] {
        for (const auto& [name, content] : files_.Contents()) {
          if (name.ends_with(".spool")) return name;
        }
        return std::string();
      }();
      std::string content = files_.Contents()[path];
      content[content.rfind(lost)] = 'X';
      files_.Put(path, content);
      std::vector<std::string> values;
      SpoolPosition position;
      for (auto records = spool->Read(position, bytes_max); records.ok() && !records->empty();
           records = spool->Read(position, bytes_max)) {
        for (const SpooledRecord& record : *records) values.push_back(record.record.value);
        spool->Replayed(*records);
      }
      EXPECT_EQ(values, rest);
      EXPECT_EQ(spool->records(), 0u) << lost << " " << bytes_max;
      EXPECT_EQ(spool->bytes(), 0u) << lost;
      EXPECT_FALSE(spool->Holds(Record(lost, ""))) << lost;
      // It goes on.
      ASSERT_TRUE(Append(*spool, lost, "next").ok());
      const auto next = spool->Read(position, bytes_max);
      ASSERT_TRUE(next.ok() && next->size() == 1u);
      spool->Replayed(*next);
      EXPECT_EQ(spool->records(), 0u) << lost;
      spool.reset();
    }
  }
}

TEST_F(SpoolTest, ALostPositionOnlyRepeats) {
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  ASSERT_TRUE(Append(*spool, "a", "two").ok());
  auto records = ReadAll(*spool);
  spool->Replayed(std::span(records).first(1));
  spool.reset();
  for (const std::string text : {"", "2 00000000\n", "18446744073709551615 0\n", "x"}) {
    files_.Put(std::string(kFolder) + "/replayed", text);
    spool = Open();
    EXPECT_THAT(Values(*spool), ElementsAre("one", "two")) << text;
    files_.StopAfter(0);
    spool.reset();
    files_.Crash();
  }
}

TEST_F(SpoolTest, APositionThatCannotBeReadIsNoLostOne) {
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  spool->Replayed(ReadAll(*spool));
  spool.reset();
  files_.FailReadsOf(std::string(kFolder) + "/replayed");
  const auto refused = Spool::Open({.folder = kFolder}, files_, clock_);
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  files_.FailReadsOf("");
  spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "two").ok());
  EXPECT_EQ(ReadAll(*spool).at(0).sequence, 2u);
}

TEST_F(SpoolTest, FilesWithOtherNamesAreLeftAlone) {
  const std::vector<std::string> names = {
      "00000000000000000001.spool~", "1.spool", "18446744073709551616.spool",
      "99999999999999999999.spool", "x0000000000000000001.spool"};
  for (const std::string& name : names) files_.Put(std::string(kFolder) + "/" + name, "");
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  EXPECT_THAT(Values(*spool), ElementsAre("one"));
  EXPECT_THAT(FilesLeft(), testing::IsSupersetOf(names));
}

TEST_F(SpoolTest, RefusedRecordsAreKeptBesideTheSegments) {
  auto spool = Open();
  ASSERT_TRUE(Append(*spool, "a", "one").ok());
  const auto records = ReadAll(*spool);
  ASSERT_TRUE(spool->SetAside(records[0]).ok());
  ASSERT_TRUE(spool->SetAside(records[0]).ok());
  spool->Replayed(records);
  files_.Crash();
  const auto contents = files_.Contents();
  const auto kept = contents.find(std::string(kFolder) + "/" + SegmentName(1) + ".refused");
  ASSERT_NE(kept, contents.end());
  EXPECT_EQ(ScanSegment(kept->second).records, 1u);
}

}  // namespace
}  // namespace parley::ingest
