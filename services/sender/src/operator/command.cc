#include "operator/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libs/base/text.h"

namespace parley::sender {
namespace {

using Json = nlohmann::ordered_json;

// A question: its columns are shown under their own names; those in `masked` are numbers of people.
struct Question {
  const char* name;
  const char* help;
  const char* sql;  // $1: rows at most.
  const char* empty;
  std::vector<std::string> masked;
};

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
  };
  return questions;
}

const Question* Find(std::string_view name) {
  const auto& questions = Questions();
  const auto found = std::find_if(questions.begin(), questions.end(),
                                  [&](const Question& question) { return question.name == name; });
  return found == questions.end() ? nullptr : &*found;
}

using Rows = std::vector<std::vector<std::string>>;  // The first has the columns' names.

absl::StatusOr<Rows> Ask(const Question& question, int limit,
                         const postgres::PoolOptions& options) {
  postgres::Pool pool(options);
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

void PrintJson(const Rows& rows) {
  Json list = Json::array();
  for (std::size_t row = 1; row < rows.size(); ++row) {
    Json object;
    for (std::size_t i = 0; i < rows[0].size(); ++i) object[rows[0][i]] = rows[row][i];
    list.push_back(std::move(object));
  }
  std::printf("%s\n", list.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

void PrintTable(const Rows& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
}

}  // namespace

bool IsOperatorCommand(std::string_view command) { return Find(command) != nullptr; }

int RunOperatorCommand(int argc, char** argv, const postgres::PoolOptions& database) {
  const Question& question = *Find(argv[0]);
  CLI::App app(std::string("sender ") + question.name + ": " + question.help);
  bool json = false;
  int limit = 100;
  app.add_flag("--json", json, "as JSON");
  app.add_option("--limit", limit, "rows at most")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::StatusOr<Rows> rows = Ask(question, limit, database);
  if (!rows.ok()) {
    std::fprintf(stderr, "sender: %s\n", std::string(rows.status().message()).c_str());
    return 1;
  }
  if (json) {
    PrintJson(*rows);
  } else if (rows->size() == 1) {
    std::printf("%s\n", question.empty);
  } else {
    PrintTable(*rows);
  }
  return 0;
}

}  // namespace parley::sender
