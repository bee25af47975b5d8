#include "store/statuses.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "domain/emission.h"
#include "domain/unconfirmed.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/metrics.h"
#include "libs/twilio/errors.h"
#include "store/commands.h"
#include "store/live_json.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "store/statement.h"

namespace parley::gateway::store {
namespace {

using events::v1::DeliveryStatusRecord;
using events::v1::SendOutcome;
using postgres::Array;

using RowId = std::pair<std::string, std::string>;                 // Organization and message.
using SidKey = std::tuple<std::string, std::string, std::string>;  // Organization, account, SID.

// Twilio's code as a sentence for a person.
std::string Explain(int error_code) {
  if (error_code == 0) return "";
  const twilio::ErrorEntry& entry = twilio::DescribeError(error_code);
  std::string text(entry.meaning);
  if (!entry.remedy.empty()) text += " " + std::string(entry.remedy);
  return text;
}

constexpr std::int64_t kTimeMicrosMax = 253'402'300'799'000'000;  // End of the year 9999.
// Less is not worth a new command.
constexpr std::chrono::minutes kPlanAgainMin{1};

prometheus::Counter& Late(const std::string& what) {
  return telemetry::Counter(
      "parley_gateway_late_evidence_total",
      "Evidence that came after a decision: `overruled` (it was marked failed, and Twilio has it), "
      "`recalled` (it was to be sent again, and the first was found in time), `sent_twice` (it was "
      "sent again, and Twilio has both). Many `sent_twice`: let `unconfirmed_after` be longer.",
      {{"what", what}});
}

// One witness's word about one message, in the order of the batch.
struct Evidence {
  const SendOutcome* outcome = nullptr;  // Or, if there is none, a report:
  TwilioReport report;
  // Of a report: the furthest that was said of its SID, before or after.
  Status attempt_status = v1::Message::STATUS_UNSPECIFIED;
  int error_code = 0;
  std::string message_sid;
  Time at;
};

// An outgoing message under its lock.
struct Outgoing {
  v1::Message message;
  SendState state;
  std::string account_sid;
  std::string error_reason;
  std::optional<Time> expires_at;
  bool was_unconfirmed = false;
  bool cancel_asked = false;
  // Of the outcome that made or kept it unconfirmed.
  Findings findings;
  std::int64_t look_again_us = 0;
  std::optional<Time> plan_at;    // It is planned again.
  bool plan_dropped = false;      // It is not planned any more.
  bool recalled = false;          // Its new generation is not to be sent after all.
  bool delivery_changed = false;  // Columns that most messages never need.
  bool changed = false;           // Anything that is stored.
  bool shown_changed = false;     // Anything that is shown.
};

// Locks messages in the order of their ids, applies evidence, writes.
class Applying {
 public:
  void Add(const RowId& id, Evidence evidence) { evidence_[id].push_back(std::move(evidence)); }
  absl::StatusOr<std::vector<StatusChange>> Run(pqxx::work& tx, Time now);

 private:
  void Lock(pqxx::work& tx);
  void ApplyOutcome(const RowId& id, Outgoing& outgoing, const Evidence& evidence);
  void ApplyReport(const RowId& id, Outgoing& outgoing, const Evidence& evidence);
  void TakeFindings(Outgoing& outgoing, const Evidence& evidence);
  void PlanAgain(const RowId& id, Outgoing& outgoing, const Evidence& evidence, Time now);
  // After evidence about `before`: the new generation is recalled if an earlier attempt arrived.
  static void Recall(Outgoing& outgoing, const SendState& before);
  void Changed(const RowId& id, Outgoing& outgoing, const Evidence& evidence, Status status,
               const char* source);
  void WriteMessages(pqxx::work& tx);
  void WriteDelivery(pqxx::work& tx);

  std::map<RowId, std::vector<Evidence>> evidence_;
  std::map<RowId, Outgoing> outgoing_;
  std::vector<StatusChange> changes_;
  int history_rows_ = 0;
  Array history_organizations_, history_messages_, history_ids_, history_statuses_, history_codes_,
      history_sources_, history_times_, history_attempts_, history_sids_, history_reasons_,
      history_sentences_;
  Time now_;
};

void Applying::Lock(pqxx::work& tx) {
  Array organizations, ids;
  for (const auto& [id, evidence] : evidence_) {
    organizations.Add(id.first);
    ids.Add(id.second);
  }
  static const std::string sql =
      std::string(kMessageSelect)
          .insert(sizeof("SELECT ") - 1,
                  "m.organization_id, m.generation, m.attempt, m.result_version, m.account_sid, "
                  "m.error_reason, m.earlier_status, m.attempt_status, "
                  "m.unconfirmed_at IS NOT NULL, " +
                      MicrosOf("m.expires_at") + ", m.findings, " + MicrosOf("m.look_again_at") +
                      ", m.cancel_asked_at IS NOT NULL, ") +
      " WHERE (m.organization_id, m.id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) "
      "AND m.direction = 'outbound' ORDER BY m.id FOR UPDATE";
  for (const pqxx::row& row :
       RunPrepared(tx, "lock_outgoing", sql, organizations.str(), ids.str())) {
    Outgoing outgoing;
    outgoing.message = ReadMessage(row, 13);
    outgoing.account_sid = row[4].c_str();
    outgoing.error_reason = row[5].c_str();
    outgoing.state = {.status = outgoing.message.status(),
                      .generation = row[1].as<int>(),
                      .attempt = row[2].as<int>(),
                      .result_version = row[3].as<std::int64_t>(),
                      .earlier = ParseStatus(row[6].c_str()),
                      .own = ParseStatus(row[7].c_str()),
                      .verdict = outgoing.error_reason == kMarkedFailed};
    outgoing.was_unconfirmed = row[8].as<bool>();
    outgoing.cancel_asked = row[12].as<bool>();
    if (!row[9].is_null()) outgoing.expires_at = FromMicros(row[9].as<std::int64_t>());
    if (outgoing.was_unconfirmed) {
      outgoing.findings = ReadFindings(row[10].c_str());
      outgoing.look_again_us = row[11].is_null() ? 0 : row[11].as<std::int64_t>();
    }
    outgoing_.emplace(RowId{row[0].c_str(), outgoing.message.id()}, std::move(outgoing));
  }
}

void Applying::Changed(const RowId& id, Outgoing& outgoing, const Evidence& evidence, Status status,
                       const char* source) {
  outgoing.message.set_status(status);
  *outgoing.message.mutable_status_time() = ToTimestamp(evidence.at);
  outgoing.changed = outgoing.shown_changed = true;
  if (outgoing.was_unconfirmed != (status == v1::Message::STATUS_UNCONFIRMED)) {
    outgoing.delivery_changed = true;
  }
  const int attempt =
      evidence.outcome != nullptr ? evidence.outcome->attempt() : evidence.report.attempt;
  ++history_rows_;
  history_organizations_.Add(id.first);
  history_messages_.Add(id.second);
  history_ids_.Add(NewId());
  history_statuses_.Add(StatusName(status));
  history_codes_.Add(evidence.error_code);
  history_sources_.Add(source);
  history_times_.Add(evidence.at);
  history_attempts_.Add(attempt);
  history_sids_.Add(evidence.message_sid);
  history_reasons_.Add(outgoing.error_reason);
  history_sentences_.Add(outgoing.message.error_message());
  changes_.push_back({id.first, id.second, evidence.message_sid, status, evidence.error_code});
}

void Applying::Recall(Outgoing& outgoing, const SendState& before) {
  const SendState& after = outgoing.state;
  if (before.earlier != after.earlier || before.own != after.own) outgoing.delivery_changed = true;
  const bool arrived = StatusRank(before.earlier) == 0 && StatusRank(after.earlier) > 0;
  if (!arrived) return;
  const Status waits = before.own == v1::Message::STATUS_UNSPECIFIED ? before.status : before.own;
  if (waits == v1::Message::STATUS_QUEUED) outgoing.recalled = true;
  if (waits == v1::Message::STATUS_SCHEDULED) {
    outgoing.plan_dropped = true;
    outgoing.state.own = v1::Message::STATUS_CANCELED;
  }
}

void Applying::TakeFindings(Outgoing& outgoing, const Evidence& evidence) {
  const SendOutcome& outcome = *evidence.outcome;
  if (outcome.findings().empty() && outcome.look_again_at_us() == 0) return;
  outgoing.findings.clear();
  for (events::v1::Finding finding : outcome.findings()) {
    finding.set_at_us(std::clamp<std::int64_t>(finding.at_us(), 0, kTimeMicrosMax));
    outgoing.findings.push_back(std::move(finding));
  }
  if (outgoing.findings.size() > kFindingsMax) {
    outgoing.findings.erase(outgoing.findings.begin(), outgoing.findings.end() - kFindingsMax);
  }
  outgoing.look_again_us = std::clamp<std::int64_t>(outcome.look_again_at_us(), 0, kTimeMicrosMax);
  outgoing.delivery_changed = outgoing.shown_changed = true;
}

// The command's time has passed, the message's has not: another command takes its place.
void Applying::PlanAgain(const RowId& id, Outgoing& outgoing, const Evidence& evidence, Time now) {
  if (!outgoing.expires_at || *outgoing.expires_at < now + kPlanAgainMin) return;
  if (outgoing.cancel_asked) {
    CancelInstead(outgoing.state);
    outgoing.error_reason.clear();
    outgoing.message.set_error_message("");
    Changed(id, outgoing, evidence, v1::Message::STATUS_CANCELED, "policy");
    return;
  }
  gateway::PlanAgain(outgoing.state);
  outgoing.plan_at = now;
  outgoing.delivery_changed = true;
  outgoing.error_reason = "PLANNED_AGAIN";
  outgoing.message.set_error_message("It could not be sent in time so far; it is tried again.");
  Changed(id, outgoing, evidence, v1::Message::STATUS_SCHEDULED, "policy");
}

void Applying::ApplyOutcome(const RowId& id, Outgoing& outgoing, const Evidence& evidence) {
  const SendOutcome& outcome = *evidence.outcome;
  const SendState before = outgoing.state;
  const std::optional<Status> status = Apply(
      outgoing.state,
      SenderResult{outcome.state(), outcome.generation(), outcome.attempt(), outcome.version()});
  const bool past = outcome.generation() < before.generation;
  if (past && !status && before.earlier == outgoing.state.earlier) return;
  if (!past && outgoing.state.result_version == before.result_version &&
      outgoing.state.generation == before.generation) {
    return;  // Nothing new.
  }
  outgoing.changed = true;
  Recall(outgoing, before);
  v1::Message& message = outgoing.message;
  if (!outcome.message_sid().empty() && message.message_sid() != outcome.message_sid() &&
      (!past || message.message_sid().empty())) {
    message.set_message_sid(outcome.message_sid());
    outgoing.shown_changed = true;
  }
  if (outcome.segments() > 0) message.set_segments(outcome.segments());
  // What went wrong belongs to the state that the sender has set, also if that is still `queued`.
  const Status shown = status.value_or(message.status());
  const bool speaks_of_shown = shown == FromOutcome(outcome.state()) && !before.verdict;
  if (status || speaks_of_shown) {
    const bool expired = outcome.state() == SendOutcome::STATE_EXPIRED;
    const bool says = shown == FromOutcome(outcome.state());
    message.set_error_code(says ? outcome.error_code() : 0);
    outgoing.error_reason = !says                       ? ""
                            : !outcome.reason().empty() ? outcome.reason()
                            : expired                   ? "EXPIRED"
                                                        : "";
    message.set_error_message(!says                        ? ""
                              : !outcome.message().empty() ? outcome.message()
                              : expired ? "Its time passed before it could be sent. Send it again."
                                        : Explain(outcome.error_code()));
    outgoing.shown_changed = true;
  }
  if (shown == v1::Message::STATUS_UNCONFIRMED && !past) TakeFindings(outgoing, evidence);
  if (before.verdict && !outgoing.state.verdict) Late("overruled").Increment();
  if (status) Changed(id, outgoing, evidence, *status, "sender");
  if (status == v1::Message::STATUS_FAILED && outcome.state() == SendOutcome::STATE_EXPIRED) {
    PlanAgain(id, outgoing, evidence, now_);
  }
}

void Applying::ApplyReport(const RowId& id, Outgoing& outgoing, const Evidence& evidence) {
  const SendState before = outgoing.state;
  TwilioReport report = evidence.report;
  if (report.attempt < before.attempt &&
      evidence.attempt_status != v1::Message::STATUS_UNSPECIFIED) {
    report.status = evidence.attempt_status;
  }
  const std::optional<Status> status = Apply(outgoing.state, report);
  const bool overruled = before.verdict && !outgoing.state.verdict;
  Recall(outgoing, before);
  if (!status && !overruled) {
    outgoing.changed |= outgoing.delivery_changed;
    return;
  }
  if (overruled) Late("overruled").Increment();
  const Status shown = status.value_or(outgoing.message.status());
  // Of an older attempt it may be that what is shown now is the latest's again.
  const bool says = shown == report.status;
  outgoing.message.set_error_code(says ? evidence.error_code : 0);
  outgoing.message.set_error_message(says ? Explain(evidence.error_code) : "");
  outgoing.error_reason = !says || evidence.error_code == 0 ? "" : "TWILIO";
  if (outgoing.message.message_sid().empty()) {
    outgoing.message.set_message_sid(evidence.message_sid);
  }
  Changed(id, outgoing, evidence, shown, "twilio");
}

void Applying::WriteMessages(pqxx::work& tx) {
  Array organizations, ids, statuses, times, codes, reasons, messages, sids, segments, generations,
      attempts, versions;
  int rows = 0;
  for (const auto& [id, outgoing] : outgoing_) {
    if (!outgoing.changed) continue;
    ++rows;
    const v1::Message& message = outgoing.message;
    organizations.Add(id.first);
    ids.Add(id.second);
    statuses.Add(StatusName(message.status()));
    times.Add(FromMicros(message.status_time().seconds() * 1'000'000 +
                         message.status_time().nanos() / 1'000));
    codes.Add(message.error_code());
    reasons.Add(outgoing.error_reason);
    messages.Add(message.error_message());
    sids.Add(message.message_sid());
    segments.Add(message.segments());
    generations.Add(outgoing.state.generation);
    attempts.Add(outgoing.state.attempt);
    versions.Add(outgoing.state.result_version);
  }
  if (rows == 0) return;
  // Whoever speaks of a message has it: it need not be emitted again, but an end is waited for.
  // Until then the time stays as it is, which spares the indexes.
  static const std::string sql =
      "UPDATE messages m SET status = w.status, status_at = w.status_at, "
      "error_code = w.error_code, error_reason = w.error_reason, "
      "error_message = w.error_message, message_sid = w.message_sid, segments = w.segments, "
      "generation = w.generation, attempt = w.attempt, result_version = w.result_version, "
      "accepted = true, emit_again_at = CASE WHEN w.status IN ('queued', 'sending') "
      "THEN coalesce(m.emit_again_at, m.not_after + interval '" +
      std::to_string(kOutcomeWait.count()) +
      " hours') END "
      "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::int[], $6::text[], "
      "$7::text[], $8::text[], $9::int[], $10::int[], $11::int[], $12::bigint[]) "
      "w(org, id, status, status_at, error_code, error_reason, error_message, message_sid, "
      "segments, generation, attempt, result_version) "
      "WHERE m.organization_id = w.org AND m.id = w.id";
  RunPrepared(tx, "update_outgoing", sql, organizations.str(), ids.str(), statuses.str(),
              times.str(), codes.str(), reasons.str(), messages.str(), sids.str(), segments.str(),
              generations.str(), attempts.str(), versions.str());
}

// What only unconfirmed, repeated and planned messages have: a statement of its own, since most
// batches have none of them.
void Applying::WriteDelivery(pqxx::work& tx) {
  Array organizations, ids, earlier, own, unconfirmed, findings, refuted, looks, plans, dropped;
  int rows = 0;
  for (auto& [id, outgoing] : outgoing_) {
    if (!outgoing.delivery_changed) continue;
    ++rows;
    const bool is_unconfirmed = outgoing.message.status() == v1::Message::STATUS_UNCONFIRMED;
    if (!is_unconfirmed) outgoing.findings.clear();
    organizations.Add(id.first);
    ids.Add(id.second);
    earlier.Add(StatusName(outgoing.state.earlier));
    own.Add(StatusName(outgoing.state.own));
    unconfirmed.Add(is_unconfirmed);
    findings.Add(WriteFindings(outgoing.findings));
    refuted.Add(Refuted(outgoing.findings));
    if (is_unconfirmed && outgoing.look_again_us > 0) {
      looks.Add(FromMicros(outgoing.look_again_us));
    } else {
      looks.AddNull();
    }
    if (outgoing.plan_at) {
      plans.Add(*outgoing.plan_at);
    } else {
      plans.AddNull();
    }
    dropped.Add(outgoing.plan_dropped);
  }
  if (rows == 0) return;
  const pqxx::result written = RunPrepared(
      tx, "update_delivery",
      "UPDATE messages m SET earlier_status = w.earlier, attempt_status = w.own, "
      "unconfirmed_at = CASE WHEN w.unconfirmed THEN coalesce(m.unconfirmed_at, m.status_at) END, "
      "findings = w.findings, refuted = w.refuted, look_again_at = w.look_again_at, "
      "plan_at = CASE WHEN NOT w.dropped THEN coalesce(w.plan_at, m.plan_at) END, emissions = 0, "
      "copies = CASE WHEN m.generation = 0 THEN 0 ELSE (SELECT count(*) FROM message_attempts t "
      "WHERE t.organization_id = m.organization_id AND t.message_id = m.id "
      "AND t.status NOT IN ('failed', 'undelivered', 'canceled')) END "
      "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::text[], "
      "$7::boolean[], $8::timestamptz[], $9::timestamptz[], $10::boolean[]) "
      "w(org, id, earlier, own, unconfirmed, findings, refuted, look_again_at, plan_at, dropped) "
      "WHERE m.organization_id = w.org AND m.id = w.id "
      "RETURNING m.organization_id, m.id, m.copies",
      organizations.str(), ids.str(), earlier.str(), own.str(), unconfirmed.str(), findings.str(),
      refuted.str(), looks.str(), plans.str(), dropped.str());
  for (const pqxx::row& row : written) {
    Outgoing& outgoing = outgoing_.at({row[0].c_str(), row[1].c_str()});
    const int copies = row[2].as<int>();
    if (copies > std::max(1, outgoing.message.copies())) Late("sent_twice").Increment();
    outgoing.shown_changed |= copies != outgoing.message.copies();
    outgoing.message.set_copies(copies);
  }
}

absl::StatusOr<std::vector<StatusChange>> Applying::Run(pqxx::work& tx, Time now) {
  if (evidence_.empty()) return std::vector<StatusChange>();
  now_ = now;
  Lock(tx);
  for (auto& [id, evidence] : evidence_) {
    const auto at = outgoing_.find(id);
    if (at == outgoing_.end()) continue;
    for (const Evidence& one : evidence) {
      if (one.outcome != nullptr) {
        ApplyOutcome(id, at->second, one);
      } else {
        ApplyReport(id, at->second, one);
      }
    }
  }
  Outbox outbox;
  for (auto& [id, outgoing] : outgoing_) {
    // SIDs are counted once it was sent again.
    outgoing.delivery_changed |= outgoing.changed && outgoing.state.generation > 0;
    if (!outgoing.recalled) continue;
    Late("recalled").Increment();
    AddCancel({id.first, id.second, outgoing.state.generation, outgoing.message.from()}, outbox);
  }
  WriteMessages(tx);
  WriteDelivery(tx);
  if (history_rows_ > 0) {
    RunPrepared(
        tx, "insert_status_changes",
        "INSERT INTO message_status_changes (organization_id, message_id, id, status, error_code, "
        "source, at, attempt, message_sid, reason, message) "
        "SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], "
        "$5::int[], $6::text[], $7::timestamptz[], $8::int[], $9::text[], $10::text[], "
        "$11::text[])",
        history_organizations_.str(), history_messages_.str(), history_ids_.str(),
        history_statuses_.str(), history_codes_.str(), history_sources_.str(), history_times_.str(),
        history_attempts_.str(), history_sids_.str(), history_reasons_.str(),
        history_sentences_.str());
  }
  for (auto& [id, outgoing] : outgoing_) {
    if (!outgoing.shown_changed) continue;
    v1::Message& message = outgoing.message;
    if (message.status() != v1::Message::STATUS_UNCONFIRMED) {
      message.clear_unconfirmed();
    } else if (outgoing.delivery_changed) {
      *message.mutable_unconfirmed() = ToUnconfirmed(outgoing.findings, outgoing.look_again_us);
    }
    outbox.AddLive(id.first, "message", LiveData(message));
  }
  outbox.Write(tx);
  return std::move(changes_);
}

// Notes which message a SID is for, and waits for whoever does the same.
struct Attempt {
  std::string message_id;  // Empty: not known yet.
  int attempt = 0;
  // The furthest that was said of it.
  Status status = v1::Message::STATUS_SENT;
  int error_code = 0;
  Time at;
};

Time TimeOf(const DeliveryStatusRecord& report, Time now) {
  return report.received_at_us() > 0 ? FromMicros(report.received_at_us()) : now;
}

// Takes what is further, as messages do.
void Advance(Attempt& attempt, Status status, int error_code, Time at) {
  if (attempt.at != Time() && StatusRank(status) <= StatusRank(attempt.status)) return;
  if (status == v1::Message::STATUS_UNSPECIFIED) return;
  attempt.status = status;
  attempt.error_code = error_code;
  attempt.at = at;
}

// Upserts in the order of the keys; what is known already stays. Returns what is known now.
std::map<SidKey, Attempt> NoteAttempts(pqxx::work& tx, const std::map<SidKey, Attempt>& attempts) {
  Array organizations, accounts, sids, messages, numbers, statuses, ranks, times, codes;
  for (const auto& [key, attempt] : attempts) {
    organizations.Add(std::get<0>(key));
    accounts.Add(std::get<1>(key));
    sids.Add(std::get<2>(key));
    messages.AddOrNull(attempt.message_id);
    numbers.Add(attempt.attempt);
    statuses.Add(StatusName(attempt.status));
    ranks.Add(StatusRank(attempt.status));
    if (attempt.at == Time()) {
      times.AddNull();
    } else {
      times.Add(attempt.at);
    }
    codes.Add(attempt.error_code);
  }
  std::map<SidKey, Attempt> known;
  for (const pqxx::row& row : RunPrepared(
           tx, "note_attempts",
           "INSERT INTO message_attempts AS a (organization_id, account_sid, message_sid, "
           "message_id, attempt, status, status_rank, status_at, error_code) "
           "SELECT w.* FROM unnest($1::uuid[], $2::text[], $3::text[], "
           "$4::uuid[], $5::int[], $6::text[], $7::smallint[], $8::timestamptz[], $9::int[]) w "
           "ON CONFLICT (organization_id, account_sid, message_sid) DO UPDATE SET "
           "message_id = coalesce(a.message_id, excluded.message_id), "
           "attempt = greatest(a.attempt, excluded.attempt), "
           "status = CASE WHEN excluded.status_rank > a.status_rank THEN excluded.status "
           "ELSE a.status END, "
           "status_at = CASE WHEN excluded.status_rank > a.status_rank THEN excluded.status_at "
           "ELSE a.status_at END, "
           "error_code = CASE WHEN excluded.status_rank > a.status_rank THEN excluded.error_code "
           "ELSE a.error_code END, "
           "status_rank = greatest(a.status_rank, excluded.status_rank) "
           "RETURNING a.organization_id, a.account_sid, a.message_sid, a.message_id, a.attempt, "
           "a.status",
           organizations.str(), accounts.str(), sids.str(), messages.str(), numbers.str(),
           statuses.str(), ranks.str(), times.str(), codes.str())) {
    Attempt attempt;
    attempt.message_id = row[3].is_null() ? "" : row[3].c_str();
    attempt.attempt = row[4].as<int>();
    attempt.status = ParseStatus(row[5].c_str());
    known[{row[0].c_str(), row[1].c_str(), row[2].c_str()}] = std::move(attempt);
  }
  return known;
}

// Takes what Twilio reported of these SIDs before they were known, oldest first.
void TakeEarly(pqxx::work& tx, const std::map<SidKey, Attempt>& attempts, Applying& applying) {
  Array organizations, accounts, sids;
  for (const auto& [key, attempt] : attempts) {
    if (attempt.message_id.empty()) continue;  // They wait on.
    organizations.Add(std::get<0>(key));
    accounts.Add(std::get<1>(key));
    sids.Add(std::get<2>(key));
  }
  for (const pqxx::row& row :
       RunPrepared(tx, "take_early",
                   "WITH taken AS (DELETE FROM early_statuses e "
                   "USING unnest($1::uuid[], $2::text[], $3::text[]) w(org, account, sid) "
                   "WHERE e.organization_id = w.org AND e.account_sid = w.account "
                   "AND e.message_sid = w.sid RETURNING e.*) "
                   "SELECT organization_id, account_sid, message_sid, status, error_code, " +
                       MicrosOf("at") + " FROM taken ORDER BY at",
                   organizations.str(), accounts.str(), sids.str())) {
    const auto at = attempts.find({row[0].c_str(), row[1].c_str(), row[2].c_str()});
    if (at == attempts.end()) continue;
    Evidence evidence;
    evidence.report = {FromTwilio(row[3].c_str()), at->second.attempt};
    evidence.error_code = row[4].as<int>();
    evidence.message_sid = row[2].c_str();
    evidence.at = FromMicros(row[5].as<std::int64_t>());
    applying.Add({row[0].c_str(), at->second.message_id}, std::move(evidence));
  }
}

using Accepted = std::map<RowId, int>;  // The newest generation of each.

// Everything that a batch of the sender is about, in one order: what was accepted and what has an
// outcome are often different messages.
void LockAll(pqxx::work& tx, const Accepted& accepted, std::span<const SendOutcome> outcomes) {
  if (accepted.empty() || outcomes.empty()) return;  // Then one statement locks them all.
  Array organizations, ids;
  for (const auto& [id, generation] : accepted) {
    organizations.Add(id.first);
    ids.Add(id.second);
  }
  for (const SendOutcome& outcome : outcomes) {
    organizations.Add(outcome.organization_id());
    ids.Add(outcome.message_id());
  }
  RunPrepared(tx, "lock_results",
              "SELECT FROM messages m WHERE (m.organization_id, m.id) IN "
              "(SELECT * FROM unnest($1::uuid[], $2::uuid[])) ORDER BY m.id FOR UPDATE",
              organizations.str(), ids.str());
}

void MarkAccepted(pqxx::work& tx, const Accepted& accepted) {
  if (accepted.empty()) return;
  Array organizations, ids, generations;
  for (const auto& [id, generation] : accepted) {
    organizations.Add(id.first);
    ids.Add(id.second);
    generations.Add(generation);
  }
  RunPrepared(tx, "mark_accepted",
              "WITH locked AS (SELECT m.organization_id, m.id FROM messages m "
              "JOIN unnest($1::uuid[], $2::uuid[], $3::int[]) w(org, id, generation) "
              "ON m.organization_id = w.org AND m.id = w.id AND m.generation <= w.generation "
              "WHERE m.emit_again_at IS NOT NULL AND NOT m.accepted "
              "ORDER BY m.id FOR UPDATE OF m) "
              "UPDATE messages m SET accepted = true FROM locked l "
              "WHERE m.organization_id = l.organization_id AND m.id = l.id",
              organizations.str(), ids.str(), generations.str());
}

}  // namespace

absl::StatusOr<std::vector<StatusChange>> ApplySendResults(
    pqxx::work& tx, std::span<const events::v1::AcceptedBatch::Item* const> items,
    std::span<const SendOutcome> outcomes, Time now) {
  Accepted accepted;
  for (const events::v1::AcceptedBatch::Item* item : items) {
    int& generation = accepted[{item->organization_id(), item->message_id()}];
    generation = std::max(generation, item->generation());
  }
  Applying applying;
  std::map<SidKey, Attempt> attempts;
  for (const SendOutcome& outcome : outcomes) {
    Evidence evidence;
    evidence.outcome = &outcome;
    evidence.error_code = outcome.error_code();
    evidence.message_sid = outcome.message_sid();
    evidence.at = outcome.at_us() > 0 ? FromMicros(outcome.at_us()) : now;
    if (!outcome.message_sid().empty()) {
      Attempt& attempt =
          attempts[{outcome.organization_id(), outcome.account_sid(), outcome.message_sid()}];
      attempt.message_id = outcome.message_id();
      attempt.attempt = outcome.attempt();
      // What has a SID, Twilio took.
      const bool failed = outcome.state() == SendOutcome::STATE_FAILED;
      Advance(attempt, failed ? v1::Message::STATUS_FAILED : v1::Message::STATUS_SENT,
              outcome.error_code(), evidence.at);
    }
    applying.Add({outcome.organization_id(), outcome.message_id()}, std::move(evidence));
  }
  if (!attempts.empty()) TakeEarly(tx, NoteAttempts(tx, attempts), applying);
  LockAll(tx, accepted, outcomes);
  PARLEY_ASSIGN_OR_RETURN(std::vector<StatusChange> changes, applying.Run(tx, now));
  MarkAccepted(tx, accepted);
  return changes;
}

absl::StatusOr<ReportResults> ApplyReports(pqxx::work& tx,
                                           std::span<const DeliveryStatusRecord> reports,
                                           Time now) {
  ReportResults results;
  if (reports.empty()) return results;
  Array accounts, numbers, messages, sids;
  for (const DeliveryStatusRecord& report : reports) {
    accounts.Add(report.account_sid());
    numbers.Add(report.business_number());
    messages.AddOrNull(IsUuid(report.message_id()) ? report.message_id() : "");
    sids.Add(report.message_sid());
  }
  // Whose report it is: the organization that has the SID, or the message that the callback's URL
  // names, or else the number. Only organizations that the signing account serves count, and only
  // messages that were sent with it.
  const pqxx::result owners = RunPrepared(
      tx, "find_owners",
      "SELECT coalesce(a.organization_id, m.organization_id, n.organization_id, "
      "f.organization_id), m.id "
      "FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[]) "
      "WITH ORDINALITY w(account, number, message, sid, ord) "
      "LEFT JOIN LATERAL (SELECT l.organization_id FROM account_links l "
      "WHERE l.account_sid = w.account ORDER BY l.created_at, l.organization_id LIMIT 1) f ON true "
      "LEFT JOIN LATERAL (SELECT t.organization_id FROM account_links l "
      "JOIN message_attempts t ON t.organization_id = l.organization_id "
      "AND t.account_sid = w.account AND t.message_sid = w.sid AND t.message_id IS NOT NULL "
      "WHERE l.account_sid = w.account LIMIT 1) a ON true "
      "LEFT JOIN LATERAL (SELECT t.organization_id, t.id FROM account_links l "
      "JOIN messages t ON t.organization_id = l.organization_id AND t.id = w.message "
      "WHERE l.account_sid = w.account AND t.account_sid = w.account "
      "AND t.direction = 'outbound' LIMIT 1) m ON true "
      "LEFT JOIN number_claims n ON n.account_sid = w.account AND n.number = w.number "
      "ORDER BY w.ord",
      accounts.str(), numbers.str(), messages.str(), sids.str());

  std::map<SidKey, Attempt> attempts;
  std::vector<std::optional<SidKey>> keys;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const DeliveryStatusRecord& report = reports[i];
    const pqxx::row row = owners[static_cast<pqxx::result::size_type>(i)];
    if (row[0].is_null()) {
      ++results.foreign;
      keys.emplace_back();
      continue;
    }
    const SidKey key{row[0].c_str(), report.account_sid(), report.message_sid()};
    Attempt& attempt = attempts[key];
    if (!row[1].is_null()) {
      attempt.message_id = row[1].c_str();
      attempt.attempt = report.attempt();
    }
    Advance(attempt, FromTwilio(report.status()), report.error_code(), TimeOf(report, now));
    keys.emplace_back(key);
  }
  if (attempts.empty()) return results;
  const std::map<SidKey, Attempt> known = NoteAttempts(tx, attempts);

  Applying applying;
  Array early_organizations, early_accounts, early_sids, early_statuses, early_codes, early_times;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    if (!keys[i]) continue;
    const DeliveryStatusRecord& report = reports[i];
    const Attempt& attempt = known.at(*keys[i]);
    const Time at = TimeOf(report, now);
    if (attempt.message_id.empty()) {
      ++results.early;
      early_organizations.Add(std::get<0>(*keys[i]));
      early_accounts.Add(report.account_sid());
      early_sids.Add(report.message_sid());
      early_statuses.Add(report.status());
      early_codes.Add(report.error_code());
      early_times.Add(at);
      continue;
    }
    Evidence evidence;
    evidence.report = {FromTwilio(report.status()), attempt.attempt};
    evidence.attempt_status = attempt.status;
    evidence.error_code = report.error_code();
    evidence.message_sid = report.message_sid();
    evidence.at = at;
    applying.Add({std::get<0>(*keys[i]), attempt.message_id}, std::move(evidence));
  }
  if (results.early > 0) {
    RunPrepared(
        tx, "insert_early",
        "INSERT INTO early_statuses (organization_id, account_sid, message_sid, status, "
        "error_code, at) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], "
        "$5::int[], $6::timestamptz[]) ON CONFLICT DO NOTHING",
        early_organizations.str(), early_accounts.str(), early_sids.str(), early_statuses.str(),
        early_codes.str(), early_times.str());
  }
  TakeEarly(tx, known, applying);
  PARLEY_ASSIGN_OR_RETURN(results.changes, applying.Run(tx, now));
  return results;
}

}  // namespace parley::gateway::store
