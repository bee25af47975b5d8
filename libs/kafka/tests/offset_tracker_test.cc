#include "libs/kafka/offset_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::kafka {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr char kTopic[] = "t";

Position At(std::int32_t partition, std::int64_t offset) { return {kTopic, partition, offset}; }

std::vector<Position> Taken(OffsetTracker& tracker) {
  std::vector<Position> taken;
  for (const Record& record : tracker.TakeFinished()) taken.push_back(Position::Of(record));
  return taken;
}

TEST(OffsetTracker, StoresOnlyBelowTheLowestUnfinishedRecord) {
  OffsetTracker tracker;
  for (const std::int64_t offset : {10, 11, 12, 13}) ASSERT_TRUE(tracker.Begin(At(0, offset)));

  tracker.Done(At(0, 12));
  tracker.Done(At(0, 11));
  EXPECT_THAT(Taken(tracker), IsEmpty()) << "10 is unfinished";

  tracker.Done(At(0, 10));
  EXPECT_THAT(Taken(tracker), UnorderedElementsAre(At(0, 12)));
  EXPECT_THAT(Taken(tracker), IsEmpty()) << "nothing rose since";

  tracker.Done(At(0, 13));
  EXPECT_THAT(Taken(tracker), UnorderedElementsAre(At(0, 13)));
  EXPECT_EQ(tracker.unfinished(), 0U);
}

TEST(OffsetTracker, PartitionsDoNotHoldEachOtherBack) {
  OffsetTracker tracker;
  tracker.Begin(At(0, 5));
  tracker.Begin(At(1, 7));
  tracker.Done(At(1, 7));
  EXPECT_THAT(Taken(tracker), UnorderedElementsAre(At(1, 7)));
  tracker.Done(At(0, 5));
  EXPECT_THAT(Taken(tracker), UnorderedElementsAre(At(0, 5)));
}

TEST(OffsetTracker, GapsOfCompactionAndTransactionsArePassed) {
  OffsetTracker tracker;
  tracker.Begin(At(0, 3));
  tracker.Begin(At(0, 9));
  tracker.Done(At(0, 3));
  tracker.Done(At(0, 9));
  EXPECT_THAT(Taken(tracker), UnorderedElementsAre(At(0, 9)));
}

TEST(OffsetTracker, OneThatIsDeliveredAgainIsTakenOnce) {
  OffsetTracker tracker;
  EXPECT_TRUE(tracker.Begin(At(0, 1)));
  EXPECT_FALSE(tracker.Begin(At(0, 1)));
  tracker.Done(At(0, 1));
  EXPECT_FALSE(tracker.Begin(At(0, 1))) << "finished, not yet stored";
  tracker.Done(At(0, 1));
  EXPECT_EQ(tracker.unfinished(), 0U);
  EXPECT_THAT(Taken(tracker), UnorderedElementsAre(At(0, 1)));
  EXPECT_TRUE(tracker.Begin(At(0, 1))) << "rewound to before what was stored: once more";
}

TEST(OffsetTracker, AfterClearLateFinishersMoveNothing) {
  OffsetTracker tracker;
  tracker.Begin(At(0, 50));
  tracker.Begin(At(0, 51));
  tracker.Clear();
  EXPECT_EQ(tracker.unfinished(), 0U);
  // Meanwhile another member went on to 100, and the partition came back.
  tracker.Begin(At(0, 100));
  tracker.Done(At(0, 50));
  tracker.Done(At(0, 51));
  EXPECT_THAT(Taken(tracker), IsEmpty()) << "51 must not pull the stored offset back";
  EXPECT_EQ(tracker.unfinished(), 1U);
}

}  // namespace
}  // namespace parley::kafka
