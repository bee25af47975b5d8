// Whose turn it is: a weighted fair share for each party that has something to send. What deficit
// round robin does with a quantum of one segment, counted from the other side: not what each is
// owed, but what it has had; whoever had least for its weight goes next. One that comes back after
// it had nothing to send starts level with the others: neither does it save up a claim, nor does
// it pay for what it took while nobody else wanted anything. So it waits for no more than one send
// of each party that is ahead of it.
// Pure; not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

namespace parley::sender {

class Turns {
 public:
  struct Party {
    std::int64_t nr = 0;  // Its own; settles ties.
    int weight = 1;       // From 1; twice the weight, twice the share.
    std::int64_t had = 0;
    bool waits = false;
  };
  static constexpr std::int64_t kSegment = 1'000'000;  // For weight 1.

  void Enter(Party& party) {
    if (party.waits) return;
    party.waits = true;
    party.had = std::max(party.had, level_);
    waiting_.emplace(std::pair(party.had, party.nr), &party);
  }
  void Leave(Party& party) {
    if (!party.waits) return;
    party.waits = false;
    waiting_.erase({party.had, party.nr});
  }
  // It sends `cost` segments now.
  void Charge(Party& party, int cost) {
    const bool waits = party.waits;
    Leave(party);
    level_ = std::max(level_, party.had);
    party.had += kSegment * std::max(1, cost) / std::max(1, party.weight);
    if (waits) Enter(party);
  }

  using Waiting = std::map<std::pair<std::int64_t, std::int64_t>, Party*>;
  // In the order of their turns.
  const Waiting& waiting() const { return waiting_; }

 private:
  Waiting waiting_;
  std::int64_t level_ = 0;  // What the last one to send had had before.
};

}  // namespace parley::sender
