#include "libs/fibers/fibers.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <system_error>

namespace parley::fibers {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kStackBytes = 256 << 10;  // Touched as far as it is used.
constexpr std::int64_t kWaitMaxMs = 3'600'000;

bool PollFor(int fd, short events, SteadyTime deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd entry{fd, events, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::min(left, kWaitMaxMs)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

int Checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return fd;
}

}  // namespace

// One thread's fibers. All but Tell() and Stop() is of that thread.
class Pool::Loop {
 public:
  Loop(std::size_t fibers_max, const std::function<bool()>& run_one)
      : fibers_max_(fibers_max),
        run_one_(run_one),
        epoll_(Checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
        told_fd_(Checked(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;  // No fiber: somebody told of work.
    Checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, told_fd_, &event), "epoll_ctl");
  }
  ~Loop() {
    close(told_fd_);
    close(epoll_);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // The loop of the fiber that this runs on; null on any other thread.
  static Loop* OfThisFiber() {
    return running_ != nullptr && running_->current_ != nullptr ? running_ : nullptr;
  }

  void Tell() {
    if (!told_.exchange(true)) eventfd_write(told_fd_, 1);
  }
  void Stop() {
    stopping_ = true;
    Tell();
  }

  void Run() {
    running_ = this;
    while (true) {
      const bool stopping = stopping_;  // Before the look for work: it is the last one then.
      if (told_.exchange(false)) StartWork();
      if (stopping && idle_.size() == fibers_.size()) break;
      Turn();
    }
    over_ = true;
    for (const auto& fiber : fibers_) Resume(*fiber);  // They end.
    running_ = nullptr;
  }

  bool WaitReady(int fd, short events, SteadyTime deadline) {
    epoll_event event{};
    event.events = EPOLLONESHOT;
    if ((events & POLLIN) != 0) event.events |= EPOLLIN | EPOLLRDHUP;
    if ((events & POLLOUT) != 0) event.events |= EPOLLOUT;
    event.data.ptr = current_;
    if (epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) != 0 &&
        (errno != ENOENT || epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0)) {
      return PollFor(fd, events, deadline);
    }
    if (SuspendUntil(deadline)) return true;
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    // Where the loop was held up both may be true, and what has arrived counts.
    pollfd entry{fd, events, 0};
    return poll(&entry, 1, 0) > 0;
  }

  // True if an event came before.
  bool SuspendUntil(SteadyTime until) {
    Fiber& fiber = *current_;
    fiber.timer = timers_.emplace(until, &fiber);
    fiber.has_event = false;
    Suspend();
    return fiber.has_event;
  }

 private:
  struct Fiber {
    boost::context::fiber self;       // While it is suspended.
    boost::context::fiber scheduler;  // While it runs.
    std::multimap<SteadyTime, Fiber*>::iterator timer;
    bool has_event = false;
  };

  // As much work as there are fibers for; each takes more when it has done one.
  void StartWork() {
    more_ = true;
    while (more_) {
      if (idle_.empty()) {
        if (fibers_.size() == fibers_max_ || !AddFiber()) return;
      }
      Fiber* const fiber = idle_.back();
      idle_.pop_back();
      Resume(*fiber);
    }
  }

  // False if there is no memory for another one; those that exist do the work then.
  bool AddFiber() try {
    auto fiber = std::make_unique<Fiber>();
    Fiber* const added = fiber.get();
    added->self = boost::context::fiber(std::allocator_arg,
                                        boost::context::protected_fixedsize_stack(kStackBytes),
                                        [this, added](boost::context::fiber&& scheduler) {
                                          added->scheduler = std::move(scheduler);
                                          while (!over_) {
                                            while (run_one_()) {
                                            }
                                            more_ = false;
                                            idle_.push_back(added);
                                            Suspend();
                                          }
                                          return std::move(added->scheduler);
                                        });
    fibers_.reserve(fibers_.size() + 1);
    idle_.push_back(added);
    fibers_.push_back(std::move(fiber));
    return true;
  } catch (const std::bad_alloc&) {
    if (fibers_.empty()) throw;
    return false;
  }

  void Resume(Fiber& fiber) {
    current_ = &fiber;
    fiber.self = std::move(fiber.self).resume();
    current_ = nullptr;
  }

  void Suspend() {
    Fiber& fiber = *current_;
    fiber.scheduler = std::move(fiber.scheduler).resume();
  }

  // Waits for the next events and times, and goes on with those who waited for them.
  void Turn() {
    std::array<epoll_event, 128> events;
    int wait_ms = -1;
    if (!timers_.empty()) {
      const auto left =
          std::chrono::ceil<milliseconds>(timers_.begin()->first - steady_clock::now()).count();
      wait_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, kWaitMaxMs));
    }
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < count; ++i) {
      auto* const fiber = static_cast<Fiber*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (fiber == nullptr) {
        eventfd_t told = 0;
        eventfd_read(told_fd_, &told);
        continue;
      }
      timers_.erase(fiber->timer);
      fiber->has_event = true;
      Resume(*fiber);
    }
    const SteadyTime now = steady_clock::now();
    while (!timers_.empty() && timers_.begin()->first <= now) {
      Fiber* const fiber = timers_.begin()->second;
      timers_.erase(timers_.begin());
      Resume(*fiber);
    }
  }

  static thread_local Loop* running_;

  const std::size_t fibers_max_;
  const std::function<bool()>& run_one_;
  const int epoll_;
  const int told_fd_;
  std::atomic<bool> told_{false};
  std::atomic<bool> stopping_{false};
  Fiber* current_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  std::multimap<SteadyTime, Fiber*> timers_;
  bool more_ = false;  // The last look for work found some.
  bool over_ = false;
};

thread_local Pool::Loop* Pool::Loop::running_ = nullptr;

bool WaitFor(int fd, short events, SteadyTime deadline) {
  Pool::Loop* const loop = Pool::Loop::OfThisFiber();
  return loop != nullptr ? loop->WaitReady(fd, events, deadline) : PollFor(fd, events, deadline);
}

void SleepFor(std::chrono::microseconds time) {
  Pool::Loop* const loop = Pool::Loop::OfThisFiber();
  if (loop == nullptr) return std::this_thread::sleep_for(time);
  loop->SuspendUntil(steady_clock::now() + time);
}

Pool::Pool(const Options& options, std::function<bool()> run_one) : run_one_(std::move(run_one)) {
  const std::size_t threads = std::clamp<std::size_t>(options.threads, 1, options.fibers_max);
  for (std::size_t i = 0; i < threads; ++i) {
    const std::size_t share = options.fibers_max / threads + (i < options.fibers_max % threads);
    loops_.push_back(std::make_unique<Loop>(share, run_one_));
  }
  try {
    for (const auto& loop : loops_) threads_.emplace_back([&loop] { loop->Run(); });
  } catch (...) {
    Stop();
    throw;
  }
}

Pool::~Pool() { Stop(); }

void Pool::Stop() {
  for (const auto& loop : loops_) loop->Stop();
}

void Pool::Wake() {
  for (const auto& loop : loops_) loop->Tell();
}

}  // namespace parley::fibers
