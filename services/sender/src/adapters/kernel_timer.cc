#include "adapters/kernel_timer.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include "libs/base/status.h"

namespace parley::sender {
namespace {

timespec ToTimespec(std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((time - seconds).count())};
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelTimer>> KernelTimer::Create() {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer{};
  if (timer_create(CLOCK_BOOTTIME, &event, &timer) != 0) {
    return Internal(std::string("timer_create: ") + std::strerror(errno));
  }
  return std::unique_ptr<KernelTimer>(new KernelTimer(timer));
}

KernelTimer::~KernelTimer() { timer_delete(timer_); }

DeadMansTimer::BootTime KernelTimer::Now() const {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

absl::Status KernelTimer::Arm(BootTime at) {
  itimerspec spec{};
  spec.it_value = ToTimespec(at);
  if (timer_settime(timer_, TIMER_ABSTIME, &spec, nullptr) != 0) {
    return Internal(std::string("timer_settime: ") + std::strerror(errno));
  }
  return absl::OkStatus();
}

void KernelTimer::Disarm() {
  const itimerspec off{};
  timer_settime(timer_, 0, &off, nullptr);
}

}  // namespace parley::sender
