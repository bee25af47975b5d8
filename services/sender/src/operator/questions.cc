#include "operator/questions.h"

#include <algorithm>

#include "libs/base/text.h"

namespace parley::sender {

const std::vector<Question>& Questions() {
  static const std::vector<Question> questions = {
      {"shards",
       "who sends for the 256 parts of all numbers, and until when",
       "SELECT coalesce(owner, '(nobody)') AS owner, count(*) AS shards, "
       "bool_and(lease_until > clock_timestamp()) AS valid, "
       "coalesce(round(extract(epoch FROM min(CASE WHEN owner IS NOT NULL THEN lease_until END) "
       "- clock_timestamp()))::text, '') AS lease_s "
       "FROM shards GROUP BY owner ORDER BY owner NULLS FIRST LIMIT $1",
       "There are no shards: run sender migrate.",
       {}},
      {"queues",
       "what waits, by number: queued, held by a paused campaign, under way, and the oldest",
       "SELECT l.account_sid AS account, l.sender_number AS number, "
       "CASE l.medium WHEN 2 THEN 'whatsapp' ELSE 'sms' END AS medium, l.shard, "
       "CASE WHEN EXISTS (SELECT 1 FROM pauses p WHERE p.account_sid = l.account_sid "
       "AND p.sender_number IN ('', l.sender_number)) THEN 'yes' ELSE 'no' END AS paused, "
       "count(*) FILTER (WHERE d.state = 'queued' AND d.held_by IS NULL) AS queued, "
       "count(*) FILTER (WHERE d.state = 'queued' AND d.held_by IS NULL "
       "AND d.due_at <= clock_timestamp()) AS due, "
       "count(*) FILTER (WHERE d.held_by IS NOT NULL) AS held, "
       "count(*) FILTER (WHERE d.state = 'sending') AS sending, "
       "coalesce(round(extract(epoch FROM clock_timestamp() - min(d.created_at) "
       "FILTER (WHERE d.state = 'queued')))::text, '') AS oldest_s "
       "FROM deliveries d JOIN lanes l ON l.lane_id = d.lane_id "
       "WHERE d.state IN ('queued', 'sending') "
       "GROUP BY l.lane_id ORDER BY queued DESC, l.lane_id LIMIT $1",
       "Nothing waits.",
       {}},
      {"unconfirmed",
       "requests whose outcome nobody knows, the oldest first",
       "SELECT d.organization_id AS organization, d.message_id AS message, d.generation, "
       "d.attempt, l.account_sid AS account, l.sender_number AS number, "
       "d.customer_number AS customer, d.requested_at::timestamptz(0) AS requested_at, d.reason, "
       "d.looks, coalesce(d.look_due_at::timestamptz(0)::text, '') AS next_look "
       "FROM deliveries d JOIN lanes l ON l.lane_id = d.lane_id "
       "WHERE d.state = 'unconfirmed' ORDER BY d.requested_at LIMIT $1",
       "No send is unconfirmed.",
       {"customer"}},
      {"breakers",
       "what stands still, and why: paused by an operator, an account's breaker (open, half-open), "
       "waiting because Twilio says so",
       // A replica that has not renewed its leases for so long sends nothing.
       "SELECT account, number, state, reason, since::timestamptz(0) AS since, "
       "coalesce(until::timestamptz(0)::text, '') AS until, who FROM ("
       "SELECT p.account_sid AS account, p.sender_number AS number, 'paused' AS state, p.reason, "
       "p.paused_at AS since, NULL::timestamptz AS until, p.paused_by AS who FROM pauses p "
       "UNION ALL SELECT s.account_sid, s.sender_number, s.state, s.reason, s.since, s.until, "
       "s.replica FROM standstills s JOIN replicas r ON r.replica = s.replica "
       "WHERE r.seen_at > clock_timestamp() - interval '15 s' "
       "AND (s.until IS NULL OR s.until > clock_timestamp())) x "
       "ORDER BY account, number, state, who LIMIT $1",
       "Nothing stands still.",
       {}},
  };
  return questions;
}

const Question* FindQuestion(std::string_view name) {
  const auto& questions = Questions();
  const auto found = std::find_if(questions.begin(), questions.end(),
                                  [&](const Question& question) { return question.name == name; });
  return found == questions.end() ? nullptr : &*found;
}

absl::StatusOr<Rows> Ask(const Question& question, int limit, postgres::Pool& pool) {
  return pool.Read<Rows>([&](pqxx::work& tx) -> absl::StatusOr<Rows> {
    const pqxx::result result = tx.exec_params(question.sql, limit);
    Rows rows(1);
    for (pqxx::row::size_type i = 0; i < result.columns(); ++i) {
      rows[0].emplace_back(result.column_name(i));
    }
    for (const pqxx::row& row : result) {
      rows.emplace_back();
      for (const pqxx::field& field : row) {
        const bool masked = std::find(question.masked.begin(), question.masked.end(),
                                      field.name()) != question.masked.end();
        rows.back().push_back(masked ? MaskNumber(field.c_str()) : field.c_str());
      }
    }
    return rows;
  });
}

nlohmann::ordered_json ToJson(const Rows& rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (std::size_t row = 1; row < rows.size(); ++row) {
    nlohmann::ordered_json object;
    for (std::size_t i = 0; i < rows[0].size(); ++i) object[rows[0][i]] = rows[row][i];
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace parley::sender
