// Time, chance and what happens next: one thread, one queue of events, one seed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "domain/delivery.h"

namespace parley::sender::simulation {

using Micros = std::int64_t;  // Since the start of a run.
inline constexpr Micros kMilli = 1'000;
inline constexpr Micros kSecond = 1'000'000;

inline SteadyTime Steady(Micros at) {
  return SteadyTime(std::chrono::hours(1) + std::chrono::microseconds(at));
}
inline Micros FromSteady(SteadyTime at) {
  return std::chrono::duration_cast<std::chrono::microseconds>(at - Steady(0)).count();
}

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {}

  Micros now() const { return now_; }
  SteadyTime steady() const { return Steady(now_); }

  void At(Micros at, std::function<void()> what) {
    events_.push({std::max(at, now_), next_++, std::move(what)});
  }
  void In(Micros delay, std::function<void()> what) { At(now_ + delay, std::move(what)); }
  // False: nothing is left to happen.
  bool Step() {
    if (events_.empty()) return false;
    // top() is const only to protect the order, which does not look at `what`.
    const std::function<void()> what = std::move(const_cast<Event&>(events_.top()).what);
    now_ = events_.top().at;
    events_.pop();
    what();
    return true;
  }

  Micros Between(Micros low, Micros high) {  // Both included.
    return low + static_cast<Micros>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool Chance(double probability) { return Unit() < probability; }
  double Unit() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

  // Of a run that is replayed.
  void TraceTo(std::ostream* out) { trace_ = out; }
  template <class... Words>
  void Note(const Words&... words) {
    if (trace_ == nullptr) return;
    *trace_ << now_ << " µs:";
    ((*trace_ << " " << words), ...);
    *trace_ << "\n";
  }

  // The first rule that was broken; empty while all hold.
  const std::string& violation() const { return violation_; }
  void Violate(std::string what) {
    if (violation_.empty()) violation_ = std::to_string(now_) + " µs: " + std::move(what);
  }

 private:
  struct Event {
    Micros at;
    std::uint64_t nr;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::pair(at, nr) > std::pair(other.at, other.nr);
    }
  };
  std::mt19937_64 random_;
  std::priority_queue<Event> events_;
  Micros now_ = 0;
  std::uint64_t next_ = 0;
  std::string violation_;
  std::ostream* trace_ = nullptr;
};

}  // namespace parley::sender::simulation
