#include "adapters/postgres_hold.h"

#include "adapters/postgres_rows.h"
#include "adapters/postgres_store.h"
#include "libs/base/status.h"

namespace parley::sender {
namespace {

#define PARLEY_NOW_US "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// The timeline is that of the log's present segment: pg_control_checkpoint() names it only after
// the first checkpoint that follows a failover.
constexpr char kLookSql[] =
    "SELECT h.*, i.system_identifier, i.timeline_id, i.table_oid, i.holds, "
    "coalesce(i.held_by, ''), i.held_since_us, i.reason, i.lifts_from_us, i.forced FROM "
    "(SELECT c.system_identifier, "
    "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int, "
    "'installation'::regclass::oid::bigint FROM pg_control_system() c) "
    "h(system_identifier, timeline_id, table_oid) LEFT JOIN installation i ON true";

struct Looked {
  DatabaseIdentity here;
  std::optional<DatabaseIdentity> stored;
  Hold hold;
};

HeldBy ParseHeldBy(std::string_view name) {
  if (name == "restore") return HeldBy::kRestore;
  if (name == "operator") return HeldBy::kOperator;
  return HeldBy::kNobody;
}

Looked LookAt(pqxx::work& tx) {
  const pqxx::result rows = Run(tx, "hold_look", kLookSql);
  const pqxx::row row = rows[0];
  Looked looked;
  looked.here = {Number(row[0]), Number(row[1]), Number(row[2])};
  if (row[3].is_null()) return looked;
  looked.stored = {Number(row[3]), Number(row[4]), Number(row[5])};
  looked.hold.number = Number(row[6]);
  looked.hold.held_by = ParseHeldBy(row[7].c_str());
  looked.hold.since_us = Number(row[8]);
  looked.hold.reason = Text(row[9]);
  if (!row[10].is_null()) looked.hold.lifts_from_us = Number(row[10]);
  looked.hold.forced = Flag(row[11]);
  return looked;
}

// Whoever holds or releases changes this row first; so does a renewal that gives leases, which
// shares its lock.
void TakeLeases(pqxx::work& tx) {
  Run(tx, "hold_shards",
      "UPDATE shards SET owner = NULL, lease_until = '-infinity' WHERE owner IS NOT NULL");
}

// The replicas look at the hold, and at their leases, when they hear of leases.
void Wake(pqxx::work& tx) {
  Run(tx, "wake_leases", "SELECT pg_notify($1, $2)", kWakeChannel, kLeasesPayload);
}

void NoteFirst(pqxx::work& tx, const DatabaseIdentity& here) {
  Run(tx, "hold_first",
      "INSERT INTO installation (system_identifier, timeline_id, table_oid) VALUES ($1, $2, $3) "
      "ON CONFLICT DO NOTHING",
      here.system_identifier, here.timeline_id, here.table_oid);
}

// A hold by hand that nobody released yet stays one.
void NoteRestore(pqxx::work& tx, const DatabaseIdentity& here) {
  Run(tx, "hold_restore",
      "UPDATE installation SET system_identifier = $1, timeline_id = $2, table_oid = $3, "
      "holds = holds + 1, held_since_us = " PARLEY_NOW_US
      ", forced = false, "
      "lifts_from_us = CASE WHEN held_by = 'operator' AND lifts_from_us IS NULL THEN NULL "
      "ELSE " PARLEY_NOW_US
      " END, reason = CASE WHEN held_by = 'operator' AND lifts_from_us IS NULL THEN reason "
      "ELSE 'The database was restored, or another server took over.' END, "
      "held_by = CASE WHEN held_by = 'operator' AND lifts_from_us IS NULL THEN held_by "
      "ELSE 'restore' END "
      "WHERE (system_identifier, timeline_id, table_oid) IS DISTINCT FROM ($1, $2, $3)",
      here.system_identifier, here.timeline_id, here.table_oid);
  TakeLeases(tx);
  Wake(tx);
}

}  // namespace

absl::StatusOr<Hold> PostgresHold::Look() {
  return pool_.Read<Hold>([](pqxx::work& tx) -> absl::StatusOr<Hold> {
    const Looked looked = LookAt(tx);
    if (looked.stored == looked.here) return looked.hold;
    if (!looked.stored) {
      NoteFirst(tx, looked.here);
    } else {
      NoteRestore(tx, looked.here);
    }
    return LookAt(tx).hold;
  });
}

absl::Status PostgresHold::Lift(std::int64_t number, std::int64_t lifts_from_us) {
  return pool_.Transact([&](pqxx::work& tx) {
    Run(tx, "hold_lift",
        "UPDATE installation SET held_by = NULL WHERE holds = $1 AND lifts_from_us = $2 "
        "AND held_by IS NOT NULL",
        number, lifts_from_us);
    Wake(tx);
    return absl::OkStatus();
  });
}

absl::Status PostgresHold::HoldAll(const std::string& reason) {
  return pool_.Transact([&](pqxx::work& tx) {
    NoteFirst(tx, LookAt(tx).here);
    Run(tx, "hold_all",
        "UPDATE installation SET holds = holds + 1, held_by = 'operator', "
        "held_since_us = " PARLEY_NOW_US ", reason = $1, lifts_from_us = NULL, forced = false",
        reason);
    TakeLeases(tx);
    Wake(tx);
    return absl::OkStatus();
  });
}

absl::StatusOr<Hold> PostgresHold::Release(bool at_once) {
  return pool_.Read<Hold>([&](pqxx::work& tx) -> absl::StatusOr<Hold> {
    Run(tx, "hold_release",
        "UPDATE installation SET forced = $1, "
        "held_by = CASE WHEN $1 THEN NULL ELSE held_by END, "
        "lifts_from_us = coalesce(lifts_from_us, " PARLEY_NOW_US ") WHERE held_by IS NOT NULL",
        at_once);
    Wake(tx);
    return LookAt(tx).hold;
  });
}

absl::Status PostgresStore::CheckDatabase(pqxx::work& tx) {
  // Two servers may give the same number.
  const auto connection = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(&tx.conn())) ^
                          (static_cast<std::int64_t>(tx.conn().backendpid()) << 32);
  if (checked_connection_.load() == connection) return absl::OkStatus();
  const Looked looked = LookAt(tx);
  if (looked.stored && looked.stored != looked.here) {
    return Unavailable("DATABASE_CHANGED", "This is another database than it was.");
  }
  checked_connection_.store(connection);
  return absl::OkStatus();
}

}  // namespace parley::sender
