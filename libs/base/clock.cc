#include "libs/base/clock.h"

#include "absl/time/time.h"
#include "libs/base/status.h"

namespace parley {
namespace {

class RealClock final : public Clock {
 public:
  Time Now() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
  }
  std::chrono::steady_clock::time_point Steady() const override {
    return std::chrono::steady_clock::now();
  }
};

}  // namespace

const Clock& SystemClock() {
  static const RealClock* const clock = new RealClock;
  return *clock;
}

Time SimulatedClock::Now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

std::chrono::steady_clock::time_point SimulatedClock::Steady() const {
  return std::chrono::steady_clock::time_point(Now().time_since_epoch());
}

void SimulatedClock::Advance(std::chrono::microseconds by) {
  const std::lock_guard lock(mutex_);
  now_ += by;
}

std::string FormatTime(Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(ToMicros(time)),
                          absl::UTCTimeZone());
}

absl::StatusOr<Time> ParseTime(std::string_view text) {
  for (const char* format :
       {"%Y-%m-%dT%H:%M:%E*S%Ez", "%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d %H:%M:%E*S%Ez"}) {
    absl::Time parsed;
    std::string error;
    if (absl::ParseTime(format, ToAbsl(text), &parsed, &error)) {
      return FromMicros(absl::ToUnixMicros(parsed));
    }
  }
  return InvalidArgument("INVALID_TIME",
                         "The time is not RFC 3339; write it like 2026-01-02T03:04:05Z.");
}

}  // namespace parley
