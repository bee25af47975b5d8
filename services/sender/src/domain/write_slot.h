// Decides, when the connection stands and the first byte could leave, whether it may: the lane's
// rate is taken at the write, and what was journalled too long ago is never written.
// Pure; of one thread.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "domain/delivery.h"
#include "domain/limiter.h"

namespace parley::sender {

class WriteSlot {
 public:
  WriteSlot(std::shared_ptr<Limiter> limiter, int segments, SteadyTime write_by)
      : limiter_(std::move(limiter)), segments_(segments), write_by_(write_by) {}

  // Gives back what was reserved and not used.
  ~WriteSlot() {
    if (!taken_) limiter_->GiveUp(segments_);
  }
  WriteSlot(const WriteSlot&) = delete;
  WriteSlot& operator=(const WriteSlot&) = delete;

  // Zero: write now. Positive: wait as long and ask again. Negative: never write it. Asked again
  // after a zero, because not a byte had left, it takes another slot.
  std::chrono::microseconds AboutToWrite(SteadyTime now) {
    constexpr std::chrono::microseconds kNever{-1};
    if (now >= write_by_) return kNever;
    const auto wait =
        taken_ ? limiter_->TakeAnother(now, segments_) : limiter_->Take(now, segments_);
    if (wait.count() == 0) {
      taken_ = true;
      return wait;
    }
    return now + wait >= write_by_ ? kNever : wait;
  }

 private:
  const std::shared_ptr<Limiter> limiter_;
  const int segments_;
  const SteadyTime write_by_;
  bool taken_ = false;
};

}  // namespace parley::sender
