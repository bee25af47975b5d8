#include "domain/standstill.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kNow{1h};
const std::string kAccount = "AC" + std::string(32, '1');
constexpr char kNumber[] = "+15005550006";

TEST(Waits, AreShownAsLongAsTheyLast) {
  Waits waits;
  waits.Note(kAccount, kNumber, "TWILIO_30034", kNow, kNow + 60s);
  waits.Note(kAccount, "", "TWILIO_BUSY", kNow, kNow + 1s);
  waits.Note(kAccount, "+15005550001", "TWILIO_BUSY", kNow, kNow);
  const Standstill account{kAccount,      "",   Standstill::State::kWaiting,
                           "TWILIO_BUSY", kNow, kNow + 1s};
  const Standstill number{kAccount,       kNumber, Standstill::State::kWaiting,
                          "TWILIO_30034", kNow,    kNow + 60s};
  EXPECT_EQ(waits.Current(kNow), (std::vector{account, number}));
  EXPECT_EQ(waits.Current(kNow + 1s), std::vector{number});
  EXPECT_TRUE(waits.Current(kNow + 60s).empty());
}

TEST(Waits, OneThatGoesOnKeepsItsBeginning) {
  Waits waits;
  waits.Note(kAccount, kNumber, "TWILIO_30034", kNow, kNow + 60s);
  waits.Note(kAccount, kNumber, "TWILIO_21606", kNow + 50s, kNow + 55s);
  auto current = waits.Current(kNow + 50s);
  ASSERT_EQ(current.size(), 1U);
  EXPECT_EQ(current[0].since, kNow);
  EXPECT_EQ(current[0].until, kNow + 60s) << "the scheduler keeps the later end, too";
  EXPECT_EQ(current[0].reason, "TWILIO_21606");
  waits.Note(kAccount, kNumber, "TWILIO_30034", kNow + 61s, kNow + 90s);
  EXPECT_EQ(waits.Current(kNow + 61s)[0].since, kNow + 61s);
}

TEST(Waits, AreBounded) {
  Waits waits;
  for (std::size_t i = 0; i < 2 * Waits::kWaitsMax; ++i) {
    waits.Note(kAccount, std::to_string(i), "TWILIO_30034", kNow, kNow + 1s);
  }
  EXPECT_EQ(waits.Current(kNow).size(), Waits::kWaitsMax);
  waits.Note(kAccount, kNumber, "TWILIO_30034", kNow + 2s, kNow + 3s);
  EXPECT_EQ(waits.Current(kNow + 2s).size(), 1U);
}

}  // namespace
}  // namespace parley::sender
