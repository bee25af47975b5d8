#include "lanes.h"

#include <utility>

namespace parley::ai {

Lanes::Lanes(int workers) {
  for (int i = 0; i < workers; ++i) {
    workers_.emplace_back([this] { Work(); });
  }
}

Lanes::~Lanes() { Close(); }

void Lanes::Submit(const std::string& key, Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    std::deque<Task>& lane = lanes_[key];
    lane.push_back(std::move(task));
    ++size_;
    if (lane.size() > 1) return;  // It follows when the one before it is finished.
    ready_.push_back(key);
  }
  ready_changed_.notify_one();
}

std::size_t Lanes::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

bool Lanes::WaitBelow(std::size_t bound, std::chrono::milliseconds wait) const {
  std::unique_lock lock(mutex_);
  return finished_.wait_for(lock, wait, [&] { return size_ < bound; });
}

void Lanes::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const std::string& key : ready_) {
      size_ -= lanes_[key].size();
      lanes_.erase(key);
    }
    ready_.clear();
    for (auto& [key, lane] : lanes_) {  // These run their first task.
      size_ -= lane.size() - 1;
      lane.resize(1);
    }
  }
  ready_changed_.notify_all();
  finished_.notify_all();
}

void Lanes::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_changed_.wait(lock, [&] { return closed_ || !ready_.empty(); });
    if (ready_.empty()) return;
    const std::string key = std::move(ready_.front());
    ready_.pop_front();
    // Moved out, so that Close and Submit may change the lane while it runs.
    const Task task = std::move(lanes_[key].front());
    lock.unlock();
    task();
    lock.lock();
    FinishOne(key);
  }
}

void Lanes::FinishOne(const std::string& key) {
  const auto lane = lanes_.find(key);
  lane->second.pop_front();
  --size_;
  if (lane->second.empty()) {
    lanes_.erase(lane);
  } else {
    ready_.push_back(key);
    ready_changed_.notify_one();
  }
  finished_.notify_all();
}

}  // namespace parley::ai
