// What an operator asks the sender's tables from the command line: who sends for what, what waits,
// and what nobody knows the outcome of. It only reads, and works while the sender is down.
//
//   sender shards | queues | unconfirmed [--json] [--limit N]
#pragma once

#include <string_view>

#include "libs/postgres/pool.h"

namespace parley::sender {

// Whether `command` is one of these.
bool IsOperatorCommand(std::string_view command);

// Prints the answer; `argv` begins with the command. Returns the exit code: 0, 1 if the database
// does not answer, 2 for arguments that are not understood. Texts and whole numbers of customers
// are never shown.
int RunOperatorCommand(int argc, char** argv, const postgres::PoolOptions& database);

}  // namespace parley::sender
