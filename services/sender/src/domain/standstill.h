// What does not send at the moment because of Twilio's answers, as an operator is shown it. Pure;
// not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/delivery.h"

namespace parley::sender {

struct Standstill {
  enum class State {
    kOpen,      // The account's breaker: nothing is sent.
    kHalfOpen,  // One request at a time shows whether it is over.
    kWaiting,   // Twilio asked for a pause, or the number is at fault.
  };
  std::string account_sid;
  std::string number;  // Empty: the whole account.
  State state = State::kWaiting;
  std::string reason;  // As in the results of sends, for example TWILIO_30034.
  SteadyTime since;
  std::optional<SteadyTime> until;  // None: until a request succeeds.
  bool operator==(const Standstill&) const = default;
};

// "open" and the like, as stored.
std::string_view StandstillName(Standstill::State state);

// Pauses that were asked for, as long as they last.
class Waits {
 public:
  static constexpr std::size_t kWaitsMax = 1'000;  // Further ones are not shown.

  // One that goes on keeps its beginning and has the newest reason and end.
  void Note(const std::string& account_sid, const std::string& number, const std::string& reason,
            SteadyTime now, SteadyTime until);
  // In order of account and number; forgets what is over.
  std::vector<Standstill> Current(SteadyTime now);

 private:
  std::map<std::pair<std::string, std::string>, Standstill> waits_;
};

}  // namespace parley::sender
