#include "libs/base/shutdown.h"

#include <signal.h>
#include <unistd.h>

#include <thread>

namespace parley {
namespace {
constexpr std::chrono::seconds kDrainMax{25};

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}
}  // namespace

struct Shutdown::Watcher {
  std::jthread thread;
};

Shutdown::Shutdown() : watcher_(new Watcher) {
  const sigset_t set = Signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  watcher_->thread = std::jthread([this](std::stop_token own) {
    const sigset_t waited = Signals();
    const timespec slice{0, 200'000'000};
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
    while (!own.stop_requested()) {
      const int received = sigtimedwait(&waited, nullptr, &slice);
      if (received > 0 && source_.stop_requested()) _exit(1);
      if (received > 0) source_.request_stop();
      if (source_.stop_requested() && deadline == std::chrono::steady_clock::time_point::max()) {
        deadline = std::chrono::steady_clock::now() + kDrainMax;
      }
      if (std::chrono::steady_clock::now() > deadline) _exit(1);
    }
  });
}

Shutdown::~Shutdown() { delete watcher_; }

void Shutdown::Wait() {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, source_.get_token(), [] { return false; });
}

void Shutdown::Request() { source_.request_stop(); }

bool SleepFor(std::stop_token stop, std::chrono::nanoseconds duration) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace parley
