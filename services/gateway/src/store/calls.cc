#include "store/calls.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "libs/postgres/array.h"
#include "store/inbox.h"
#include "store/live_json.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "store/statement.h"

namespace parley::gateway::store {
namespace {

using postgres::Array;

// Twilio serves a recording as WAV where its address names no other format.
constexpr char kRecordingType[] = "audio/wav";
constexpr int kRecordingsMax = 10;

using CallKey = std::pair<std::string, std::string>;  // Account and call SID.

struct Call {
  std::string organization_id;
  v1::Message message;
  std::string parameters = "{}";  // To be added to the stored ones.
  bool changed = false;           // Anything that is stored.
  bool shown_changed = false;     // Anything that is shown.
};
using Calls = std::map<CallKey, Call>;

// A call and its recording may come to two projectors at once: the second waits for the first.
void LockKeys(pqxx::work& tx, std::span<const CallReport> reports) {
  Array keys;
  for (const CallReport& report : reports) keys.Add(report.account_sid + "/" + report.call_sid);
  RunPrepared(tx, "lock_calls",
              "SELECT pg_advisory_xact_lock(h) FROM (SELECT DISTINCT hashtextextended(k, 0) AS h "
              "FROM unnest($1::text[]) k ORDER BY h) keys",
              keys.str());
}

Calls ReadCalls(pqxx::work& tx, std::span<const CallReport> reports) {
  std::map<std::string, CallKey> wanted;
  for (const CallReport& report : reports) {
    wanted.try_emplace(InboundMessageId(report.account_sid, report.call_sid), report.account_sid,
                       report.call_sid);
  }
  Array ids, accounts;
  for (const auto& [id, key] : wanted) {
    ids.Add(id);
    accounts.Add(key.first);
  }
  Calls calls;
  for (const pqxx::row& row : RunPrepared(
           tx, "read_calls",
           std::string(kMessageSelect).insert(sizeof("SELECT ") - 1, "m.organization_id, ") +
               " JOIN unnest($1::uuid[], $2::text[]) w(id, account) ON m.id = w.id "
               "AND m.account_sid = w.account "
               "JOIN account_links l ON l.account_sid = w.account "
               "AND l.organization_id = m.organization_id "
               "WHERE m.kind = 'call' ORDER BY m.id FOR UPDATE OF m",
           ids.str(), accounts.str())) {
    Call call;
    call.organization_id = row[0].c_str();
    call.message = ReadMessage(row, 1);
    calls.emplace(wanted.at(call.message.id()), std::move(call));
  }
  return calls;
}

void AddRecording(Call& call, const std::string& url) {
  const auto& media = call.message.media();
  const bool known = std::any_of(media.begin(), media.end(),
                                 [&](const v1::MessageMedia& one) { return one.url() == url; });
  if (url.empty() || known || media.size() >= kRecordingsMax) return;
  v1::MessageMedia& added = *call.message.add_media();
  added.set_url(url);
  added.set_content_type(kRecordingType);
  call.changed = call.shown_changed = true;
}

// Both are JSON objects of our own writing; of equal names the later stays.
void AddParameters(std::string& to, const std::string& more) {
  if (more.size() <= 2) return;
  to = to == "{}" ? more : to.substr(0, to.size() - 1) + "," + more.substr(1);
}

void Apply(const CallReport& report, Call& call) {
  v1::Message& message = call.message;
  if (message.has_erase_time()) return;
  if (CallStatusRank(report.status) > CallStatusRank(message.call_status())) {
    message.set_call_status(report.status);
    call.changed = call.shown_changed = true;
  }
  if (report.seconds > message.call_seconds()) {
    message.set_call_seconds(report.seconds);
    call.changed = call.shown_changed = true;
  }
  AddRecording(call, report.recording_url);
  if (call.changed) AddParameters(call.parameters, report.parameters);
}

// Recordings without a call wait in the account's first organization. Returns how many were kept.
int KeepEarly(pqxx::work& tx, const std::vector<const CallReport*>& reports) {
  if (reports.empty()) return 0;
  Array accounts, calls, sids, urls, parameters, times;
  for (const CallReport* report : reports) {
    accounts.Add(report->account_sid);
    calls.Add(report->call_sid);
    sids.Add(report->recording_sid);
    urls.Add(report->recording_url);
    parameters.Add(report->parameters.empty() ? "{}" : report->parameters);
    times.Add(report->at);
  }
  return static_cast<int>(
      RunPrepared(tx, "keep_early_recordings",
                  "INSERT INTO early_recordings (organization_id, account_sid, call_sid, "
                  "recording_sid, url, parameters, at) "
                  "SELECT f.organization_id, w.account, w.call, w.sid, w.url, w.parameters, w.at "
                  "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], "
                  "$6::timestamptz[]) w(account, call, sid, url, parameters, at) "
                  "CROSS JOIN LATERAL (SELECT l.organization_id FROM account_links l "
                  "WHERE l.account_sid = w.account ORDER BY l.created_at, l.organization_id "
                  "LIMIT 1) f ON CONFLICT DO NOTHING",
                  accounts.str(), calls.str(), sids.str(), urls.str(), parameters.str(),
                  times.str())
          .affected_rows());
}

void TakeEarly(pqxx::work& tx, Calls& calls) {
  if (calls.empty()) return;
  Array accounts, sids;
  for (const auto& [key, call] : calls) {
    accounts.Add(key.first);
    sids.Add(key.second);
  }
  for (const pqxx::row& row :
       RunPrepared(tx, "take_early_recordings",
                   "WITH taken AS (DELETE FROM early_recordings e "
                   "USING unnest($1::text[], $2::text[]) w(account, call) "
                   "JOIN account_links l ON l.account_sid = w.account "
                   "WHERE e.organization_id = l.organization_id AND e.account_sid = w.account "
                   "AND e.call_sid = w.call RETURNING e.*) "
                   "SELECT account_sid, call_sid, url, parameters FROM taken ORDER BY at",
                   accounts.str(), sids.str())) {
    const auto at = calls.find({row[0].c_str(), row[1].c_str()});
    if (at == calls.end()) continue;
    CallReport report;
    report.recording_url = row[2].c_str();
    report.parameters = row[3].c_str();
    Apply(report, at->second);
  }
}

int Write(pqxx::work& tx, const Calls& calls) {
  Array organizations, ids, statuses, seconds, media, parameters;
  Outbox outbox;
  int rows = 0;
  for (const auto& [key, call] : calls) {
    if (!call.changed) continue;
    ++rows;
    organizations.Add(call.organization_id);
    ids.Add(call.message.id());
    statuses.Add(CallStatusName(call.message.call_status()));
    seconds.Add(call.message.call_seconds());
    media.Add(MediaJson(call.message));
    parameters.Add(call.parameters);
    if (call.shown_changed) {
      outbox.AddLive(call.organization_id, "message", LiveData(call.message));
    }
  }
  if (rows == 0) return 0;
  RunPrepared(tx, "update_calls",
              "UPDATE messages m SET call_status = w.status, call_seconds = w.seconds, "
              "media = w.media, parameters = m.parameters || w.parameters "
              "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::jsonb[], "
              "$6::jsonb[]) w(org, id, status, seconds, media, parameters) "
              "WHERE m.organization_id = w.org AND m.id = w.id",
              organizations.str(), ids.str(), statuses.str(), seconds.str(), media.str(),
              parameters.str());
  outbox.Write(tx);
  return rows;
}

}  // namespace

absl::StatusOr<CallResults> ApplyCallReports(pqxx::work& tx, std::span<const CallReport> reports) {
  CallResults results;
  if (reports.empty()) return results;
  LockKeys(tx, reports);
  Calls calls = ReadCalls(tx, reports);
  TakeEarly(tx, calls);
  std::vector<const CallReport*> early;
  for (const CallReport& report : reports) {
    if (const auto at = calls.find({report.account_sid, report.call_sid}); at != calls.end()) {
      Apply(report, at->second);
    } else if (!report.recording_url.empty()) {
      early.push_back(&report);
    } else {
      ++results.foreign;
    }
  }
  results.early = KeepEarly(tx, early);
  results.foreign += static_cast<int>(early.size()) - results.early;
  results.changed = Write(tx, calls);
  return results;
}

}  // namespace parley::gateway::store
