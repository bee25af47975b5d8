// Evidence of unconfirmed sends: callbacks, and what Twilio's list of messages shows.
#include "adapters/postgres_rows.h"
#include "adapters/postgres_store.h"

namespace parley::sender {
namespace {

using postgres::Array;

// As the index deliveries_looks has it.
#define PARLEY_LOOK_DUE \
  "(CASE WHEN d.look_journal = d.journal THEN d.look_due_at ELSE d.changed_at END)"

// Rows that one statement looks at for what is due.
constexpr int kDueRowsMax = 1'000;
// Whose request was that far from a suspect's cannot hold the SID of a message of its time.
constexpr std::chrono::minutes kClaimSpan{3};

std::vector<Change> ToChanges(const pqxx::result& rows) {
  std::vector<Change> changes;
  for (const pqxx::row& row : rows) changes.push_back(ToChange(row));
  return changes;
}

// SIDs of the pair's sends whose requests were made around these times.
std::set<std::string> Claimed(pqxx::work& tx, const Pair& pair, const std::vector<Time>& times) {
  Array from, until;
  for (const Time time : times) {
    from.Add(time - kClaimSpan);
    until.Add(time + kClaimSpan);
  }
  // A BRIN index is read as a bitmap only.
  tx.exec("SET LOCAL enable_bitmapscan = on");
  std::set<std::string> sids;
  for (const pqxx::row& row :
       Run(tx, "evidence_claimed",
           "SELECT d.message_sid FROM unnest($3::timestamptz[], $4::timestamptz[]) w(a, z) "
           "JOIN deliveries d ON d.requested_at >= w.a AND d.requested_at <= w.z "
           "WHERE d.lane_id = $1 AND d.customer_number = $2 AND d.message_sid <> ''",
           pair.lane.id, pair.customer_number, from.str(), until.str())) {
    sids.insert(Text(row[0]));
  }
  return sids;
}

// Holds the rows until the transaction ends, in the order of their keys.
void LockRows(pqxx::work& tx, const KeyArrays& keys) {
  Run(tx, "evidence_lock",
      "SELECT 1 FROM unnest($1::uuid[], $2::uuid[], $3::int[]) b(org, msg, gen) "
      "JOIN deliveries d ON d.organization_id = b.org AND d.message_id = b.msg "
      "AND d.generation = b.gen "
      "ORDER BY d.organization_id, d.message_id, d.generation FOR UPDATE OF d",
      keys.organizations.str(), keys.messages.str(), keys.generations.str());
}

pqxx::result MarkFound(pqxx::work& tx, std::span<const Look* const> looks) {
  KeyArrays keys;
  Array journals, sids;
  for (const Look* look : looks) {
    keys.Add(look->key);
    journals.Add(look->journal);
    sids.Add(look->message_sid);
  }
  return Run(tx, "evidence_found",
             "UPDATE deliveries d SET state = 'sent', message_sid = b.sid, error_code = 0, "
             "reason = 'CONFIRMED_BY_LIST', message = 'Twilio''s list of messages shows it.', "
             "body = '', media_urls = '{}', content_variables = '', findings = '', "
             "version = d.version + 1, changed_at = clock_timestamp() "
             "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bigint[], $5::text[]) "
             "b(org, msg, gen, journal, sid) "
             "WHERE d.organization_id = b.org AND d.message_id = b.msg AND d.generation = b.gen "
             "AND d.journal = b.journal AND d.state = 'unconfirmed' "
             "RETURNING " PARLEY_CHANGE_COLUMNS,
             keys.organizations.str(), keys.messages.str(), keys.generations.str(), journals.str(),
             sids.str());
}

// `changed_at` stays: it is when the row became unconfirmed, which its conversation waits by.
pqxx::result MarkLooked(pqxx::work& tx, std::span<const Look* const> looks) {
  KeyArrays keys;
  Array journals, counts, findings, waits;
  for (const Look* look : looks) {
    keys.Add(look->key);
    journals.Add(look->journal);
    counts.Add(look->looks);
    findings.Add(WriteFindings(look->findings));
    if (look->wait) {
      waits.Add(static_cast<std::int64_t>(look->wait->count()));
    } else {
      waits.AddNull();
    }
  }
  return Run(tx, "evidence_looked",
             "UPDATE deliveries d SET look_journal = d.journal, looks = b.looks, "
             "findings = b.findings, "
             "look_due_at = clock_timestamp() + b.wait * interval '1 millisecond', "
             // After the last look nothing needs the text any more.
             "body = CASE WHEN b.wait IS NULL THEN '' ELSE d.body END, "
             "media_urls = CASE WHEN b.wait IS NULL THEN '{}' ELSE d.media_urls END, "
             "content_variables = CASE WHEN b.wait IS NULL THEN '' ELSE d.content_variables END, "
             "version = d.version + 1 "
             "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bigint[], $5::int[], $6::text[], "
             "$7::bigint[]) b(org, msg, gen, journal, looks, findings, wait) "
             "WHERE d.organization_id = b.org AND d.message_id = b.msg AND d.generation = b.gen "
             "AND d.journal = b.journal AND d.state = 'unconfirmed' "
             "RETURNING " PARLEY_CHANGE_COLUMNS,
             keys.organizations.str(), keys.messages.str(), keys.generations.str(), journals.str(),
             counts.str(), findings.str(), waits.str());
}

}  // namespace

absl::StatusOr<std::vector<Change>> PostgresStore::ApplyEvidence(
    std::span<const Evidence> evidence) {
  Array accounts, messages, attempts, sids;
  for (const Evidence& item : evidence) {
    accounts.Add(item.account_sid);
    messages.Add(item.message_id);
    attempts.Add(item.attempt);
    sids.Add(item.message_sid);
  }
  return pool_.Read<std::vector<Change>>(
      [&](pqxx::work& tx) -> absl::StatusOr<std::vector<Change>> {
        // Rows that are locked are being settled just now, perhaps as unconfirmed: this may be the
        // only word about them, so it waits for them.
        return ToChanges(
            Run(tx, "evidence",
                "WITH found AS (SELECT d.organization_id, d.message_id, d.generation, b.sid "
                "FROM unnest($1::text[], $2::uuid[], $3::int[], $4::text[]) "
                "b(account, msg, attempt, sid) "
                "JOIN accounts a ON a.account_sid = b.account "
                "CROSS JOIN LATERAL unnest(a.organization_ids) o(id) "
                "JOIN deliveries d ON d.organization_id = o.id AND d.message_id = b.msg "
                "JOIN lanes l ON l.lane_id = d.lane_id AND l.account_sid = b.account "
                "WHERE d.attempt = b.attempt AND d.state IN ('sending', 'unconfirmed') "
                "ORDER BY d.organization_id, d.message_id, d.generation FOR UPDATE OF d) "
                "UPDATE deliveries d SET state = 'sent', message_sid = f.sid, error_code = 0, "
                "reason = 'CONFIRMED_BY_CALLBACK', message = 'A callback of Twilio confirmed it.', "
                "body = '', media_urls = '{}', content_variables = '', version = d.version + 1, "
                "changed_at = clock_timestamp() FROM found f "
                "WHERE d.organization_id = f.organization_id AND d.message_id = f.message_id "
                "AND d.generation = f.generation RETURNING " PARLEY_CHANGE_COLUMNS,
                accounts.str(), messages.str(), attempts.str(), sids.str()));
      });
}

absl::StatusOr<std::vector<Pair>> PostgresStore::DueLooks(const ShardSet& shards,
                                                          const std::set<std::string>& skip,
                                                          int pairs_max) {
  Array wanted, skipped;
  for (const std::string& account_sid : skip) skipped.Add(account_sid);
  for (int shard = 0; shard < kShards; ++shard) {
    if (shards.test(static_cast<std::size_t>(shard))) wanted.Add(shard);
  }
  return pool_.Read<std::vector<Pair>>([&](pqxx::work& tx) -> absl::StatusOr<std::vector<Pair>> {
    std::vector<Pair> pairs;
    for (const pqxx::row& row :
         Run(tx, "evidence_due",
             "WITH due AS MATERIALIZED (SELECT d.lane_id, d.customer_number, " PARLEY_LOOK_DUE
             " AS at FROM deliveries d JOIN lanes l ON l.lane_id = d.lane_id "
             "WHERE d.state = 'unconfirmed' AND " PARLEY_LOOK_DUE " <= now() "
             "AND (d.look_journal = d.journal OR d.changed_at <= now() - $3 * interval '1 second') "
             "AND l.shard = ANY($1::smallint[]) AND l.account_sid <> ALL($5::text[]) ORDER "
             "BY " PARLEY_LOOK_DUE " LIMIT $4) "
             "SELECT l.lane_id, l.shard, l.account_sid, l.medium, l.sender_number, "
             "due.customer_number FROM due JOIN lanes l ON l.lane_id = due.lane_id "
             "GROUP BY l.lane_id, due.customer_number ORDER BY min(due.at) LIMIT $2",
             wanted.str(), pairs_max, kFirstLook.count(), kDueRowsMax, skipped.str())) {
      pairs.push_back({{Number(row[0]), static_cast<int>(Number(row[1])), Text(row[2]),
                        static_cast<Medium>(Number(row[3])), Text(row[4])},
                       Text(row[5])});
    }
    return pairs;
  });
}

absl::StatusOr<PairRows> PostgresStore::LoadPair(const Pair& pair) {
  return pool_.Read<PairRows>([&](pqxx::work& tx) -> absl::StatusOr<PairRows> {
    PairRows loaded;
    loaded.now = FromMicros(Number(tx.exec1("SELECT " PARLEY_MICROS("clock_timestamp()"))[0]));
    std::vector<Time> times;
    // Those that are not looked for any more have lost their text.
    for (const pqxx::row& row :
         Run(tx, "evidence_pair",
             "SELECT d.organization_id, d.message_id, d.generation, d.journal, "
             "d.state, "
             "(" PARLEY_LOOK_DUE " <= now() AND (d.look_journal = d.journal "
             "OR d.changed_at <= now() - $3 * interval '1 "
             "second')), " PARLEY_MICROS("d.requested_at") ", " PARLEY_MICROS(
                 "d.deadline") ", " PARLEY_MICROS("d.not_after") ", d.body, "
                                                                 "cardinality(d."
                                                                 "media_urls), "
                                                                 "d.content_sid <> "
                                                                 "'', "
                                                                 "CASE WHEN "
                                                                 "d.look_journal = "
                                                                 "d.journal THEN "
                                                                 "d.looks ELSE 0 "
                                                                 "END, "
                                                                 "CASE WHEN "
                                                                 "d.look_journal = "
                                                                 "d.journal THEN "
                                                                 "d.findings ELSE "
                                                                 "'' END "
                                                                 "FROM (SELECT * "
                                                                 "FROM deliveries "
                                                                 "u WHERE "
                                                                 "u.lane_id = $1 "
                                                                 "AND "
                                                                 "u.customer_"
                                                                 "number = $2 "
                                                                 "AND u.state = "
                                                                 "'unconfirmed' "
                                                                 "AND "
                                                                 "(u.look_journal "
                                                                 "<> u.journal OR "
                                                                 "u.look_due_at IS "
                                                                 "NOT NULL) "
                                                                 "UNION ALL SELECT "
                                                                 "* FROM "
                                                                 "deliveries s "
                                                                 "WHERE s.state = "
                                                                 "'sending' "
                                                                 "AND s.lane_id = "
                                                                 "$1 AND "
                                                                 "s.customer_"
                                                                 "number = $2) d "
                                                                 "ORDER BY "
                                                                 "d.requested_at, "
                                                                 "d.organization_"
                                                                 "id, "
                                                                 "d.message_id, "
                                                                 "d.generation",
             pair.lane.id, pair.customer_number, kFirstLook.count())) {
      Suspect suspect;
      suspect.key = Key(row);
      suspect.journal = Number(row[3]);
      suspect.state = ParseState(row[4].c_str());
      suspect.due = suspect.state == State::kUnconfirmed && Flag(row[5]);
      suspect.requested_at = FromMicros(Number(row[6]));
      suspect.deadline = FromMicros(Number(row[7]));
      suspect.not_after = FromMicros(Number(row[8]));
      suspect.body = Text(row[9]);
      suspect.media = static_cast<int>(Number(row[10]));
      suspect.is_template = Flag(row[11]);
      suspect.looks = static_cast<int>(Number(row[12]));
      suspect.findings = ReadFindings(Text(row[13]));
      times.push_back(suspect.requested_at);
      loaded.suspects.push_back(std::move(suspect));
    }
    if (!times.empty()) loaded.claimed = Claimed(tx, pair, times);
    return loaded;
  });
}

absl::StatusOr<std::vector<Change>> PostgresStore::SaveLooks(const Pair& pair,
                                                             std::span<const Look> looks) {
  if (looks.empty()) return std::vector<Change>{};
  return pool_.Read<std::vector<Change>>(
      [&](pqxx::work& tx) -> absl::StatusOr<std::vector<Change>> {
        KeyArrays keys;
        std::vector<Time> times;
        for (const Look& look : looks) {
          keys.Add(look.key);
          times.push_back(look.requested_at);
        }
        LockRows(tx, keys);
        // A callback, or another replica, may have given a SID to one of them meanwhile.
        const std::set<std::string> claimed = Claimed(tx, pair, times);
        std::vector<const Look*> found, looked;
        for (const Look& look : looks) {
          if (look.message_sid.empty()) {
            looked.push_back(&look);
          } else if (!claimed.contains(look.message_sid)) {
            found.push_back(&look);
          }
        }
        std::vector<Change> changes;
        if (!found.empty()) changes = ToChanges(MarkFound(tx, found));
        if (!looked.empty()) {
          for (Change& change : ToChanges(MarkLooked(tx, looked))) {
            changes.push_back(std::move(change));
          }
        }
        return changes;
      });
}

}  // namespace parley::sender
