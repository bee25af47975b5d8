#include "domain/republication.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using Record = Republication::Record;

constexpr std::int64_t kRun = 1'000;

Record Of(std::int64_t run, std::int32_t partition, std::int64_t offset) {
  return {run, std::nullopt, partition, offset};
}
Record Last(std::int64_t run, std::int64_t records, std::int32_t partition, std::int64_t offset) {
  return {run, records, partition, offset};
}

TEST(Republication, IsCompleteWithAllRecordsOfAllPartitionsInAnyOrder) {
  Republication read;
  EXPECT_FALSE(read.IsComplete(0));
  read.Note(Last(kRun, 3, 2, 7));  // Its partition was read first.
  read.Note(Of(kRun, 0, 4));
  read.Note(Of(kRun, 1, 4));
  EXPECT_FALSE(read.IsComplete(kRun));
  read.Note(Of(kRun, 0, 9));
  EXPECT_TRUE(read.IsComplete(kRun));
  EXPECT_TRUE(read.IsComplete(kRun - 1));
  EXPECT_FALSE(read.IsComplete(kRun + 1)) << "it began too early";
}

TEST(Republication, NobodyIsSuppressed) {
  Republication read;
  read.Note(Last(kRun, 0, 0, 0));
  EXPECT_TRUE(read.IsComplete(kRun));
}

TEST(Republication, WhatIsReadAgainCountsOnce) {
  Republication read;
  read.Note(Of(kRun, 0, 5));
  read.Note(Of(kRun, 0, 5));
  read.Note(Of(kRun, 0, 4));
  read.Note(Last(kRun, 2, 1, 1));
  EXPECT_FALSE(read.IsComplete(kRun));
  read.Note(Of(kRun, 0, 6));
  EXPECT_TRUE(read.IsComplete(kRun));
}

TEST(Republication, ARunThatBrokeOffDoesNotHelpTheNext) {
  Republication read;
  read.Note(Of(kRun, 0, 1));
  read.Note(Of(kRun, 0, 2));
  read.Note(Of(kRun + 5, 0, 3));
  read.Note(Last(kRun + 5, 2, 0, 4));
  EXPECT_FALSE(read.IsComplete(kRun)) << "two of the first and one of the second are not two";
  read.Note(Of(kRun + 5, 1, 1));
  EXPECT_TRUE(read.IsComplete(kRun + 5));
}

TEST(Republication, AnOldRunIsNoAnswer) {
  Republication read;
  read.Note(Of(kRun, 0, 1));
  read.Note(Last(kRun, 1, 0, 2));
  EXPECT_FALSE(read.IsComplete(kRun + 1));
  read.Clear();
  EXPECT_FALSE(read.IsComplete(kRun));
  read.Note(Of(kRun, 0, 1));
  read.Note(Last(kRun, 1, 0, 2));
  EXPECT_TRUE(read.IsComplete(kRun)) << "after a new start it counts again";
}

TEST(Republication, RemembersTheNewestRunsOnly) {
  Republication read;
  for (std::int64_t run = 1; run <= 1'000; ++run) read.Note(Of(run, 0, run));
  read.Note(Last(1, 1, 1, 0));
  EXPECT_FALSE(read.IsComplete(0)) << "it was forgotten";
  read.Note(Last(1'000, 1, 1, 1));
  EXPECT_TRUE(read.IsComplete(1'000));
}

}  // namespace
}  // namespace parley::sender
