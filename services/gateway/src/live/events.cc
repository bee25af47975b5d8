#include "live/events.h"

#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "store/live_json.h"
#include "store/resources.h"

namespace parley::gateway::live {

absl::StatusOr<std::vector<Event>> StoredEvents::ReadAfter(std::string_view organization_id,
                                                           std::int64_t after, int events_max) {
  std::vector<Event> events;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    events.clear();
    static const std::string sql =
        "SELECT number, name, data, " + store::MicrosOf("created_at") +
        " FROM live_events WHERE organization_id = $1 AND number > $2 ORDER BY number LIMIT $3";
    for (const pqxx::row& row :
         tx.exec_params(sql, std::string(organization_id), after, events_max)) {
      const std::int64_t number = row[0].as<std::int64_t>();
      events.push_back({number, row[1].c_str(),
                        store::NumberedLiveEvent(number, FromMicros(row[3].as<std::int64_t>()),
                                                 row[2].c_str())});
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
