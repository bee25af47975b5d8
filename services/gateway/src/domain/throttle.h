// Slows down whoever guesses passwords. Pure: the caller gives the time. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "libs/base/clock.h"

namespace parley::gateway {

// Counts failures for each key in a window that begins with the first of them. Bounded: beyond
// `keys_max` the keys that failed longest ago are forgotten.
class Throttle {
 public:
  struct Options {
    int failures_max = 10;
    std::chrono::seconds window{15 * 60};
    std::size_t keys_max = 10'000;
  };

  Throttle() : Throttle(Options()) {}
  explicit Throttle(Options options) : options_(options) {}

  // How long the key has to wait; zero if it may try.
  std::chrono::seconds WaitFor(const std::string& key, Time now) const;
  void Failed(const std::string& key, Time now);
  void Succeeded(const std::string& key);

 private:
  struct Entry {
    std::string key;
    int failures = 0;
    Time window_start;
  };

  Options options_;
  std::list<Entry> entries_;  // The one that failed last is first.
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace parley::gateway
