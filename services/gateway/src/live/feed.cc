#include "live/feed.h"

#include <utility>

namespace parley::gateway::live {

Feed::Offered Feed::Offer(std::int64_t number, Frame frame) {
  if (number <= last_) return Offered::kDuplicate;
  if (number > last_ + 1) return Offered::kGap;
  last_ = number;
  bytes_ += frame->size();
  frames_.push_back(std::move(frame));
  while (frames_.size() > limits_.frames_max || bytes_ > limits_.bytes_max) {
    bytes_ -= frames_.front()->size();
    frames_.pop_front();
  }
  return Offered::kAppended;
}

Frame Feed::At(std::int64_t number) const {
  const std::int64_t first = last_ - static_cast<std::int64_t>(frames_.size()) + 1;
  if (number < first || number > last_) return nullptr;
  return frames_[static_cast<std::size_t>(number - first)];
}

}  // namespace parley::gateway::live
