// Leases of shards: PostgreSQL's clock decides.
#include "adapters/postgres_rows.h"
#include "adapters/postgres_store.h"
#include "adapters/process_identity.h"
#include "libs/base/status.h"

namespace parley::sender {
namespace {

using postgres::Array;

// Replicas that died on this machine, as far as their names tell: their leases are free at once.
std::vector<std::string> DeadReplicas(pqxx::work& tx) {
  std::vector<std::string> dead;
  for (const pqxx::row& row : Run(tx, "replicas", "SELECT replica FROM replicas")) {
    if (IsSurelyDead(row[0].c_str())) dead.push_back(Text(row[0]));
  }
  return dead;
}

// All of it by the time at which the statement began: rows are locked by one statement only, and a
// client that stops before the commit is thrown out, or they would stay locked.
// $1 replica, $2 lease in ms, $3 replicas that died, $4 shards. While sends are held there are no
// leases: who begins a hold waits for those that are being renewed, and then takes them all.
constexpr char kRenewSql[] =
    "WITH hold AS MATERIALIZED (SELECT coalesce(bool_or(i.held_by IS NOT NULL), false) AS held "
    "FROM (SELECT held_by FROM installation FOR SHARE) i), "
    "seen AS (INSERT INTO replicas (replica, seen_at) VALUES ($1, statement_timestamp()) "
    "ON CONFLICT (replica) DO UPDATE SET seen_at = excluded.seen_at), "
    "gone AS (DELETE FROM replicas r WHERE r.replica <> $1 "
    "AND (r.seen_at < statement_timestamp() - interval '10 minutes' "
    "OR (r.replica = ANY($3::text[]) AND NOT EXISTS "
    "(SELECT 1 FROM shards s WHERE s.owner = r.replica)))), "
    "living AS (SELECT 1 + count(*) AS replicas FROM replicas r WHERE r.replica <> $1 "
    "AND r.replica <> ALL($3::text[]) "
    "AND r.seen_at > statement_timestamp() - $2 * interval '1 millisecond'), "
    "fair AS (SELECT ($4 + replicas - 1) / replicas AS share FROM living), "
    "renewed AS (UPDATE shards SET "
    "lease_until = statement_timestamp() + $2 * interval '1 millisecond' "
    "WHERE owner = $1 AND lease_until > statement_timestamp() AND NOT (SELECT held FROM hold) "
    "RETURNING shard, epoch), "
    "free AS (SELECT s.shard, s.owner = ANY($3::text[]) AS died FROM shards s "
    "WHERE NOT (SELECT held FROM hold) AND (s.owner IS NULL "
    "OR s.lease_until <= statement_timestamp() OR s.owner = ANY($3::text[])) "
    "ORDER BY random() LIMIT (SELECT greatest(0, share - (SELECT count(*) FROM renewed)) FROM "
    "fair) "
    "FOR UPDATE SKIP LOCKED), "
    "taken AS (UPDATE shards s SET owner = $1, epoch = s.epoch + 1, "
    "lease_until = statement_timestamp() + $2 * interval '1 millisecond' "
    "FROM free f WHERE s.shard = f.shard RETURNING s.shard, s.epoch, f.died) "
    "SELECT shard, epoch, false, (SELECT share FROM fair), "
    "set_config('idle_in_transaction_session_timeout', '2000', true) FROM renewed "
    "UNION ALL SELECT shard, epoch, coalesce(died, false), (SELECT share FROM fair), "
    "set_config('idle_in_transaction_session_timeout', '2000', true) FROM taken "
    "UNION ALL SELECT NULL, NULL, NULL, share, "
    "set_config('idle_in_transaction_session_timeout', '2000', true) FROM fair";

}  // namespace

absl::StatusOr<Leases> PostgresLeases::Renew(const std::string& replica,
                                             std::chrono::milliseconds lease) {
  Array dead;
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) {
    dead = Array();
    for (const std::string& name : DeadReplicas(tx)) dead.Add(name);
    return absl::OkStatus();
  }));
  return pool_.Read<Leases>([&](pqxx::work& tx) -> absl::StatusOr<Leases> {
    Leases leases;
    for (const pqxx::row& row :
         Run(tx, "leases_renew", kRenewSql, replica, lease.count(), dead.str(), kShards)) {
      leases.fair_share = static_cast<int>(Number(row[3]));
      if (row[0].is_null()) continue;
      leases.owned.push_back({static_cast<int>(Number(row[0])), Number(row[1]), Flag(row[2])});
    }
    return leases;
  });
}

absl::Status PostgresLeases::Release(const std::string& replica, const ShardSet& shards,
                                     std::span<const LaneBusy> busy) {
  Array wanted, lanes, times;
  for (int shard = 0; shard < kShards; ++shard) {
    if (shards.test(static_cast<std::size_t>(shard))) wanted.Add(shard);
  }
  for (const LaneBusy& lane : busy) {
    lanes.Add(lane.lane_id);
    times.Add(static_cast<std::int64_t>(lane.busy.count()));
  }
  return pool_.Transact([&](pqxx::work& tx) {
    // Only while it is still ours: else somebody else may have sent over them.
    Run(tx, "leases_busy",
        "UPDATE lanes l SET busy_us = b.busy FROM unnest($3::bigint[], $4::bigint[]) b(lane, busy) "
        "WHERE l.lane_id = b.lane AND l.shard IN (SELECT s.shard FROM shards s WHERE s.owner = $1 "
        "AND s.shard = ANY($2::smallint[]) FOR UPDATE)",
        replica, wanted.str(), lanes.str(), times.str());
    Run(tx, "leases_release",
        "UPDATE shards SET owner = NULL, lease_until = '-infinity' "
        "WHERE owner = $1 AND shard = ANY($2::smallint[])",
        replica, wanted.str());
    Run(tx, "wake_leases", "SELECT pg_notify($1, $2)", kWakeChannel, kLeasesPayload);
    return absl::OkStatus();
  });
}

absl::Status PostgresStore::WakeOwners(std::span<const std::int64_t> lanes) {
  Array wanted;
  for (const std::int64_t lane : lanes) wanted.Add(lane);
  return pool_.Transact([&](pqxx::work& tx) {
    Run(tx, "wake_owners", "SELECT pg_notify($1, l::text) FROM unnest($2::bigint[]) l",
        kWakeChannel, wanted.str());
    return absl::OkStatus();
  });
}

std::string WithShortTimeouts(const std::string& url) {
  const bool is_uri = url.starts_with("postgres://") || url.starts_with("postgresql://");
  const char* const settings[] = {"connect_timeout=2", "tcp_user_timeout=3000", "keepalives_idle=1",
                                  "keepalives_interval=1", "keepalives_count=2"};
  std::string with = url;
  for (const char* setting : settings) {
    with += is_uri ? (with.find('?') == std::string::npos ? "?" : "&") : " ";
    with += setting;
  }
  return with;
}

absl::Status PostgresLeases::Leave(const std::string& replica) {
  return pool_.Transact([&](pqxx::work& tx) {
    Run(tx, "replica_leave", "DELETE FROM replicas WHERE replica = $1", replica);
    return absl::OkStatus();
  });
}

}  // namespace parley::sender
