// Shared by the threads that serve log-ins: domain/throttle.h behind a lock.
#pragma once

#include <mutex>
#include <string>

#include "domain/throttle.h"

namespace parley::gateway {

// Thread-safe. In this process only: with several replicas each grants its own tries, which
// argon2id makes slow enough.
class LoginThrottle {
 public:
  std::chrono::seconds WaitFor(const std::string& key, Time now) const {
    const std::lock_guard lock(mutex_);
    return throttle_.WaitFor(key, now);
  }
  void Failed(const std::string& key, Time now) {
    const std::lock_guard lock(mutex_);
    throttle_.Failed(key, now);
  }
  void Succeeded(const std::string& key) {
    const std::lock_guard lock(mutex_);
    throttle_.Succeeded(key);
  }

 private:
  mutable std::mutex mutex_;
  Throttle throttle_;
};

}  // namespace parley::gateway
