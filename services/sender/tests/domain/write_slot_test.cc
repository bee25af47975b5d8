#include "domain/write_slot.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kStart{1h};

std::shared_ptr<Limiter> Reserved(int messages) {
  auto limiter = std::make_shared<Limiter>(Gcra(100ms));
  limiter->Reserve(messages);
  return limiter;
}

TEST(WriteSlot, TakesTheRateWhenItIsAskedAndNotBefore) {
  const auto limiter = Reserved(2);
  WriteSlot slow(limiter, 1, kStart + 500ms);
  WriteSlot quick(limiter, 1, kStart + 500ms);
  EXPECT_EQ(quick.AboutToWrite(kStart), 0ms) << "the one whose connection stands goes first";
  EXPECT_EQ(slow.AboutToWrite(kStart + 30ms), 70ms);
  EXPECT_EQ(slow.AboutToWrite(kStart + 100ms), 0ms);
}

TEST(WriteSlot, WritesNothingThatIsTooLateOrWouldBe) {
  const auto limiter = Reserved(2);
  WriteSlot first(limiter, 6, kStart + 500ms);
  EXPECT_EQ(first.AboutToWrite(kStart), 0ms);
  WriteSlot second(limiter, 1, kStart + 500ms);
  EXPECT_LT(second.AboutToWrite(kStart).count(), 0) << "its slot comes after its time";
  WriteSlot third(limiter, 1, kStart);
  EXPECT_LT(third.AboutToWrite(kStart).count(), 0);
}

TEST(WriteSlot, TakesAnotherSlotForAnotherConnection) {
  const auto limiter = Reserved(1);
  WriteSlot slot(limiter, 1, kStart + 500ms);
  EXPECT_EQ(slot.AboutToWrite(kStart), 0ms);
  EXPECT_EQ(slot.AboutToWrite(kStart + 10ms), 90ms);
  EXPECT_EQ(limiter->Expected(kStart), kStart + 100ms) << "it is reserved only once";
}

TEST(WriteSlot, GivesBackWhatItDidNotUse) {
  const auto limiter = Reserved(1);
  { const WriteSlot unused(limiter, 1, kStart); }
  EXPECT_EQ(limiter->Expected(kStart), kStart);
}

}  // namespace
}  // namespace parley::sender
