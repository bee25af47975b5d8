// Fibers that each carry one request at a time, on as many threads as the machine has processors
// for: a thousand requests under way are no thousand threads to switch between.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "libs/fibers/fibers.h"

namespace parley::sender {

template <class Task>
class Workers {
 public:
  // `run` is called on a fiber (libs/fibers/fibers.h says what it must not do there) and must not
  // throw. `on_done` is told after each task, when another one may be submitted.
  Workers(std::size_t tasks_max, std::function<void(Task)> run, std::function<void()> on_done)
      // Some more than fibers: the next is ready when one ends, for as long as a journal takes.
      : capacity_(tasks_max + tasks_max / 4 + 1),
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
    const std::lock_guard lock(mutex_);
    const std::size_t busy = tasks_.size() + running_;
    return busy >= capacity_ ? 0 : capacity_ - busy;
  }
  std::size_t capacity() const { return capacity_; }
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
    {
      const std::lock_guard lock(mutex_);
      --running_;
    }
    on_done_();
    return true;
  }

  const std::size_t capacity_;
  const std::function<void(Task)> run_;
  const std::function<void()> on_done_;
  mutable std::mutex mutex_;
  std::deque<Task> tasks_;
  std::size_t running_ = 0;
  std::optional<fibers::Pool> pool_;  // Last: its fibers use the others.
};

}  // namespace parley::sender
