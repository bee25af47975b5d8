// Fibers that each carry one request at a time, on a thread for each processor, four at most: a
// thousand requests under way are no thousand threads to switch between.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "domain/delivery.h"
#include "libs/fibers/fibers.h"

namespace parley::sender {

template <class Task>
class Workers {
 public:
  // `run` is called on a fiber (libs/fibers/fibers.h says what it must not do there) and must not
  // throw. `on_done` is told after each task, when another one may be submitted.
  Workers(std::size_t tasks_max, std::function<void(Task)> run, std::function<void()> on_done)
      : tasks_max_(tasks_max),
        run_(std::move(run)),
        on_done_(std::move(on_done)),
        pool_(std::in_place, fibers::Pool::Options{.threads = Threads(), .fibers_max = tasks_max},
              [this] { return RunOne(); }) {}

  // Finishes what was submitted.
  ~Workers() { Stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // How many tasks may be submitted now.
  std::size_t Free() const {
    const SteadyTime now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    // Some more than fibers: the next is ready when one ends, for as long as a journal takes. But
    // only as many as soon have their turn: a request that waits too long is not written any more.
    const std::size_t places = tasks_max_ + std::min(tasks_max_ / 4, EndedLately(now)) + 1;
    const std::size_t busy = tasks_.size() + running_;
    return busy >= places ? 0 : places - busy;
  }
  std::size_t running() const {
    const std::lock_guard lock(mutex_);
    return running_;
  }

  void Submit(Task task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    pool_->Wake();
  }

  // Waits until all that was submitted is done; nothing may be submitted any more.
  void Stop() { pool_.reset(); }

 private:
  static std::size_t Threads() {
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 4);
  }

  bool RunOne() {
    std::optional<Task> task;
    {
      const std::lock_guard lock(mutex_);
      if (tasks_.empty()) return false;
      task = std::move(tasks_.front());
      tasks_.pop_front();
      ++running_;
    }
    run_(*std::move(task));
    task.reset();
    const SteadyTime now = std::chrono::steady_clock::now();
    {
      const std::lock_guard lock(mutex_);
      --running_;
      if (now - window_begin_ >= kWindow) {
        ended_before_ = now - window_begin_ < 2 * kWindow ? ended_ : 0;
        ended_ = 0;
        window_begin_ = now;
      }
      ++ended_;
    }
    on_done_();
    return true;
  }

  // In this window and the one before.
  std::size_t EndedLately(SteadyTime now) const {
    if (now - window_begin_ >= 2 * kWindow) return 0;
    return now - window_begin_ < kWindow ? ended_ + ended_before_ : ended_;
  }

  static constexpr std::chrono::milliseconds kWindow{100};

  const std::size_t tasks_max_;
  const std::function<void(Task)> run_;
  const std::function<void()> on_done_;
  mutable std::mutex mutex_;
  std::deque<Task> tasks_;
  std::size_t running_ = 0;
  SteadyTime window_begin_{};
  std::size_t ended_ = 0;  // Since the window's begin.
  std::size_t ended_before_ = 0;
  std::optional<fibers::Pool> pool_;  // Last: its fibers use the others.
};

}  // namespace parley::sender
