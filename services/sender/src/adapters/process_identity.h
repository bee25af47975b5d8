// Names this process so that another one on the same machine can tell whether it still lives, and
// need not wait for the leases of one that was killed.
#pragma once

#include <string>
#include <string_view>

namespace parley::sender {

// "<boot id>/<pid namespace>/<pid>/<start time>": unique, and never used again.
std::string ThisProcess();

// True only if `identity` names a process of this boot and pid namespace that is gone.
bool IsSurelyDead(std::string_view identity);

}  // namespace parley::sender
