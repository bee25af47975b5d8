#include "lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>

namespace parley::ai {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

TEST(Lanes, OneKeysTasksRunInOrder) {
  std::mutex mutex;
  std::vector<int> ran[3];
  {
    Lanes lanes(4);
    for (int i = 0; i < 300; ++i) {
      lanes.Submit(std::to_string(i % 3), [&, i] {
        const std::lock_guard lock(mutex);
        ran[i % 3].push_back(i);
      });
    }
    ASSERT_TRUE(lanes.WaitBelow(1, 10s));
  }
  for (const std::vector<int>& order : ran) {
    EXPECT_EQ(order.size(), 100U);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  }
}

TEST(Lanes, OneKeyNeverRunsTwiceAtOnce) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  Lanes lanes(4);
  for (int i = 0; i < 200; ++i) {
    lanes.Submit("key", [&] {
      const int now = ++running;
      if (now > most) most = now;
      std::this_thread::yield();
      --running;
    });
  }
  ASSERT_TRUE(lanes.WaitBelow(1, 10s));
  EXPECT_EQ(most, 1);
}

TEST(Lanes, KeysDoNotHoldEachOtherBack) {
  Lanes lanes(2);
  std::promise<void> release;
  lanes.Submit("slow", [&] { release.get_future().wait(); });
  lanes.Submit("slow", [] {});
  std::promise<void> ran;
  lanes.Submit("quick", [&] { ran.set_value(); });
  EXPECT_EQ(ran.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_FALSE(lanes.WaitBelow(2, 1ms)) << "the slow key holds two";
  release.set_value();
  EXPECT_TRUE(lanes.WaitBelow(1, 10s));
}

TEST(Lanes, CloseDropsWhatWasNotStarted) {
  Lanes lanes(1);
  std::latch started(1);
  std::promise<void> release;
  std::atomic<int> ran{0};
  lanes.Submit("a", [&] {
    started.count_down();
    release.get_future().wait();
    ++ran;
  });
  started.wait();
  lanes.Submit("a", [&] { ++ran; });
  lanes.Submit("b", [&] { ++ran; });
  EXPECT_EQ(lanes.size(), 3U);
  lanes.Close();
  EXPECT_EQ(lanes.size(), 1U);
  lanes.Submit("c", [&] { ++ran; });
  release.set_value();
  EXPECT_TRUE(lanes.WaitBelow(1, 10s));
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace parley::ai
