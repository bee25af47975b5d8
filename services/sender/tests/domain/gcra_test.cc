#include "domain/gcra.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "domain/limiter.h"
#include "domain/rates.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr SteadyTime kStart{1h};

TEST(Gcra, SpacesByCostAndNeverCatchesUp) {
  Gcra gcra(100ms);
  EXPECT_EQ(gcra.Take(kStart, 1), 0us);
  EXPECT_EQ(gcra.Take(kStart, 1), 100ms);
  EXPECT_EQ(gcra.Take(kStart + 99ms, 1), 1ms);
  EXPECT_EQ(gcra.Take(kStart + 100ms, 3), 0us) << "three segments keep it busy for three slots";
  EXPECT_EQ(gcra.Take(kStart + 200ms, 1), 200ms);
  // Ten slots were missed; still only one goes at once.
  EXPECT_EQ(gcra.Take(kStart + 1400ms, 1), 0us);
  EXPECT_EQ(gcra.Take(kStart + 1400ms, 1), 100ms);
}

TEST(Gcra, WaitsForItsFirstSlot) {
  Gcra gcra(1s, kStart + 250ms);
  EXPECT_EQ(gcra.Take(kStart, 1), 250ms);
  EXPECT_EQ(gcra.Take(kStart + 250ms, 1), 0us);
}

TEST(Gcra, WithoutIntervalNeverWaits) {
  Gcra gcra(0us);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(gcra.Take(kStart, 5), 0us);
}

// In no window of a second more than the rate and one, whatever the load; and with a backlog the
// rate is used.
TEST(Gcra, HoldsTheRateInEveryWindow) {
  for (const double rate : {1.0, 3.0, 80.0, 100.0}) {
    std::mt19937 random(7);
    Gcra gcra(IntervalOf(rate));
    std::vector<SteadyTime> written;
    SteadyTime now = kStart;
    while (now < kStart + 20s) {
      const microseconds wait = gcra.Take(now, 1);
      if (wait.count() == 0) written.push_back(now);
      // Mostly as soon as allowed, sometimes after a pause.
      now += wait.count() > 0 ? wait : microseconds(1);
      if (random() % 200 == 0) now += microseconds(random() % 1'500'000);
    }
    for (std::size_t first = 0, last = 0; last < written.size(); ++last) {
      while (written[last] - written[first] >= 1s) ++first;
      EXPECT_LE(static_cast<double>(last - first + 1), rate + 1) << rate;
    }
  }
  Gcra gcra(IntervalOf(80));
  int written = 0;
  for (SteadyTime now = kStart; now < kStart + 10s;) {
    const microseconds wait = gcra.Take(now, 1);
    if (wait.count() == 0) ++written;
    now += wait;
  }
  EXPECT_GE(written, 784) << "98% of 800";
}

// As when each sleep ends half a millisecond late.
TEST(Gcra, SleepingALittleTooLongCostsNothing) {
  for (const double rate : {80.0, 100.0}) {
    Gcra gcra(IntervalOf(rate));
    std::vector<SteadyTime> written;
    for (SteadyTime now = kStart; now < kStart + 10s;) {
      const microseconds wait = gcra.Take(now, 1);
      if (wait.count() == 0) written.push_back(now);
      now += wait + 500us;
    }
    EXPECT_GE(static_cast<double>(written.size()), 0.98 * rate * 10);
    for (std::size_t first = 0, last = 0; last < written.size(); ++last) {
      while (written[last] - written[first] >= 1s) ++first;
      EXPECT_LE(static_cast<double>(last - first + 1), rate + 1);
    }
  }
}

TEST(Gcra, WhatIsVeryLateMovesWhatFollows) {
  Gcra gcra(1s);
  EXPECT_EQ(gcra.Take(kStart, 1), 0us);
  EXPECT_EQ(gcra.Take(kStart + 1'300ms, 1), 0us);
  EXPECT_EQ(gcra.Take(kStart + 1'300ms, 1), 995ms) << "5 ms are made up, no more";
}

TEST(Limiter, PlansBehindWhatIsReserved) {
  Limiter limiter(Gcra(100ms));
  EXPECT_EQ(limiter.Expected(kStart), kStart);
  limiter.Reserve(2);
  EXPECT_EQ(limiter.Expected(kStart), kStart + 200ms);
  EXPECT_EQ(limiter.Take(kStart, 2), 0us);
  EXPECT_EQ(limiter.Expected(kStart), kStart + 200ms) << "taken now instead of reserved";
  limiter.Reserve(1);
  limiter.GiveUp(1);
  EXPECT_EQ(limiter.Expected(kStart + 500ms), kStart + 500ms);
}

TEST(RateOf, GoesByTheNumbersTypeUnlessItHasItsOwn) {
  const Rates rates{.long_code = 1, .toll_free = 3, .short_code = 100, .whatsapp = 80};
  const struct {
    const char* label;
    Medium medium;
    const char* number;
    double own;
    double want;
  } cases[] = {
      {"long code", Medium::kSms, "+15005550006", 0, 1},
      {"toll-free", Medium::kSms, "+18885550100", 0, 3},
      {"short code", Medium::kSms, "55501", 0, 100},
      {"WhatsApp", Medium::kWhatsApp, "+15005550006", 0, 80},
      {"its own", Medium::kSms, "+15005550006", 12.5, 12.5},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(RateOf(rates, c.medium, c.number, c.own), c.want) << c.label;
  }
  EXPECT_EQ(IntervalOf(0), 0us) << "0 is no limit";
  EXPECT_EQ(IntervalOf(3), 333'334us) << "rounded up: never faster";
}

}  // namespace
}  // namespace parley::sender
