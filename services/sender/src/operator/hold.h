// Stops all sends by hand, as before a restore that the sender cannot notice by itself, and lets
// them go again. Works while the sender is down.
//
//   sender hold [--reason TEXT] | release [--now]
#pragma once

#include <string_view>

#include "ports.h"

namespace parley::sender {

bool IsHoldCommand(std::string_view command);

// `argv` begins with the command. Returns the exit code: 0, 1 if the database does not answer, 2
// for arguments that are not understood.
int RunHoldCommand(int argc, char** argv, HoldStore& store);

}  // namespace parley::sender
