// What the statements of the sender share: prepared statements, and rows as our types. Internal to
// the PostgreSQL adapter.
#pragma once

#include <charconv>
#include <pqxx/pqxx>
#include <string>
#include <string_view>

#include "domain/delivery.h"
#include "domain/evidence.h"
#include "libs/base/clock.h"
#include "libs/postgres/array.h"

namespace parley::sender {

// Prepares `sql` on this connection when it is first used there.
template <class... Args>
pqxx::result Run(pqxx::work& tx, const char* name, const char* sql, Args&&... args) {
  tx.conn().prepare(name, sql);
  return tx.exec_prepared(name, std::forward<Args>(args)...);
}

inline std::string Text(const pqxx::field& field) { return {field.c_str(), field.size()}; }
inline bool Flag(const pqxx::field& field) { return field.c_str()[0] == 't'; }

inline std::int64_t Number(const pqxx::field& field) {
  std::int64_t value = 0;
  std::from_chars(field.c_str(), field.c_str() + field.size(), value);
  return value;
}

inline DeliveryKey Key(const pqxx::row& row) {
  return {Text(row[0]), Text(row[1]), static_cast<int>(Number(row[2]))};
}

// Microseconds since 1970 of a column. A double holds them exactly; extract() would make a numeric,
// which is slow.
#define PARLEY_MICROS(column) "(date_part('epoch', " column ") * 1000000)::bigint"
// Microseconds from now until a column's time.
#define PARLEY_MICROS_UNTIL(column) \
  "(date_part('epoch', " column " - clock_timestamp()) * 1000000)::bigint"

// The columns that ToChange reads; `d` is the delivery. The account comes from a scalar query, not
// a join: an update that joins lanes may be planned from the lanes, through every waiting row.
#define PARLEY_CHANGE_COLUMNS \
  "d.organization_id, d.message_id, d.generation, d.ord, d.version, d.state, d.attempt, " \
  "(SELECT l.account_sid FROM lanes l WHERE l.lane_id = d.lane_id), d.message_sid, "      \
  "d.error_code, d.reason, d.message, " PARLEY_MICROS("d.changed_at") ", " PARLEY_MICROS( \
      "d.due_at") ", d.segments_counted, "                                                  \
  "CASE WHEN d.look_journal = d.journal THEN d.findings ELSE '' END, "                      \
  "CASE WHEN d.look_journal = d.journal THEN coalesce(" PARLEY_MICROS("d.look_due_at")      \
      ", 0) ELSE -1 END"

inline Change ToChange(const pqxx::row& row) {
  Change change;
  change.key = Key(row);
  change.ord = Number(row[3]);
  change.version = Number(row[4]);
  change.state = ParseState(row[5].c_str());
  change.attempt = static_cast<int>(Number(row[6]));
  change.account_sid = Text(row[7]);
  change.message_sid = Text(row[8]);
  change.error_code = static_cast<int>(Number(row[9]));
  change.reason = Text(row[10]);
  change.message = Text(row[11]);
  change.at = FromMicros(Number(row[12]));
  if (change.state == State::kQueued && !change.reason.empty()) {
    change.retry_at = FromMicros(Number(row[13]));
  }
  change.segments = static_cast<int>(Number(row[14]));
  if (change.state == State::kUnconfirmed) {
    change.findings = ReadFindings(Text(row[15]));
    const std::int64_t look_at = Number(row[16]);
    if (look_at != 0)
      change.look_again_at = look_at > 0 ? FromMicros(look_at) : change.at + kFirstLook;
  }
  return change;
}

// Arrays of the keys of many rows, as $1, $2 and $3.
struct KeyArrays {
  postgres::Array organizations;
  postgres::Array messages;
  postgres::Array generations;
  void Add(const DeliveryKey& key) {
    organizations.Add(key.organization_id);
    messages.Add(key.message_id);
    generations.Add(key.generation);
  }
};

}  // namespace parley::sender
