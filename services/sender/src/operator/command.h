// The operator's commands: questions to the sender's tables, and the pauses of accounts and
// numbers. They work while the sender is down.
//
//   sender shards | queues | unconfirmed | breakers [--json] [--limit N]
//   sender pause ACCOUNT [NUMBER] [--reason TEXT]
//   sender resume ACCOUNT [NUMBER]
#pragma once

#include <string_view>

#include "libs/postgres/pool.h"

namespace parley::sender {

// Whether `command` is one of these.
bool IsOperatorCommand(std::string_view command);

// Prints the answer; `argv` begins with the command. Returns the exit code: 0; 1 if the database
// does not answer; 2 for arguments that are not understood; 3 if there is no such account or
// number, or no such pause.
int RunOperatorCommand(int argc, char** argv, const postgres::PoolOptions& database);

}  // namespace parley::sender
