#include "pipeline/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace parley::sender {
namespace {

constexpr std::size_t kTasks = 8;

TEST(WorkersTest, CarryAsManyAtOnceAsTheyMayAndOneMoreWaits) {
  std::atomic<bool> open = false;
  std::atomic<std::size_t> running = 0;
  std::latch all_run(kTasks);
  Workers<int> workers(
      kTasks,
      [&](int) {
        if (++running <= kTasks) all_run.count_down();
        while (!open) fibers::SleepFor(std::chrono::milliseconds(1));
      },
      [] {});
  // Nothing has ended lately: who waits longer than a place in the queue is worth, is not taken.
  EXPECT_EQ(kTasks + 1, workers.Free());
  for (std::size_t i = 0; i <= kTasks; ++i) workers.Submit(static_cast<int>(i));
  all_run.wait();
  EXPECT_EQ(kTasks, running);
  EXPECT_EQ(kTasks, workers.running());
  EXPECT_EQ(0U, workers.Free());
  open = true;
  workers.Stop();
  EXPECT_EQ(kTasks + 1, running);
}

TEST(WorkersTest, TheQueueGrowsByAQuarterAtMostAndEachEndIsTold) {
  constexpr std::size_t kMany = 1'000;
  std::atomic<std::size_t> done = 0;
  std::latch all(kMany);
  Workers<int> workers(
      kTasks, [](int) {},
      [&] {
        ++done;
        all.count_down();
      });
  for (std::size_t i = 0; i < kMany; ++i) {
    workers.Submit(static_cast<int>(i));
    EXPECT_LE(workers.Free(), kTasks + kTasks / 4 + 1);
  }
  all.wait();
  EXPECT_EQ(kMany, done);
}

}  // namespace
}  // namespace parley::sender
