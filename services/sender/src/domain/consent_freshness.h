// Which sends may go as far as consent is known: an opt-out that reached Kafka must stop what is
// written a second later. Pure; not thread-safe.
#pragma once

#include <chrono>

#include "domain/delivery.h"

namespace parley::sender {

// Which priorities may be journalled.
struct Permission {
  bool interactive = true;
  bool bulk = true;
  bool operator==(const Permission&) const = default;
};

// Everything goes while the reader was at every end of parley.consent within the last 400 ms.
// Without a broker for 5 s interactive sends go on with what the store knows, and bulk waits.
// In between nothing goes.
class ConsentFreshness {
 public:
  static constexpr std::chrono::milliseconds kFresh{400};
  static constexpr std::chrono::milliseconds kBrokerPatience{5'000};

  explicit ConsentFreshness(SteadyTime start) : heard_at_(start) {}

  // The brokers were asked at `asked_at`, and all that they had then is stored.
  void AtEnd(SteadyTime asked_at) {
    fresh_until_ = asked_at + kFresh;
    Heard(asked_at);
  }
  // They answered or sent records, so they are there; not all may be stored yet.
  void Heard(SteadyTime at) {
    if (at > heard_at_) heard_at_ = at;
  }

  Permission Allowed(SteadyTime now) const {
    if (now < fresh_until_) return {.interactive = true, .bulk = true};
    return {.interactive = now >= heard_at_ + kBrokerPatience, .bulk = false};
  }

 private:
  SteadyTime fresh_until_ = SteadyTime::min();
  SteadyTime heard_at_;
};

}  // namespace parley::sender
