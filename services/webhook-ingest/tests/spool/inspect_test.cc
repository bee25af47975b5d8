#include "spool/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "parley/events/v1/inbound.pb.h"
#include "spool/command.h"
#include "spool/spool.h"

namespace parley::ingest {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr char kKey[] = "AC11111111111111111111111111111111/+15005550006/+15005550010";

// On the machine's own disk: the system's files, too, are under test.
class InspectTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened =
        Spool::Open({.folder = folder_, .segment_bytes = 1}, SystemFiles(), SystemClock());
    ASSERT_TRUE(opened.ok()) << opened.status();
    spool_ = *std::move(opened);
    for (const char* body : {"secret one", "secret two", "secret three"}) {
      events::v1::InboundRecord record;
      record.mutable_message()->set_body(body);
      ASSERT_TRUE(spool_
                      ->Append({.topic = webhooks::Topic::kInbound,
                                .key = kKey,
                                .value = record.SerializeAsString(),
                                .type = record.GetTypeName(),
                                .traceparent = ""},
                               std::chrono::steady_clock::now() + 30s)
                      .ok());
    }
  }
  void TearDown() override {
    spool_.reset();
    std::filesystem::remove_all(std::filesystem::path(folder_).parent_path());
  }

  SpoolFacts Inspect() {
    const auto facts = InspectSpool(folder_, SystemFiles(), IsFolderLocked(folder_));
    EXPECT_TRUE(facts.ok()) << facts.status();
    return facts.value_or(SpoolFacts());
  }
  struct Answer {
    int code;
    std::string output;
  };
  Answer Command(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--dir", folder_});
    testing::internal::CaptureStdout();
    const int code = RunSpoolCommand(arguments);
    return {code, testing::internal::GetCapturedStdout()};
  }

  const std::string folder_ = testing::TempDir() + "/parley-spool-" + NewId() + "/spool";
  std::unique_ptr<Spool> spool_;
};

TEST_F(InspectTest, SeesTheSegmentsOfARunningProcess) {
  SpoolPosition position;
  const auto records = spool_->Read(position, 1);
  ASSERT_TRUE(records.ok());
  spool_->Replayed(*records);
  const SpoolFacts facts = Inspect();
  EXPECT_TRUE(facts.in_use);
  EXPECT_EQ(facts.replayed, 1u);
  EXPECT_EQ(facts.waiting(), 2u);
  EXPECT_FALSE(facts.IsDamaged());
  ASSERT_EQ(facts.segments.size(), 2u);
  EXPECT_EQ(facts.segments[0].scan.last_sequence, 2u);
  spool_.reset();
  EXPECT_FALSE(Inspect().in_use);
}

TEST_F(InspectTest, TheFolderIsItsOwnersAlone) {
  namespace fs = std::filesystem;
  EXPECT_EQ(fs::status(folder_).permissions(), fs::perms::owner_all);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_EQ(entry.status().permissions(), fs::perms::owner_read | fs::perms::owner_write)
        << entry.path();
  }
}

TEST_F(InspectTest, ASecondProcessIsRefused) {
  EXPECT_EQ(ErrorReason(Spool::Open({.folder = folder_}, SystemFiles(), SystemClock()).status()),
            "SPOOL_IN_USE");
  spool_.reset();
  spool_ = *Spool::Open({.folder = folder_}, SystemFiles(), SystemClock());
  EXPECT_EQ(spool_->records(), 3u);
}

TEST_F(InspectTest, TextAndNumbersAreShownOnlyWhenAskedFor) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"list", "--json"}, {"show"}, {"verify"}}) {
    const Answer answer = Command(arguments);
    EXPECT_EQ(answer.code, 0);
    EXPECT_THAT(answer.output, Not(HasSubstr("secret")));
    EXPECT_THAT(answer.output, Not(HasSubstr("+15005550010")));
  }
  const Answer shown = Command({"show"});
  EXPECT_THAT(shown.output, HasSubstr("AC11111111111111111111111111111111/+1500"));
  const Answer revealed = Command({"show", "--reveal"});
  EXPECT_THAT(revealed.output, HasSubstr("secret three"));
  EXPECT_THAT(revealed.output, HasSubstr(kKey));
}

TEST_F(InspectTest, VerifyFindsDamage) {
  EXPECT_EQ(Command({"verify"}).code, 0);
  spool_.reset();
  const std::string path = folder_ + "/" + Inspect().segments[1].name;
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(kSegmentHeaderBytes + 30);
    file.put('\x7f');
  }
  const Answer answer = Command({"verify", "--json"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.output, HasSubstr(R"("damaged":true)"));
  EXPECT_THAT(answer.output, HasSubstr(R"("waiting":2)"));
  // The rest is replayed all the same.
  spool_ = *Spool::Open({.folder = folder_}, SystemFiles(), SystemClock());
  EXPECT_EQ(spool_->records(), 2u);
}

TEST_F(InspectTest, ADamagedHeaderHidesNothing) {
  spool_.reset();
  {
    std::fstream file(folder_ + "/" + Inspect().segments[0].name,
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20);  // The salt.
    file.put('\x7f').put('\x01');
  }
  EXPECT_EQ(Command({"verify"}).code, 1);
  EXPECT_THAT(Command({"show", "--reveal"}).output, HasSubstr("secret one"));
  spool_ = *Spool::Open({.folder = folder_}, SystemFiles(), SystemClock());
  EXPECT_EQ(spool_->records(), 3u);
}

TEST_F(InspectTest, WrongArgumentsAndFoldersAreErrors) {
  testing::internal::CaptureStderr();
  EXPECT_NE(Command({"delete"}).code, 0);
  EXPECT_NE(RunSpoolCommand({"--dir", folder_ + "/missing"}), 0);
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace parley::ingest
