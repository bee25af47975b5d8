// The newest live events of one organization, in order and without holes. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace parley::gateway::live {

// An event as it is written to a client (server-sent event), shared by all who get it.
using Frame = std::shared_ptr<const std::string>;

struct FeedLimits {
  std::size_t frames_max = 1000;
  std::size_t bytes_max = 1 << 20;
};

class Feed {
 public:
  // Everything up to `last` has happened before; what follows is kept within `limits`.
  explicit Feed(std::int64_t last, FeedLimits limits = {}) : last_(last), limits_(limits) {}

  enum class Offered {
    kAppended,   // It is now the last.
    kDuplicate,  // Known already.
    kGap,        // Events between last() and it are missing: read them from the store.
  };
  Offered Offer(std::int64_t number, Frame frame);

  // Number of the last event.
  std::int64_t last() const { return last_; }

  // The event with this number, or null if it is not kept (any more).
  Frame At(std::int64_t number) const;

 private:
  std::int64_t last_;
  FeedLimits limits_;
  std::deque<Frame> frames_;  // The last of them is number last_.
  std::size_t bytes_ = 0;
};

}  // namespace parley::gateway::live
