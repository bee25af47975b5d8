// Time as a port: code that decides by time takes a Clock, so that a test can turn it.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace parley {

// Wall-clock time, UTC, in microseconds: what is stored, sent and compared between machines.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

// Thread-safe. Wall time may step; use Steady() to measure durations.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;
  virtual std::chrono::steady_clock::time_point Steady() const = 0;
};

// The machine's clock; lives for the whole process.
const Clock& SystemClock();

// Stands still until told. Thread-safe.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(Time start) : now_(start) {}
  Time Now() const override;
  std::chrono::steady_clock::time_point Steady() const override;
  void Advance(std::chrono::microseconds by);

 private:
  mutable std::mutex mutex_;
  Time now_;
};

// Microseconds since 1970, as protobuf and Kafka records carry it.
inline std::int64_t ToMicros(Time time) { return time.time_since_epoch().count(); }
inline Time FromMicros(std::int64_t micros) { return Time(std::chrono::microseconds(micros)); }

// "2026-01-02T03:04:05.123456Z": RFC 3339, UTC; PostgreSQL and JSON both read it.
std::string FormatTime(Time time);

// Reads RFC 3339 ("Z" or an offset) and what PostgreSQL prints ("2026-01-02 03:04:05.1+00").
// Errors: kInvalidArgument.
absl::StatusOr<Time> ParseTime(std::string_view text);

}  // namespace parley
