#include "domain/hold.h"

#include <utility>

namespace parley::sender {

Holding::Steps Holding::Look(const Hold& hold, SteadyTime now) {
  Steps steps;
  const bool first = !std::exchange(looked_, true);
  // One that began and ended between two looks counts: what was read before it says nothing. A
  // replica that starts after it begins with what the store knows then, which is all.
  const bool known = hold.number == number_ && hold.since_us == since_us_;
  number_ = hold.number;
  since_us_ = hold.since_us;  // A restored table may have counted the same number before.
  if (hold.IsHeld() ? !known || !held_ : !known && !first && !hold.forced) {
    steps.began = true;
    held_ = true;
    reading_ = false;
    known_ = false;
    asked_.reset();
  }
  if (!hold.IsHeld()) {
    if (held_ && (known_ || hold.forced)) {
      held_ = false;
      steps.ended = true;
    }
    return steps;
  }
  if (!hold.lifts_from_us) return steps;
  if (known_ && republication_.IsComplete(*hold.lifts_from_us)) {
    steps.lift = hold.lifts_from_us;
  } else if (asked_ != hold.lifts_from_us || now >= ask_at_) {
    asked_ = steps.ask = hold.lifts_from_us;
    ask_at_ = now + kAskInterval;
  }
  return steps;
}

void Holding::StartedOver() {
  reading_ = true;
  known_ = false;
  republication_.Clear();
}

void Holding::Read(const Republication::Record& record) {
  if (reading_) republication_.Note(record);
}

}  // namespace parley::sender
