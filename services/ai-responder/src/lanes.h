// Runs tasks on a fixed number of threads: those of one key one after the other, in the order in
// which they were submitted; those of different keys side by side.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace parley::ai {

// Thread-safe. Unbounded by itself: the caller keeps size() below its bound.
class Lanes {
 public:
  using Task = std::function<void()>;

  explicit Lanes(int workers);
  // Drops what was not started and waits for what runs.
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  void Submit(const std::string& key, Task task);

  // Tasks that wait or run.
  std::size_t size() const;

  // Waits until fewer than `bound` tasks wait or run; false if that takes longer than `wait`.
  bool WaitBelow(std::size_t bound, std::chrono::milliseconds wait) const;

  // Drops what was not started; what is submitted from now on is dropped too.
  void Close();

 private:
  void Work();
  // Its lane's next task is up: another thread may take it. Call with the lock held.
  void FinishOne(const std::string& key);

  mutable std::mutex mutex_;
  mutable std::condition_variable finished_;
  std::condition_variable ready_changed_;
  bool closed_ = false;
  std::size_t size_ = 0;
  // A lane exists while it has tasks; its first one is ready or running.
  std::unordered_map<std::string, std::deque<Task>> lanes_;
  std::deque<std::string> ready_;  // Lanes whose first task may start, longest waiting first.
  std::vector<std::jthread> workers_;
};

}  // namespace parley::ai
