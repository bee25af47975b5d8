// Threads that each carry one request at a time. They are made when they are first needed, with
// small stacks, so that a thousand configured ones cost nothing while idle.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace parley::sender {

template <class Task>
class Workers {
 public:
  // `run` must not throw. `on_done` is told after each task, when another one may be submitted.
  Workers(std::size_t threads_max, std::function<void(Task)> run, std::function<void()> on_done)
      : threads_max_(threads_max),
        // Some more than threads: the next is ready when one ends, for as long as a journal takes.
        capacity_(threads_max + threads_max / 4 + 1),
        run_(std::move(run)),
        on_done_(std::move(on_done)) {}

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
      if (idle_ < tasks_.size() && threads_.size() < threads_max_) StartThread();
    }
    changed_.notify_one();
  }

  // Waits until all that was submitted is done; nothing may be submitted any more.
  void Stop() {
    std::vector<pthread_t> threads;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      threads.swap(threads_);
    }
    changed_.notify_all();
    for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  }

 private:
  static constexpr std::size_t kStackBytes = 256 << 10;

  void StartThread() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    pthread_t thread{};
    const int error = pthread_create(
        &thread, &attributes,
        [](void* self) -> void* {
          static_cast<Workers*>(self)->Loop();
          return nullptr;
        },
        this);
    pthread_attr_destroy(&attributes);
    if (error == 0) threads_.push_back(thread);  // Else those that exist do the work.
  }

  void Loop() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_;
      changed_.wait(lock, [this] { return !tasks_.empty() || stopping_; });
      --idle_;
      if (tasks_.empty()) return;
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      ++running_;
      lock.unlock();
      run_(std::move(task));
      lock.lock();
      --running_;
      lock.unlock();
      on_done_();
      lock.lock();
    }
  }

  const std::size_t threads_max_;
  const std::size_t capacity_;
  const std::function<void(Task)> run_;
  const std::function<void()> on_done_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::vector<pthread_t> threads_;
  std::size_t idle_ = 0;
  std::size_t running_ = 0;
  bool stopping_ = false;
};

}  // namespace parley::sender
