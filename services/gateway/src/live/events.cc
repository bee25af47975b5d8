#include "live/events.h"

#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "store/live_json.h"
#include "store/resources.h"

namespace parley::gateway::live {
namespace {

// Each row holds up to Outbox::kLiveRowBytesMax.
constexpr int kRowsAtOnce = 16;

// The events of one row that come after `after`.
void AddEvents(const pqxx::row& row, std::int64_t after, int events_max,
               std::vector<Event>& events) {
  std::int64_t number = row[0].as<std::int64_t>() - row[1].as<std::int64_t>();
  const Time time = FromMicros(row[3].as<std::int64_t>());
  for (const store::LiveLine& line : store::SplitLiveLines({row[2].c_str(), row[2].size()})) {
    ++number;
    if (number <= after || static_cast<int>(events.size()) == events_max) continue;
    events.push_back(
        {number, std::string(line.name), store::NumberedLiveEvent(number, time, line.data)});
  }
}

}  // namespace

absl::StatusOr<std::vector<Event>> StoredEvents::ReadAfter(std::string_view organization_id,
                                                           std::int64_t after, int events_max) {
  std::vector<Event> events;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    events.clear();
    static const std::string sql =
        "SELECT number, events, data, " + store::MicrosOf("created_at") +
        " FROM live_events WHERE organization_id = $1 AND number > $2 ORDER BY number LIMIT " +
        std::to_string(kRowsAtOnce);
    std::int64_t read = after;
    while (static_cast<int>(events.size()) < events_max) {
      const pqxx::result rows = tx.exec_params(sql, std::string(organization_id), read);
      for (const pqxx::row& row : rows) {
        read = row[0].as<std::int64_t>();
        AddEvents(row, after, events_max, events);
      }
      if (rows.size() < kRowsAtOnce) break;
    }
    return absl::OkStatus();
  }));
  return events;
}

absl::StatusOr<std::map<std::string, std::int64_t>> StoredEvents::LastNumbers(
    const std::vector<std::string>& organization_ids) {
  std::map<std::string, std::int64_t> numbers;
  postgres::Array ids;
  for (const std::string& id : organization_ids) ids.Add(id);
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    numbers.clear();
    for (const pqxx::row& row :
         tx.exec_params("SELECT organization_id, last_number FROM live_counters "
                        "WHERE organization_id = ANY ($1::uuid[])",
                        ids.str())) {
      numbers[row[0].c_str()] = row[1].as<std::int64_t>();
    }
    return absl::OkStatus();
  }));
  return numbers;
}

}  // namespace parley::gateway::live
