// What customers said about being written to. Internal to store/.
#pragma once

#include <set>
#include <span>

#include "libs/postgres/pool.h"
#include "store/conversation_rows.h"

namespace parley::gateway::store {

// Writes consents in the order of their keys; of one customer and sender the newest wins. Returns
// organization and number of the customers for whom anything changed. Call under the locks of their
// conversations, which everybody takes first.
std::set<RowId> WriteConsents(pqxx::work& tx, std::span<const Consent> consents);

}  // namespace parley::gateway::store
