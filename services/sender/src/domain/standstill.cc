#include "domain/standstill.h"

#include <algorithm>

namespace parley::sender {

std::string_view StandstillName(Standstill::State state) {
  switch (state) {
    case Standstill::State::kOpen:
      return "open";
    case Standstill::State::kHalfOpen:
      return "half-open";
    case Standstill::State::kWaiting:
      return "waiting";
  }
  return "waiting";
}

void Waits::Note(const std::string& account_sid, const std::string& number,
                 const std::string& reason, SteadyTime now, SteadyTime until) {
  if (until <= now) return;
  if (waits_.size() >= kWaitsMax) {
    std::erase_if(waits_, [now](const auto& wait) { return *wait.second.until <= now; });
    if (waits_.size() >= kWaitsMax) return;
  }
  Standstill& wait = waits_[{account_sid, number}];
  const bool goes_on = wait.until && *wait.until > now;
  const SteadyTime latest = goes_on ? std::max(*wait.until, until) : until;
  wait = {account_sid, number, Standstill::State::kWaiting, reason, goes_on ? wait.since : now,
          latest};
}

std::vector<Standstill> Waits::Current(SteadyTime now) {
  std::erase_if(waits_, [now](const auto& wait) { return *wait.second.until <= now; });
  std::vector<Standstill> current;
  for (const auto& [key, wait] : waits_) current.push_back(wait);
  return current;
}

}  // namespace parley::sender
