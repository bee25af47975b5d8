// `webhook-ingest spool`: what an operator sees of the spool.
//
//   webhook-ingest spool [list|show|verify] [--dir DIR] [--json] [--reveal]
//
// Works beside the running service and on a copied folder, and changes nothing. Texts and whole
// numbers are printed only with --reveal.
#pragma once

#include <string>
#include <vector>

namespace parley::ingest {

// `arguments`: what follows "spool". Returns the exit code: 0; 1 if it cannot be read or (verify)
// is damaged; CLI11's code for wrong arguments.
int RunSpoolCommand(std::vector<std::string> arguments);

}  // namespace parley::ingest
