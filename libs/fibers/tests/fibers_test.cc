#include "libs/fibers/fibers.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <future>
#include <latch>
#include <mutex>

namespace parley::fibers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

SteadyTime In(std::chrono::nanoseconds time) { return steady_clock::now() + time; }

class SocketPair {
 public:
  SocketPair() {
    EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_));
  }
  ~SocketPair() {
    close(ends_[0]);
    close(ends_[1]);
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;

  int reader() const { return ends_[0]; }
  void Write() const { EXPECT_EQ(1, write(ends_[1], "x", 1)); }
  void Read() const {
    char byte;
    EXPECT_EQ(1, read(ends_[0], &byte, 1));
  }
  void Finish() const { EXPECT_EQ(0, shutdown(ends_[1], SHUT_RDWR)); }

 private:
  int ends_[2] = {-1, -1};
};

// A pool with a queue of functions.
class Runner {
 public:
  Runner(std::size_t threads, std::size_t fibers_max)
      : pool_(std::in_place, Pool::Options{.threads = threads, .fibers_max = fibers_max},
              [this] { return RunOne(); }) {}

  void Submit(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    pool_->Wake();
  }
  void Stop() { pool_.reset(); }

 private:
  bool RunOne() {
    std::function<void()> work;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) return false;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
    return true;
  }

  std::mutex mutex_;
  std::deque<std::function<void()>> queue_;
  std::optional<Pool> pool_;
};

TEST(FibersTest, ManyWaitOnOneThread) {
  constexpr int kMany = 200;
  std::vector<SocketPair> sockets(kMany);
  std::latch all_wait(kMany);
  std::atomic<int> read = 0;
  Runner runner(1, kMany);
  for (const SocketPair& socket : sockets) {
    runner.Submit([&] {
      all_wait.count_down();
      EXPECT_TRUE(WaitFor(socket.reader(), POLLIN, In(seconds(60))));
      socket.Read();
      ++read;
    });
  }
  all_wait.wait();  // A pool that held its thread would never come here.
  EXPECT_EQ(0, read);
  for (const SocketPair& socket : sockets) socket.Write();
  runner.Stop();
  EXPECT_EQ(kMany, read);
}

TEST(FibersTest, OnlySoManyAtOnceAndTheRestAfterThem) {
  SocketPair gate;
  std::atomic<int> begun = 0;
  std::latch two(2);
  Runner runner(2, 2);
  for (int i = 0; i < 2; ++i) {
    runner.Submit([&] {
      ++begun;
      two.count_down();
      SleepFor(milliseconds(1));
      while (!WaitFor(gate.reader(), POLLIN, In(milliseconds(1)))) {
      }
    });
  }
  for (int i = 0; i < 50; ++i) runner.Submit([&] { ++begun; });
  two.wait();
  EXPECT_EQ(2, begun);
  gate.Write();
  runner.Stop();
  EXPECT_EQ(52, begun);
}

TEST(FibersTest, ADeadlinePassesAndTheSocketIsUsableAgain) {
  SocketPair socket;
  std::promise<void> timed_out;
  Runner runner(1, 1);
  runner.Submit([&] {
    EXPECT_FALSE(WaitFor(socket.reader(), POLLIN, In(milliseconds(5))));
    timed_out.set_value();
    EXPECT_TRUE(WaitFor(socket.reader(), POLLIN, In(seconds(60))));
  });
  timed_out.get_future().wait();
  socket.Write();
  runner.Stop();
}

TEST(FibersTest, WhatArrivedCountsThoughTheThreadWasHeldUpBeyondTheDeadline) {
  SocketPair socket;
  std::promise<void> waits;
  bool ready = false;
  Runner runner(1, 2);
  runner.Submit([&] {
    const SteadyTime deadline = In(milliseconds(20));
    waits.set_value();
    ready = WaitFor(socket.reader(), POLLIN, deadline);
  });
  waits.get_future().wait();
  runner.Submit([&] {
    socket.Write();
    const SteadyTime until = In(milliseconds(40));
    while (steady_clock::now() < until) {
    }
  });
  runner.Stop();
  EXPECT_TRUE(ready);
}

TEST(FibersTest, AnEndedPeerIsAnEvent) {
  SocketPair socket;
  Runner runner(1, 1);
  runner.Submit([&] { EXPECT_TRUE(WaitFor(socket.reader(), POLLIN, In(seconds(60)))); });
  socket.Finish();
  runner.Stop();
}

TEST(FibersTest, OffAFiberTheThreadWaits) {
  SocketPair socket;
  EXPECT_FALSE(WaitFor(socket.reader(), POLLIN, In(milliseconds(2))));
  EXPECT_TRUE(WaitFor(socket.reader(), POLLOUT, In(seconds(60))));
  socket.Write();
  EXPECT_TRUE(WaitFor(socket.reader(), POLLIN, In(seconds(60))));
  const SteadyTime begun = steady_clock::now();
  SleepFor(milliseconds(2));
  EXPECT_GE(steady_clock::now() - begun, milliseconds(2));
}

TEST(FibersTest, StopFinishesWhatWasSubmittedAndWhatThatWaitsFor) {
  std::atomic<int> done = 0;
  Runner runner(3, 5);
  for (int i = 0; i < 1'000; ++i) {
    runner.Submit([&] {
      SleepFor(std::chrono::microseconds(100));
      ++done;
    });
  }
  runner.Stop();
  EXPECT_EQ(1'000, done);
}

}  // namespace
}  // namespace parley::fibers
