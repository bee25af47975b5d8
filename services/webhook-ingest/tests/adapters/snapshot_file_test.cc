#include "adapters/snapshot_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fakes/fakes.h"
#include "libs/base/id.h"

namespace parley::ingest {
namespace {

class SnapshotFileTest : public testing::Test {
 protected:
  ~SnapshotFileTest() override { std::filesystem::remove_all(folder_); }
  const std::string folder_ = testing::TempDir() + "/parley-snapshot-" + NewId();
  const crypto::KeyRing keys_ = TestKeys();
};

TEST_F(SnapshotFileTest, ReadsBackWhatItWrote) {
  const SnapshotFile file(folder_ + "/deep", keys_);
  EXPECT_EQ(file.Read().status().code(), absl::StatusCode::kNotFound);
  const std::string content("with\0nul", 8);
  ASSERT_TRUE(file.Write(content).ok());
  EXPECT_EQ(*file.Read(), content);
  ASSERT_TRUE(file.Write("second").ok());
  EXPECT_EQ(*file.Read(), "second");
}

TEST_F(SnapshotFileTest, IsSealedAndNoticesChanges) {
  const SnapshotFile file(folder_, keys_);
  ASSERT_TRUE(file.Write("secret content").ok());
  const std::string path = folder_ + "/directory.snapshot";
  std::ifstream in(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(bytes.find("secret"), std::string::npos);
  const crypto::KeyRing others = TestKeys('x');
  EXPECT_FALSE(SnapshotFile(folder_, others).Read().ok());
  bytes.back() ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_FALSE(file.Read().ok());
  std::ofstream(path, std::ios::binary) << "";
  EXPECT_FALSE(file.Read().ok());
}

TEST_F(SnapshotFileTest, SaysWhenTheFolderCannotBe) {
  std::ofstream(folder_) << "a file where the folder should be";
  const SnapshotFile file(folder_, keys_);
  EXPECT_EQ(ErrorReason(file.Write("x")), "SNAPSHOT_NOT_WRITTEN");
}

}  // namespace
}  // namespace parley::ingest
