// One line of progress on standard error: renewed in a terminal, a line each time elsewhere.
#pragma once

#include <string>

namespace parley::bench {

void ShowProgress(const std::string& name, const std::string& state);
// Takes the line away.
void EndProgress();

}  // namespace parley::bench
