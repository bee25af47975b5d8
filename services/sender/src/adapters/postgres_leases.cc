// Leases of shards: PostgreSQL's clock decides.
#include <algorithm>

#include "adapters/postgres_rows.h"
#include "adapters/postgres_store.h"
#include "adapters/process_identity.h"

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

void Collect(const pqxx::result& rows, std::vector<OwnedShard>& owned) {
  for (const pqxx::row& row : rows) {
    owned.push_back({static_cast<int>(Number(row[0])), Number(row[1])});
  }
}

}  // namespace

absl::StatusOr<Leases> PostgresLeases::Renew(const std::string& replica,
                                             std::chrono::milliseconds lease) {
  return pool_.Read<Leases>([&](pqxx::work& tx) -> absl::StatusOr<Leases> {
    Leases leases;
    Run(tx, "replica_seen",
        "INSERT INTO replicas (replica, seen_at) VALUES ($1, clock_timestamp()) "
        "ON CONFLICT (replica) DO UPDATE SET seen_at = excluded.seen_at",
        replica);
    Array dead;
    for (const std::string& name : DeadReplicas(tx)) dead.Add(name);
    Run(tx, "replicas_gone",
        "DELETE FROM replicas WHERE seen_at < clock_timestamp() - interval '10 minutes' "
        "OR (replica = ANY($1::text[]) AND NOT EXISTS "
        "(SELECT 1 FROM shards WHERE owner = replica))",
        dead.str());
    const std::int64_t living =
        Number(Run(tx, "replicas_living",
                   "SELECT count(*) FROM replicas WHERE replica <> ALL($2::text[]) "
                   "AND seen_at > clock_timestamp() - $1 * interval '1 millisecond'",
                   lease.count(), dead.str())[0][0]);
    const auto count = static_cast<int>(std::max<std::int64_t>(1, living));
    leases.fair_share = (kShards + count - 1) / count;
    Collect(Run(tx, "leases_renew",
                "UPDATE shards SET lease_until = clock_timestamp() + $2 * interval '1 millisecond' "
                "WHERE owner = $1 AND lease_until > clock_timestamp() RETURNING shard, epoch",
                replica, lease.count()),
            leases.owned);
    const int wanted = leases.fair_share - static_cast<int>(leases.owned.size());
    if (wanted > 0) {
      Collect(Run(tx, "leases_take",
                  "UPDATE shards s SET owner = $1, epoch = s.epoch + 1, "
                  "lease_until = clock_timestamp() + $2 * interval '1 millisecond' "
                  "FROM (SELECT shard FROM shards WHERE owner IS NULL "
                  "OR lease_until <= clock_timestamp() OR owner = ANY($4::text[]) "
                  "ORDER BY random() LIMIT $3 FOR UPDATE SKIP LOCKED) f "
                  "WHERE s.shard = f.shard RETURNING s.shard, s.epoch",
                  replica, lease.count(), wanted, dead.str()),
              leases.owned);
    }
    return leases;
  });
}

absl::Status PostgresLeases::Release(const std::string& replica, const ShardSet& shards) {
  Array wanted;
  for (int shard = 0; shard < kShards; ++shard) {
    if (shards.test(static_cast<std::size_t>(shard))) wanted.Add(shard);
  }
  return pool_.Transact([&](pqxx::work& tx) {
    Run(tx, "leases_release",
        "UPDATE shards SET owner = NULL, lease_until = '-infinity' "
        "WHERE owner = $1 AND shard = ANY($2::smallint[])",
        replica, wanted.str());
    Run(tx, "wake_leases", "SELECT pg_notify($1, $2)", kWakeChannel, kLeasesPayload);
    return absl::OkStatus();
  });
}

absl::Status PostgresLeases::Leave(const std::string& replica) {
  return pool_.Transact([&](pqxx::work& tx) {
    Run(tx, "replica_leave", "DELETE FROM replicas WHERE replica = $1", replica);
    return absl::OkStatus();
  });
}

}  // namespace parley::sender
