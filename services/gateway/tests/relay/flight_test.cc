#include "relay/flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::gateway::relay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Flight, RowsStayUntilTheyAreDeleted) {
  Flight flight;
  flight.Begin(1);
  flight.Begin(2);
  EXPECT_EQ(flight.IdArray(), "{1,2}");
  EXPECT_THAT(flight.Acknowledged(), IsEmpty());
  flight.Report(2, absl::OkStatus());
  EXPECT_THAT(flight.Acknowledged(), ElementsAre(2));
  EXPECT_EQ(flight.IdArray(), "{1,2}");
  EXPECT_FALSE(flight.AllReported());
  flight.Forget({2});
  EXPECT_EQ(flight.IdArray(), "{1}");
  flight.Report(1, absl::OkStatus());
  EXPECT_TRUE(flight.AllReported());
}

TEST(Flight, AFailureHoldsBackEverythingUntilAllIsReported) {
  Flight flight;
  for (const int id : {1, 2, 3}) flight.Begin(id);
  EXPECT_TRUE(flight.MayProduce());
  flight.Report(1, absl::UnavailableError("away"));
  EXPECT_FALSE(flight.MayProduce());
  flight.Report(2, absl::OkStatus());
  EXPECT_FALSE(flight.MayProduce());
  flight.Report(3, absl::UnavailableError("away"));
  EXPECT_TRUE(flight.MayProduce());
  // The failed ones are read again, the other is only to be deleted.
  EXPECT_EQ(flight.IdArray(), "{2}");
  EXPECT_THAT(flight.Acknowledged(), ElementsAre(2));
}

TEST(Flight, OnlyTheFirstReportOfARowCounts) {
  Flight flight;
  flight.Begin(1);
  flight.Report(1, absl::OkStatus());
  flight.Report(1, absl::UnavailableError("late"));
  flight.Report(9, absl::UnavailableError("of another life"));
  EXPECT_TRUE(flight.MayProduce());
  EXPECT_TRUE(flight.AllReported());
  EXPECT_THAT(flight.Acknowledged(), ElementsAre(1));
}

}  // namespace
}  // namespace parley::gateway::relay
