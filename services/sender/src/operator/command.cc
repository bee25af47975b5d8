#include "operator/command.h"

#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "libs/base/status.h"
#include "operator/pausing.h"
#include "operator/questions.h"

namespace parley::sender {
namespace {

constexpr int kDone = 0;
constexpr int kNoAnswer = 1;
constexpr int kNotUnderstood = 2;
constexpr int kNothingLikeThat = 3;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "sender: %s\n", std::string(status.message()).c_str());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return kNotUnderstood;
    case absl::StatusCode::kNotFound:
      return kNothingLikeThat;
    default:
      return kNoAnswer;
  }
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

int Answer(const Question& question, int argc, char** argv, postgres::Pool& pool) {
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
    return app.exit(error) == 0 ? kDone : kNotUnderstood;
  }
  const absl::StatusOr<Rows> rows = Ask(question, limit, pool);
  if (!rows.ok()) return Fail(rows.status());
  if (json) {
    constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
    std::printf("%s\n", ToJson(*rows).dump(-1, ' ', false, kReplace).c_str());
  } else if (rows->size() == 1) {
    std::printf("%s\n", question.empty);
  } else {
    PrintTable(*rows);
  }
  return kDone;
}

// The name of whoever runs this, for the others.
std::string Operator() {
  const passwd* user = getpwuid(getuid());
  return "command line, " +
         (user != nullptr ? std::string(user->pw_name) : "user " + std::to_string(getuid()));
}

int Order(bool pauses, int argc, char** argv, postgres::Pool& pool) {
  CLI::App app(pauses ? "sender pause: sends nothing of an account, or of one number of it, until "
                        "it is resumed; what waits stays queued until its time is over"
                      : "sender resume: ends the pause of an account, or of one number of it");
  PauseOrder order;
  app.add_option("ACCOUNT", order.account_sid, "account SID")->required();
  app.add_option("NUMBER", order.number, "one sender number only, on every medium");
  if (pauses) app.add_option("--reason", order.reason, "why, for other operators");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kNotUnderstood;
  }
  order.by = Operator();
  const auto said = pauses ? Pause(order, pool) : Resume(order, pool);
  if (!said.ok()) return Fail(said.status());
  std::printf("%s\n", said->c_str());
  return kDone;
}

}  // namespace

bool IsOperatorCommand(std::string_view command) {
  return command == "pause" || command == "resume" || FindQuestion(command) != nullptr;
}

int RunOperatorCommand(int argc, char** argv, const postgres::PoolOptions& database) {
  postgres::Pool pool(database);
  const std::string_view command = argv[0];
  const Question* question = FindQuestion(command);
  return question != nullptr ? Answer(*question, argc, argv, pool)
                             : Order(command == "pause", argc, argv, pool);
}

}  // namespace parley::sender
