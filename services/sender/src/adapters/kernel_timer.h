// The kernel sends SIGKILL: no handler, no thread and no memory of ours is needed for it.
#pragma once

#include <ctime>
#include <memory>

#include "absl/status/statusor.h"
#include "ports.h"

namespace parley::sender {

class KernelTimer final : public DeadMansTimer {
 public:
  static absl::StatusOr<std::unique_ptr<KernelTimer>> Create();
  ~KernelTimer() override;
  KernelTimer(const KernelTimer&) = delete;
  KernelTimer& operator=(const KernelTimer&) = delete;

  BootTime Now() const override;
  absl::Status Arm(BootTime at) override;
  void Disarm() override;

 private:
  explicit KernelTimer(timer_t timer) : timer_(timer) {}
  const timer_t timer_;
};

}  // namespace parley::sender
