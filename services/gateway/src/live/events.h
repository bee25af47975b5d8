// Where live events are read from when they did not come by themselves.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres/pool.h"

namespace parley::gateway::live {

// A numbered event.
struct Event {
  std::int64_t number = 0;
  std::string name;  // "message", "conversation"
  std::string json;  // LiveEvent.
};

// Blocking and thread-safe. Errors: kUnavailable.
class EventSource {
 public:
  virtual ~EventSource() = default;

  // The oldest `events_max` events after `after`, in order. If the first is not `after` + 1, what
  // lies between is gone.
  virtual absl::StatusOr<std::vector<Event>> ReadAfter(std::string_view organization_id,
                                                       std::int64_t after, int events_max) = 0;

  // The last number given out to each organization; those without events may be left out.
  virtual absl::StatusOr<std::map<std::string, std::int64_t>> LastNumbers(
      const std::vector<std::string>& organization_ids) = 0;
};

// Out of live_events and live_counters, as gateway_worker.
class StoredEvents final : public EventSource {
 public:
  explicit StoredEvents(postgres::Pool& pool) : pool_(pool) {}
  absl::StatusOr<std::vector<Event>> ReadAfter(std::string_view organization_id, std::int64_t after,
                                               int events_max) override;
  absl::StatusOr<std::map<std::string, std::int64_t>> LastNumbers(
      const std::vector<std::string>& organization_ids) override;

 private:
  postgres::Pool& pool_;
};

}  // namespace parley::gateway::live
