// Decides, when the connection stands and the first byte could leave, whether it may: the lane's
// rate is taken at the write, and what was journalled too long ago is never written.
// Pure; of one thread.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "domain/delivery.h"
#include "domain/handover.h"
#include "domain/limiter.h"

namespace parley::sender {

// The lane that is written to, for whoever takes it over.
struct WriteTicket {
  Handover* handover = nullptr;  // None: nobody takes over.
  int shard = 0;
  std::int64_t lane_id = 0;
};

class WriteSlot {
 public:
  // What was begun at `ticket.handover` when it was planned ends here.
  WriteSlot(std::shared_ptr<Limiter> limiter, int segments, SteadyTime write_by,
            WriteTicket ticket = {})
      : limiter_(std::move(limiter)),
        segments_(segments),
        write_by_(write_by),
        ticket_(ticket),
        begun_(ticket.handover != nullptr) {}

  // Gives back what was reserved and not used.
  ~WriteSlot() {
    if (!taken_) limiter_->GiveUp(segments_);
    GiveUp();
  }
  WriteSlot(const WriteSlot&) = delete;
  WriteSlot& operator=(const WriteSlot&) = delete;

  // Zero: write now. Positive: wait as long and ask again. Negative: never write it. Asked again
  // after a zero, because not a byte had left, it takes another slot.
  std::chrono::microseconds AboutToWrite(SteadyTime now) {
    constexpr std::chrono::microseconds kNever{-1};
    if (now >= write_by_ || !BeginAgain()) {
      GiveUp();
      return kNever;
    }
    const auto wait =
        taken_ ? limiter_->TakeAnother(now, segments_) : limiter_->Take(now, segments_);
    if (wait.count() == 0) {
      taken_ = true;
      if (begun_) ticket_.handover->Written(ticket_.shard, ticket_.lane_id, limiter_->next());
      begun_ = false;
      return wait;
    }
    if (now + wait < write_by_) return wait;
    GiveUp();
    return kNever;
  }

 private:
  // False: its shard was given away since.
  bool BeginAgain() {
    if (ticket_.handover == nullptr || begun_) return true;
    begun_ = ticket_.handover->Begin(ticket_.shard);
    return begun_;
  }
  void GiveUp() {
    if (begun_) ticket_.handover->GivenUp(ticket_.shard);
    begun_ = false;
  }

  const std::shared_ptr<Limiter> limiter_;
  const int segments_;
  const SteadyTime write_by_;
  const WriteTicket ticket_;
  bool begun_;  // The handover counts it as unwritten.
  bool taken_ = false;
};

}  // namespace parley::sender
