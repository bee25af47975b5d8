// Fibers: functions that wait for sockets without holding a thread meanwhile.
//
// A thread for each request to Twilio costs two switches of threads for each of them, a third of
// what a send takes. Here a few threads serve all; the code stays sequential, because a fiber that
// waits gives its thread to the next one (Boost.Context, docs/adr/0006-fibers.md).
//
// What runs on a fiber must wait only by the functions below, keep no reference to a thread_local
// across them, and hold no lock and be in no catch block while it calls them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace parley::fibers {

using SteadyTime = std::chrono::steady_clock::time_point;

// Waits until `fd` can be read (POLLIN) or written (POLLOUT), failed or ended. False when the
// deadline passed before; true may come late, where the thread was held up. Off a fiber the thread
// waits. One waiter for each fd at a time.
bool WaitFor(int fd, short events, SteadyTime deadline);

// Waits at least as long; on a fiber up to a millisecond longer.
void SleepFor(std::chrono::microseconds time);

// Threads that run a function on fibers. Thread-safe.
class Pool {
 public:
  struct Options {
    std::size_t threads = 1;
    std::size_t fibers_max = 1;  // Over all threads; made when they are first needed.
  };
  // `run_one` takes a piece of work, does it and answers true, or false if there was none. It runs
  // on many fibers at once and must not throw.
  Pool(const Options& options, std::function<bool()> run_one);
  // Runs until `run_one` finds no more.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Work was added.
  void Wake();

  class Loop;  // Of the implementation.

 private:
  void Stop();

  const std::function<bool()> run_one_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::jthread> threads_;  // Joined first.
};

}  // namespace parley::fibers
