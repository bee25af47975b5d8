#include "domain/throttle.h"

namespace parley::gateway {

std::chrono::seconds Throttle::WaitFor(const std::string& key, Time now) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::chrono::seconds(0);
  const Entry& entry = *found->second;
  const Time end = entry.window_start + options_.window;
  if (entry.failures < options_.failures_max || now >= end) return std::chrono::seconds(0);
  return std::chrono::ceil<std::chrono::seconds>(end - now);
}

void Throttle::Failed(const std::string& key, Time now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    entries_.push_front({key, 1, now});
    by_key_[key] = entries_.begin();
    if (entries_.size() > options_.keys_max) {
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
    return;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  Entry& entry = entries_.front();
  if (now >= entry.window_start + options_.window) {
    entry.failures = 0;
    entry.window_start = now;
  }
  ++entry.failures;
}

void Throttle::Succeeded(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  entries_.erase(found->second);
  by_key_.erase(found);
}

}  // namespace parley::gateway
