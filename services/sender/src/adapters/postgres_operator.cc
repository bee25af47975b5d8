#include "adapters/postgres_operator.h"

#include "adapters/postgres_rows.h"

namespace parley::sender {
namespace {

using postgres::Array;

std::int64_t MicrosFrom(SteadyTime now, SteadyTime at) {
  return std::chrono::duration_cast<std::chrono::microseconds>(at - now).count();
}

}  // namespace

absl::StatusOr<PauseSet> PostgresOperator::LoadPauses() {
  return pool_.Read<PauseSet>([](pqxx::work& tx) -> absl::StatusOr<PauseSet> {
    PauseSet::Entries entries;
    for (const pqxx::row& row :
         Run(tx, "pauses", "SELECT account_sid, sender_number, paused_by FROM pauses")) {
      entries.emplace(std::pair(Text(row[0]), Text(row[1])), Text(row[2]));
    }
    return PauseSet(std::move(entries));
  });
}

absl::Status PostgresOperator::SaveStandstills(const std::string& replica,
                                               std::span<const Standstill> standstills,
                                               SteadyTime now) {
  Array accounts, numbers, states, reasons, since, until;
  for (const Standstill& standstill : standstills) {
    accounts.Add(standstill.account_sid);
    numbers.Add(standstill.number);
    states.Add(StandstillName(standstill.state));
    reasons.Add(standstill.reason);
    since.Add(MicrosFrom(now, standstill.since));
    if (standstill.until) {
      until.Add(MicrosFrom(now, *standstill.until));
    } else {
      until.AddNull();
    }
  }
  return pool_.Transact([&](pqxx::work& tx) {
    // Whoever reads the pauses waits for this.
    tx.exec("SET LOCAL statement_timeout = 500");
    Run(tx, "standstills_clear", "DELETE FROM standstills WHERE replica = $1", replica);
    // What the dead left goes, too, unless another replica is at it.
    Run(tx, "standstills_forget",
        "DELETE FROM standstills s USING (SELECT replica, account_sid, sender_number "
        "FROM standstills WHERE replica NOT IN (SELECT r.replica FROM replicas r) "
        "FOR UPDATE SKIP LOCKED) dead WHERE s.replica = dead.replica "
        "AND s.account_sid = dead.account_sid AND s.sender_number = dead.sender_number");
    Run(tx, "standstills_save",
        "INSERT INTO standstills (replica, account_sid, sender_number, state, reason, since, "
        "until) SELECT $1, b.account, b.number, b.state, b.reason, "
        "clock_timestamp() + b.since * interval '1 microsecond', "
        "clock_timestamp() + b.until * interval '1 microsecond' "
        "FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[]) "
        "b(account, number, state, reason, since, until)",
        replica, accounts.str(), numbers.str(), states.str(), reasons.str(), since.str(),
        until.str());
    return absl::OkStatus();
  });
}

}  // namespace parley::sender
