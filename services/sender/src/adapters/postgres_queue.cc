// The queue's statements: load, journal, settle, sweep, publish.
#include <algorithm>
#include <map>
#include <numeric>

#include "adapters/postgres_rows.h"
#include "adapters/postgres_store.h"
#include "libs/base/status.h"

namespace parley::sender {
namespace {

using postgres::Array;
using std::chrono::microseconds;
using std::chrono::milliseconds;

#define PARLEY_LANE_COLUMNS                                                         \
  "l.lane_id, l.shard, l.account_sid, l.medium, l.sender_number, l.last_segments, " \
  "(extract(epoch FROM clock_timestamp() - l.last_request_at) * 1000000)::bigint, l.busy_us"

LaneRow ToLaneRow(const pqxx::row& row) {
  LaneRow lane;
  lane.lane = {Number(row[0]), static_cast<int>(Number(row[1])), Text(row[2]),
               static_cast<Medium>(Number(row[3])), Text(row[4])};
  lane.last_segments = static_cast<int>(Number(row[5]));
  if (!row[6].is_null()) lane.last_request_age = microseconds(Number(row[6]));
  if (!row[7].is_null()) lane.busy = microseconds(Number(row[7]));
  return lane;
}

std::vector<LaneRow> ToLaneRows(const pqxx::result& rows) {
  std::vector<LaneRow> lanes;
  for (const pqxx::row& row : rows) lanes.push_back(ToLaneRow(row));
  return lanes;
}

std::vector<Change> ToChanges(const pqxx::result& rows) {
  std::vector<Change> changes;
  for (const pqxx::row& row : rows) changes.push_back(ToChange(row));
  return changes;
}

// Passed as a parameter where a row is found by its key: as a literal it would invite the planner
// to read the index of all queued rows instead.
constexpr char kQueuedState[] = "queued";
constexpr char kSendingState[] = "sending";
// Of the table, that are looked through for what is old: at one call a minute some 20 GiB a day.
constexpr std::int64_t kPrunePages = 2'000;

// What the gate looks at, and what a request needs, for a list of heads in order.
constexpr char kFactsSql[] =
    "SELECT b.nr, "
    "(s.epoch = b.epoch AND s.owner = $8 "
    "AND s.lease_until > clock_timestamp() + interval '1 second'), "
    "(d.state = 'queued' AND d.held_by IS NULL AND d.attempt = b.attempt), "
    "EXISTS (SELECT 1 FROM cancellations c WHERE c.organization_id = d.organization_id "
    "AND c.message_id = d.message_id AND c.generation >= d.generation), "
    "d.not_after <= clock_timestamp(), coalesce(k.state, ''), "
    // Consent: the newest word of the customer to any number of this organization.
    "(coalesce((SELECT c.stopped FROM consents c LEFT JOIN numbers n "
    "ON n.account_sid = c.account_sid AND n.number = c.business_number "
    "WHERE c.customer_number = d.customer_number "
    "AND (c.organization_id = d.organization_id::text "
    "OR (c.organization_id = '' AND n.organization_id = d.organization_id::text) "
    "OR (c.account_sid = l.account_sid AND c.business_number = l.sender_number)) "
    // A number may keep opt-outs to itself and its Messaging Service.
    "AND (c.business_number IN ('', l.sender_number) OR (c.messaging_service_sid <> '' "
    "AND c.messaging_service_sid = d.messaging_service_sid) "
    "OR NOT EXISTS (SELECT 1 FROM numbers s WHERE s.account_sid = l.account_sid "
    "AND s.number = l.sender_number AND s.consent_scope = 1)) "
    "ORDER BY c.given_at DESC LIMIT 1), false) "
    // Twilio's word about the pair, until a later START to this number.
    "OR EXISTS (SELECT 1 FROM blocked_pairs p WHERE p.customer_number = d.customer_number "
    "AND p.account_sid = l.account_sid AND p.sender_number = l.sender_number "
    "AND NOT EXISTS (SELECT 1 FROM consents c WHERE c.customer_number = p.customer_number "
    "AND c.account_sid = p.account_sid AND c.business_number = p.sender_number "
    "AND NOT c.stopped AND c.given_at > p.blocked_at))), "
    "(d.content_sid = '' AND d.whatsapp_window_until IS NOT NULL "
    "AND d.whatsapp_window_until <= clock_timestamp()), "
    "(d.generation > 0 AND EXISTS (SELECT 1 FROM deliveries g "
    "WHERE g.organization_id = d.organization_id "
    "AND g.message_id = d.message_id AND g.generation < d.generation AND g.state = $9) "
    "OR d.conversation_id IS NOT NULL AND EXISTS (SELECT 1 FROM deliveries e "
    "WHERE e.organization_id = d.organization_id AND e.conversation_id = d.conversation_id "
    "AND e.priority = d.priority AND e.conversation_seq < d.conversation_seq "
    "AND e.state IN ('queued', 'sending', 'unconfirmed') "
    "AND (e.state = 'sending' "
    "OR (e.state = 'queued' AND e.held_by IS NULL AND e.not_before <= clock_timestamp()) "
    "OR (e.state = 'unconfirmed' AND e.changed_at > clock_timestamp() - interval '60 s')))), "
    "d.customer_number, d.body, d.media_urls, d.content_sid, d.content_variables, "
    "d.messaging_service_sid, d.errors, "
    "EXISTS (SELECT 1 FROM deliveries g WHERE g.organization_id = d.organization_id "
    "AND g.message_id = d.message_id AND g.generation > d.generation) "
    "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::smallint[], $6::bigint[], "
    "$7::int[]) b(org, msg, gen, nr, shard, epoch, attempt) "
    "JOIN deliveries d ON d.organization_id = b.org AND d.message_id = b.msg "
    "AND d.generation = b.gen "
    "JOIN lanes l ON l.lane_id = d.lane_id "
    "JOIN shards s ON s.shard = b.shard "
    "LEFT JOIN campaigns k ON k.organization_id = d.organization_id "
    "AND k.campaign_id = d.campaign_id";

CampaignState ToCampaignState(std::string_view name) {
  if (name == "running") return CampaignState::kRunning;
  if (name == "paused") return CampaignState::kPaused;
  if (name == "canceled") return CampaignState::kCanceled;
  return CampaignState::kNone;
}

GateFacts ToFacts(const pqxx::row& row) {
  GateFacts facts;
  facts.lease_valid = Flag(row[1]);
  facts.still_queued = Flag(row[2]);
  facts.canceled = Flag(row[3]);
  facts.past_not_after = Flag(row[4]);
  facts.campaign = ToCampaignState(row[5].c_str());
  facts.opted_out = Flag(row[6]);
  facts.window_closed = Flag(row[7]);
  facts.conversation_busy = Flag(row[8]);
  facts.superseded = Flag(row[16]);
  return facts;
}

Job ToJob(const pqxx::row& row, const JournalRequest& request, const Head& head) {
  Job job;
  job.head = head;
  job.customer_number = Text(row[9]);
  job.body = Text(row[10]);
  job.media_urls = postgres::ParseArray(Text(row[11]));
  job.content_sid = Text(row[12]);
  job.content_variables = Text(row[13]);
  job.messaging_service_sid = Text(row[14]);
  job.errors = static_cast<int>(Number(row[15]));
  job.attempt = head.attempt + 1;
  job.journal = request.token;
  job.write_by = request.write_by;
  return job;
}

using ByKey = std::map<DeliveryKey, std::size_t>;

// Marks what may be sent, and its lanes' last request.
void MarkSending(pqxx::work& tx, const JournalRequest& request, const ByKey& chosen,
                 std::vector<JournalResult>& results) {
  KeyArrays keys;
  Array attempts, numbers;
  std::map<std::int64_t, int> segments;  // In order of lanes, so that nobody locks across.
  for (const auto& [key, nr] : chosen) {
    const Head& head = request.entries[nr].head;
    keys.Add(key);
    attempts.Add(head.attempt);
    numbers.Add(static_cast<std::int64_t>(nr));
    segments[head.lane_id] += head.segments;
    results[nr].verdict = Verdict::kNotOurs;  // Unless the row is still as it was.
  }
  const pqxx::result rows =
      Run(tx, "journal_mark",
          "UPDATE deliveries d SET state = 'sending', attempt = d.attempt + 1, journal = $5, "
          "requested_at = clock_timestamp(), "
          "deadline = clock_timestamp() + $6 * interval '1 millisecond', error_code = 0, "
          // That it is under way need not be told after a crash: what became of it will be.
          "reason = '', message = '', version = d.version + 1, published_version = d.version + 1, "
          "changed_at = clock_timestamp() "
          "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $8::int[]) "
          "b(org, msg, gen, attempt, nr) "
          "WHERE d.organization_id = b.org AND d.message_id = b.msg AND d.generation = b.gen "
          "AND d.attempt = b.attempt AND d.state = $7 AND d.held_by IS NULL "
          "RETURNING b.nr, d.version, " PARLEY_MICROS("d.changed_at"),
          keys.organizations.str(), keys.messages.str(), keys.generations.str(), attempts.str(),
          request.token, request.deadline.count(), kQueuedState, numbers.str());
  for (const pqxx::row& row : rows) {
    JournalResult& result = results[static_cast<std::size_t>(Number(row[0]))];
    result.verdict = Verdict::kSend;
    result.version = Number(row[1]);
    result.at = FromMicros(Number(row[2]));
  }
  Array lanes, counts;
  for (const auto& [lane, count] : segments) {
    lanes.Add(lane);
    counts.Add(count);
  }
  Run(tx, "journal_lanes",
      "UPDATE lanes l SET last_request_at = clock_timestamp(), last_segments = b.segments, "
      "busy_us = NULL "
      "FROM unnest($1::bigint[], $2::int[]) b(lane, segments) WHERE l.lane_id = b.lane",
      lanes.str(), counts.str());
}

// Ends or holds what may not be sent.
void MarkStopped(pqxx::work& tx, const JournalRequest& request,
                 const std::vector<std::pair<std::size_t, Judgement>>& stopped,
                 std::vector<JournalResult>& results) {
  KeyArrays keys;
  Array attempts, states, reasons, messages;
  ByKey by_key;
  for (const auto& [nr, judgement] : stopped) {
    const Head& head = request.entries[nr].head;
    keys.Add(head.key);
    attempts.Add(head.attempt);
    states.Add(StateName(judgement.state));
    reasons.Add(judgement.reason);
    messages.Add(judgement.message);
    by_key.emplace(head.key, nr);
    results[nr].verdict = judgement.verdict;
  }
  const pqxx::result rows =
      Run(tx, "journal_stop",
          "UPDATE deliveries d SET state = b.state, "
          "held_by = CASE WHEN b.state = 'queued' THEN 'campaign' END, reason = b.reason, "
          "message = b.message, body = CASE WHEN b.state = 'queued' THEN d.body ELSE '' END, "
          "media_urls = CASE WHEN b.state = 'queued' THEN d.media_urls ELSE '{}' END, "
          "content_variables = CASE WHEN b.state = 'queued' THEN d.content_variables ELSE '' END, "
          "version = d.version + 1, changed_at = clock_timestamp() "
          "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::text[], $6::text[], "
          "$7::text[]) b(org, msg, gen, attempt, state, reason, message) "
          "WHERE d.organization_id = b.org AND d.message_id = b.msg AND d.generation = b.gen "
          "AND d.attempt = b.attempt AND d.state = $8 RETURNING " PARLEY_CHANGE_COLUMNS,
          keys.organizations.str(), keys.messages.str(), keys.generations.str(), attempts.str(),
          states.str(), reasons.str(), messages.str(), kQueuedState);
  for (const pqxx::row& row : rows) {
    const auto found = by_key.find(Key(row));
    if (found != by_key.end()) results[found->second].change = ToChange(row);
  }
}

// Makes what waits for its conversation due again a little later, behind what may go.
void MarkLater(pqxx::work& tx, const JournalRequest& request,
               const std::vector<std::size_t>& later) {
  KeyArrays keys;
  for (const std::size_t nr : later) keys.Add(request.entries[nr].head.key);
  Run(tx, "journal_later",
      "UPDATE deliveries d SET due_at = clock_timestamp() + $4 * interval '1 millisecond' "
      "FROM unnest($1::uuid[], $2::uuid[], $3::int[]) b(org, msg, gen) "
      "WHERE d.organization_id = b.org AND d.message_id = b.msg AND d.generation = b.gen "
      "AND d.state = $5",
      keys.organizations.str(), keys.messages.str(), keys.generations.str(), kBusyDelay.count(),
      kQueuedState);
}

}  // namespace

absl::StatusOr<std::vector<LaneRow>> PostgresStore::QueuedLanes(const ShardSet& shards) {
  Array wanted;
  for (int shard = 0; shard < kShards; ++shard) {
    if (shards.test(static_cast<std::size_t>(shard))) wanted.Add(shard);
  }
  return pool_.Read<std::vector<LaneRow>>(
      [&](pqxx::work& tx) -> absl::StatusOr<std::vector<LaneRow>> {
        return ToLaneRows(Run(tx, "lanes_queued",
                              "SELECT " PARLEY_LANE_COLUMNS
                              " FROM lanes l WHERE l.shard = ANY($1::smallint[]) AND EXISTS ("
                              "SELECT 1 FROM deliveries d WHERE d.lane_id = l.lane_id "
                              "AND d.state = 'queued' AND d.held_by IS NULL)",
                              wanted.str()));
      });
}

absl::StatusOr<std::vector<LaneRow>> PostgresStore::FindLanes(std::span<const std::int64_t> ids) {
  Array wanted;
  for (const std::int64_t id : ids) wanted.Add(id);
  return pool_.Read<std::vector<LaneRow>>(
      [&](pqxx::work& tx) -> absl::StatusOr<std::vector<LaneRow>> {
        return ToLaneRows(Run(tx, "lanes_by_id",
                              "SELECT " PARLEY_LANE_COLUMNS
                              " FROM unnest($1::bigint[]) b(id) JOIN lanes l ON l.lane_id = b.id",
                              wanted.str()));
      });
}

absl::StatusOr<std::vector<LoadedRows>> PostgresStore::LoadHeads(
    std::span<const LoadRequest> requests, milliseconds horizon) {
  Array numbers, lanes, priorities, limits;
  std::vector<LoadedRows> loaded(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    loaded[i].lane_id = requests[i].lane_id;
    loaded[i].priority = requests[i].priority;
    numbers.Add(static_cast<std::int64_t>(i));
    lanes.Add(requests[i].lane_id);
    priorities.Add(static_cast<int>(requests[i].priority));
    limits.Add(static_cast<std::int64_t>(requests[i].rows_max));
  }
  // The time of the transaction, not clock_timestamp(): an index can be searched for it, and both
  // statements mean the same one.
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) {
    for (LoadedRows& rows : loaded) rows.heads.clear();
    const pqxx::result rows =
        Run(tx, "heads_load",
            "SELECT q.organization_id, q.message_id, q.generation, b.nr, q.ord, "
            "q.conversation_id, q.conversation_seq, q.segments, q.attempt, " PARLEY_MICROS_UNTIL(
                "q.due_at")
            " FROM unnest($1::int[], $2::bigint[], $3::smallint[], $4::bigint[]) "
            "b(nr, lane, priority, rows_max) CROSS JOIN LATERAL ("
            "SELECT * FROM deliveries d WHERE d.lane_id = b.lane AND d.priority = b.priority "
            "AND d.state = 'queued' AND d.held_by IS NULL "
            "AND d.due_at <= now() + $5 * interval '1 millisecond' "
            "ORDER BY d.due_at, d.ord LIMIT b.rows_max) q",
            numbers.str(), lanes.str(), priorities.str(), limits.str(), horizon.count());
    const SteadyTime now = std::chrono::steady_clock::now();
    for (const pqxx::row& row : rows) {
      LoadedRows& into = loaded[static_cast<std::size_t>(Number(row[3]))];
      Head head;
      head.key = Key(row);
      head.ord = Number(row[4]);
      head.lane_id = into.lane_id;
      head.priority = into.priority;
      head.conversation_id = Text(row[5]);
      head.conversation_seq = Number(row[6]);
      head.segments = static_cast<int>(Number(row[7]));
      head.attempt = static_cast<int>(Number(row[8]));
      head.due = now + microseconds(Number(row[9]));
      into.heads.push_back(std::move(head));
    }
    for (const pqxx::row& row :
         Run(tx, "heads_next",
             "SELECT b.nr, " PARLEY_MICROS_UNTIL(
                 "q.due_at") " FROM unnest($1::int[], $2::bigint[], $3::smallint[]) "
                             "b(nr, lane, priority) CROSS JOIN LATERAL ("
                             "SELECT d.due_at FROM deliveries d WHERE d.lane_id = b.lane "
                             "AND d.priority = b.priority AND d.state = 'queued' "
                             "AND d.held_by IS NULL "
                             "AND d.due_at > now() + $4 * interval '1 millisecond' "
                             "ORDER BY d.due_at, d.ord LIMIT 1) q",
             numbers.str(), lanes.str(), priorities.str(), horizon.count())) {
      loaded[static_cast<std::size_t>(Number(row[0]))].next_due =
          now + microseconds(Number(row[1]));
    }
    return absl::OkStatus();
  }));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    loaded[i].complete = loaded[i].heads.size() < requests[i].rows_max;
  }
  return loaded;
}

absl::StatusOr<std::vector<JournalResult>> PostgresStore::Journal(const JournalRequest& request) {
  std::vector<JournalResult> results(request.entries.size());
  KeyArrays keys;
  Array numbers, shards, epochs, attempts;
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    const JournalEntry& entry = request.entries[i];
    keys.Add(entry.head.key);
    numbers.Add(static_cast<std::int64_t>(i));
    shards.Add(entry.shard);
    epochs.Add(entry.epoch);
    attempts.Add(entry.head.attempt);
  }
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) -> absl::Status {
    if (const absl::Status checked = CheckDatabase(tx); !checked.ok()) return checked;
    ByKey sendable;
    std::vector<std::pair<std::size_t, Judgement>> stopped;
    std::vector<std::size_t> later;
    for (JournalResult& result : results) result = {};
    const pqxx::result rows =
        Run(tx, "journal_facts", kFactsSql, keys.organizations.str(), keys.messages.str(),
            keys.generations.str(), numbers.str(), shards.str(), epochs.str(), attempts.str(),
            request.replica, kSendingState);
    for (const pqxx::row& row : rows) {
      const auto nr = static_cast<std::size_t>(Number(row[0]));
      const Head& head = request.entries[nr].head;
      Judgement judgement = Judge(ToFacts(row));
      results[nr].verdict = judgement.verdict;
      if (judgement.verdict == Verdict::kSend) {
        results[nr].job = ToJob(row, request, head);
        sendable.emplace(head.key, nr);
      } else if (judgement.verdict == Verdict::kEnd || judgement.verdict == Verdict::kHold) {
        stopped.emplace_back(nr, std::move(judgement));
      } else if (judgement.verdict == Verdict::kLater) {
        later.push_back(nr);
      }
    }
    if (!sendable.empty()) MarkSending(tx, request, sendable, results);
    if (!stopped.empty()) MarkStopped(tx, request, stopped, results);
    if (!later.empty()) MarkLater(tx, request, later);
    return absl::OkStatus();
  }));
  return results;
}

absl::StatusOr<SettledBatch> PostgresStore::Settle(std::span<const SettleEntry> entries) {
  SettledBatch settled;
  // In order of keys, so that transactions that meet wait for each other in one direction.
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return entries[a].head.key < entries[b].head.key;
  });
  KeyArrays keys;
  Array numbers, journals, states, sids, segments, codes, reasons, messages, waits, errors,
      unwritten;
  Array blocked_accounts, blocked_senders, blocked_customers;
  KeyArrays blocked_keys;
  bool any_blocked = false;
  bool any_in_doubt = false;
  for (const std::size_t nr : order) {
    const SettleEntry& entry = entries[nr];
    const Settlement& settlement = entry.settlement;
    keys.Add(entry.head.key);
    numbers.Add(static_cast<std::int64_t>(nr));
    journals.Add(entry.journal);
    any_in_doubt = any_in_doubt || entry.in_doubt;
    states.Add(StateName(settlement.state));
    sids.Add(settlement.message_sid);
    segments.Add(settlement.segments);
    codes.Add(settlement.error_code);
    reasons.Add(settlement.reason);
    messages.Add(settlement.message);
    waits.Add(static_cast<std::int64_t>(settlement.wait.count()));
    errors.Add(settlement.counts_as_error ? 1 : 0);
    unwritten.Add(settlement.counts_as_attempt ? 0 : 1);
    if (settlement.block_pair) {
      any_blocked = true;
      blocked_accounts.Add(entry.account_sid);
      blocked_senders.Add(entry.sender_number);
      blocked_customers.Add(entry.customer_number);
      blocked_keys.Add(entry.head.key);
    }
  }
  PARLEY_RETURN_IF_ERROR(pool_.Transact([&](pqxx::work& tx) {
    settled.results.assign(entries.size(), {});
    if (any_in_doubt) {
      // Whoever still commits the journal holds these rows; an update would look at what was before
      // and pass over them.
      Run(tx, "settle_wait",
          "SELECT 1 FROM unnest($1::uuid[], $2::uuid[], $3::int[]) b(org, msg, gen) "
          "JOIN deliveries d ON d.organization_id = b.org AND d.message_id = b.msg "
          "AND d.generation = b.gen FOR UPDATE OF d",
          keys.organizations.str(), keys.messages.str(), keys.generations.str());
    }
    // One note for all that it says is cheaper than a mark on each row; a row counts as published
    // as long as nobody reads the note.
    const pqxx::result rows = Run(
        tx, "settle",
        "WITH noted AS (INSERT INTO publications (organization_ids, message_ids, generations) "
        "VALUES ($1::uuid[], $2::uuid[], $3::int[]) RETURNING id) "
        "UPDATE deliveries d SET state = b.state, message_sid = b.sid, "
        "segments_counted = b.segments, error_code = b.code, reason = b.reason, "
        "message = b.message, errors = d.errors + b.errors, attempt = d.attempt - b.unwritten, "
        "due_at = CASE WHEN b.state = 'queued' "
        "THEN clock_timestamp() + b.wait * interval '1 millisecond' ELSE d.due_at END, "
        "body = CASE WHEN b.state IN ('sent', 'failed') THEN '' ELSE d.body END, "
        "media_urls = CASE WHEN b.state IN ('sent', 'failed') THEN '{}' ELSE d.media_urls END, "
        "content_variables = CASE WHEN b.state IN ('sent', 'failed') THEN '' "
        "ELSE d.content_variables END, version = d.version + 1, "
        "published_version = d.version + 1, changed_at = clock_timestamp() "
        "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bigint[], $5::text[], $6::text[], "
        "$7::int[], $8::int[], $9::text[], $10::text[], $11::bigint[], $12::int[], $13::int[], "
        "$14::int[]) b(org, msg, gen, journal, state, sid, segments, code, reason, message, wait, "
        "errors, unwritten, nr) "
        "WHERE d.organization_id = b.org AND d.message_id = b.msg AND d.generation = b.gen "
        "AND d.journal = b.journal AND (d.state = 'sending' "
        "OR (d.state = 'unconfirmed' AND b.state <> 'unconfirmed')) "
        "RETURNING b.nr, d.attempt, d.version, " PARLEY_MICROS("d.changed_at") ", " PARLEY_MICROS(
            "d.due_at") ", (SELECT id FROM noted)",
        keys.organizations.str(), keys.messages.str(), keys.generations.str(), journals.str(),
        states.str(), sids.str(), segments.str(), codes.str(), reasons.str(), messages.str(),
        waits.str(), errors.str(), unwritten.str(), numbers.str());
    for (const pqxx::row& row : rows) {
      SettleResult& result = settled.results[static_cast<std::size_t>(Number(row[0]))];
      result.applied = true;
      result.attempt = static_cast<int>(Number(row[1]));
      result.version = Number(row[2]);
      result.at = FromMicros(Number(row[3]));
      result.due_at = FromMicros(Number(row[4]));
      settled.publication = Number(row[5]);
    }
    if (any_blocked) {
      Run(tx, "block_pairs",
          "INSERT INTO blocked_pairs AS p "
          "(account_sid, sender_number, customer_number, blocked_at) "
          // As of the request: a START that came while it was answered counts.
          "SELECT b.account, b.sender, b.customer, "
          "max(coalesce(d.requested_at, clock_timestamp())) "
          "FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::int[]) "
          "b(account, sender, customer, org, msg, gen) "
          "LEFT JOIN deliveries d ON d.organization_id = b.org AND d.message_id = b.msg "
          "AND d.generation = b.gen GROUP BY b.account, b.sender, b.customer "
          "ON CONFLICT (customer_number, account_sid, sender_number) "
          "DO UPDATE SET blocked_at = greatest(p.blocked_at, excluded.blocked_at)",
          blocked_accounts.str(), blocked_senders.str(), blocked_customers.str(),
          blocked_keys.organizations.str(), blocked_keys.messages.str(),
          blocked_keys.generations.str());
    }
    return absl::OkStatus();
  }));
  return settled;
}

namespace {

// Moves the rows that `found` selects to another state; it takes $1 of them at most and skips what
// somebody works on.
#define PARLEY_SWEEP(found, state, reason, message, clear)                                   \
  "WITH found AS (" found ") UPDATE deliveries d SET state = '" state "', reason = '" reason \
  "', message = '" message "', " clear                                                       \
  "version = d.version + 1, changed_at = clock_timestamp() FROM found f "                    \
  "WHERE d.organization_id = f.organization_id AND d.message_id = f.message_id "             \
  "AND d.generation = f.generation RETURNING " PARLEY_CHANGE_COLUMNS
#define PARLEY_FOUND(where)                                                             \
  "SELECT d.organization_id, d.message_id, d.generation FROM deliveries d WHERE " where \
  " LIMIT $1 FOR UPDATE SKIP LOCKED"
// Rows of the campaigns that changed lately; driven from those, not from the rows.
#define PARLEY_FOUND_OF_CAMPAIGNS(campaign_state, where)                               \
  "SELECT q.* FROM campaigns k CROSS JOIN LATERAL ("                                   \
  "SELECT d.organization_id, d.message_id, d.generation FROM deliveries d "            \
  "WHERE d.organization_id = k.organization_id AND d.campaign_id = k.campaign_id "     \
  "AND d.state = 'queued'" where                                                       \
  " LIMIT $1 FOR UPDATE SKIP LOCKED) q WHERE k.pending AND k.state = '" campaign_state \
  "' LIMIT $1"
#define PARLEY_CLEAR "body = '', media_urls = '{}', content_variables = '', "

absl::StatusOr<std::vector<Change>> Sweep(postgres::Pool& pool, const char* name, const char* sql,
                                          int rows_max) {
  return pool.Read<std::vector<Change>>([&](pqxx::work& tx) -> absl::StatusOr<std::vector<Change>> {
    return ToChanges(Run(tx, name, sql, rows_max));
  });
}

}  // namespace

absl::StatusOr<std::vector<Change>> PostgresStore::SweepDeadlines(int rows_max) {
  return Sweep(pool_, "sweep_deadlines",
               PARLEY_SWEEP(PARLEY_FOUND("d.state = 'sending' AND d.deadline <= now()"),
                            "unconfirmed", "UNCONFIRMED_TIMEOUT",
                            "The sender stopped before the answer was known; the message may "
                            "have been sent.",
                            ""),
               rows_max);
}

absl::StatusOr<std::vector<Change>> PostgresStore::SweepExpired(int rows_max) {
  return Sweep(
      pool_, "sweep_expired",
      PARLEY_SWEEP(PARLEY_FOUND("d.state = 'queued' AND d.not_after > '-infinity' "
                                "AND d.not_after <= now()"),
                   "expired", "NOT_AFTER_PASSED",
                   "It could not be sent before the time that was set for it.", PARLEY_CLEAR),
      rows_max);
}

absl::StatusOr<std::vector<Change>> PostgresStore::SweepCanceledCampaigns(int rows_max) {
  return Sweep(pool_, "sweep_canceled",
               PARLEY_SWEEP(PARLEY_FOUND_OF_CAMPAIGNS("canceled", ""), "canceled",
                            "CAMPAIGN_CANCELED", "Its campaign was canceled.", PARLEY_CLEAR),
               rows_max);
}

absl::StatusOr<int> PostgresStore::SweepResumedCampaigns(int rows_max) {
  return pool_.Read<int>([&](pqxx::work& tx) -> absl::StatusOr<int> {
    const pqxx::result rows =
        Run(tx, "sweep_resumed",
            "WITH found AS (" PARLEY_FOUND_OF_CAMPAIGNS(
                "running", " AND d.held_by = 'campaign'") "), "
            "freed AS (UPDATE deliveries d SET held_by = NULL, "
            "due_at = greatest(d.due_at, clock_timestamp()) FROM found f "
            "WHERE d.organization_id = f.organization_id AND d.message_id = f.message_id "
            "AND d.generation = f.generation RETURNING d.lane_id), "
            "counted AS (SELECT lane_id, count(*) AS freed FROM freed GROUP BY lane_id) "
            "SELECT freed, pg_notify($2, lane_id::text) FROM counted",
            rows_max, kWakeChannel);
    int freed = 0;
    for (const pqxx::row& row : rows) freed += static_cast<int>(Number(row[0]));
    return freed;
  });
}

absl::StatusOr<int> PostgresStore::Prune() {
  return pool_.Read<int>([&](pqxx::work& tx) -> absl::StatusOr<int> {
    // A piece of the table after the other: an index for this alone would cost each send.
    const std::int64_t pages = Number(tx.exec1("SELECT pg_relation_size('deliveries') / 8192")[0]);
    const std::int64_t first = prune_page_ < pages ? prune_page_.load() : 0;
    prune_page_ = first + kPrunePages;
    const pqxx::result settled = tx.exec_params(
        "DELETE FROM deliveries WHERE ctid >= $1::tid AND ctid < $2::tid "
        "AND not_after < now() - interval '30 days' "
        "AND state IN ('sent', 'failed', 'canceled', 'expired', 'unconfirmed')",
        "(" + std::to_string(first) + ",0)", "(" + std::to_string(first + kPrunePages) + ",0)");
    // A journal that saw the old state has long ended after a minute.
    tx.exec(
        "UPDATE campaigns k SET pending = false WHERE k.pending "
        "AND k.changed_at < now() - interval '1 minute' AND (k.state = 'paused' OR NOT EXISTS "
        "(SELECT 1 FROM deliveries d WHERE d.organization_id = k.organization_id "
        "AND d.campaign_id = k.campaign_id AND d.state = 'queued' "
        "AND (k.state = 'canceled' OR d.held_by = 'campaign')))");
    const pqxx::result canceled =
        tx.exec_params("DELETE FROM cancellations WHERE created_at < now() - interval '31 days'");
    return static_cast<int>(settled.affected_rows() + canceled.affected_rows());
  });
}

absl::StatusOr<std::int64_t> PostgresStore::CountUnconfirmed() {
  return pool_.Read<std::int64_t>([&](pqxx::work& tx) -> absl::StatusOr<std::int64_t> {
    return Number(Run(tx, "count_unconfirmed",
                      "SELECT count(*) FROM deliveries WHERE state = 'unconfirmed'")[0][0]);
  });
}

absl::StatusOr<std::vector<Change>> PostgresStore::Unpublished(milliseconds age, int rows_max) {
  return pool_.Read<std::vector<Change>>(
      [&](pqxx::work& tx) -> absl::StatusOr<std::vector<Change>> {
        return ToChanges(Run(tx, "unpublished",
                             "SELECT " PARLEY_CHANGE_COLUMNS " FROM deliveries d "
                             "WHERE d.version > d.published_version "
                             "AND d.changed_at < now() - $1 * interval '1 millisecond' "
                             "ORDER BY d.changed_at LIMIT $2",
                             age.count(), rows_max));
      });
}

absl::Status PostgresStore::MarkPublished(std::span<const Change> changes) {
  KeyArrays keys;
  Array versions;
  std::map<DeliveryKey, std::int64_t> newest;  // In order of keys, as others lock them.
  for (const Change& change : changes) {
    std::int64_t& version = newest[change.key];
    version = std::max(version, change.version);
  }
  for (const auto& [key, version] : newest) {
    keys.Add(key);
    versions.Add(version);
  }
  return pool_.Transact([&](pqxx::work& tx) {
    Run(tx, "mark_published",
        "UPDATE deliveries d SET published_version = b.version "
        "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bigint[]) b(org, msg, gen, version) "
        "WHERE d.organization_id = b.org AND d.message_id = b.msg AND d.generation = b.gen "
        "AND d.published_version < b.version",
        keys.organizations.str(), keys.messages.str(), keys.generations.str(), versions.str());
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<Publication>> PostgresStore::OpenPublications(milliseconds age,
                                                                         int changes_max) {
  return pool_.Read<std::vector<Publication>>(
      [&](pqxx::work& tx) -> absl::StatusOr<std::vector<Publication>> {
        // Each holds up to 500 changes; at least one is always taken.
        const pqxx::result rows =
            Run(tx, "publications_open",
                "SELECT " PARLEY_CHANGE_COLUMNS
                ", p.id AS publication FROM (SELECT id, organization_ids, message_ids, generations "
                "FROM (SELECT *, sum(cardinality(message_ids)) OVER (ORDER BY id) "
                "- cardinality(message_ids) AS before FROM publications "
                "WHERE created_at < now() - $1 * interval '1 millisecond' ORDER BY id LIMIT $2) q "
                "WHERE before < $2) p "
                "CROSS JOIN LATERAL unnest(p.organization_ids, p.message_ids, p.generations) "
                "b(org, msg, gen) "
                "LEFT JOIN deliveries d ON d.organization_id = b.org AND d.message_id = b.msg "
                "AND d.generation = b.gen ORDER BY p.id",
                age.count(), changes_max);
        std::vector<Publication> publications;
        for (const pqxx::row& row : rows) {
          const std::int64_t id = Number(row["publication"]);
          if (publications.empty() || publications.back().id != id)
            publications.push_back({id, {}});
          if (!row[0].is_null()) publications.back().changes.push_back(ToChange(row));
        }
        return publications;
      });
}

absl::Status PostgresStore::ForgetPublications(std::span<const std::int64_t> ids) {
  Array array;
  for (const std::int64_t id : ids) array.Add(id);
  return pool_.Transact([&](pqxx::work& tx) {
    // Losing this in a crash only means to publish again, so nobody waits for the disk.
    tx.exec("SET LOCAL synchronous_commit = off");
    Run(tx, "publications_forget", "DELETE FROM publications WHERE id = ANY($1::bigint[])",
        array.str());
    return absl::OkStatus();
  });
}

std::string WithPlannerSettings(const std::string& url) {
  static constexpr char kSettings[] =
      "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off "
      "-c enable_bitmapscan=off -c jit=off -c plan_cache_mode=force_generic_plan";
  if (!url.starts_with("postgres://") && !url.starts_with("postgresql://")) {
    return url + " options='" + kSettings + "'";
  }
  std::string escaped;
  for (const char c : std::string_view(kSettings)) {
    if (c == ' ') {
      escaped += "%20";
    } else if (c == '=') {
      escaped += "%3D";
    } else {
      escaped.push_back(c);
    }
  }
  return url + (url.find('?') == std::string::npos ? "?" : "&") + "options=" + escaped;
}

}  // namespace parley::sender
