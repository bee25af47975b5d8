// What an operator may ask the sender's tables: who sends for what, what waits, what stands still,
// and what nobody knows the outcome of. They only read, and answer also while no replica runs.
// Texts and whole numbers of customers are never shown.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres/pool.h"

namespace parley::sender {

// Its columns are shown under their own names; those in `masked` are numbers of people.
struct Question {
  const char* name;
  const char* help;
  const char* sql;  // $1: rows at most.
  const char* empty;
  std::vector<std::string> masked;
};

const std::vector<Question>& Questions();
// Null: there is none of that name.
const Question* FindQuestion(std::string_view name);

using Rows = std::vector<std::vector<std::string>>;  // The first has the columns' names.

// At most `limit` rows besides the names. Errors as the pool's.
absl::StatusOr<Rows> Ask(const Question& question, int limit, postgres::Pool& pool);

// A list of objects, without the first row.
nlohmann::ordered_json ToJson(const Rows& rows);

}  // namespace parley::sender
