// Statements that run for every message, planned once for each connection: planning them anew costs
// several times what running them does.
#pragma once

#include <string>
#include <utility>

#include "libs/postgres/pool.h"

namespace parley::gateway::store {

// As tx.exec_params. `name` is the statement's own, in the whole service.
template <class... Arguments>
pqxx::result RunPrepared(pqxx::work& tx, const char* name, const std::string& sql,
                         Arguments&&... arguments) {
  tx.conn().prepare(name, sql);  // Does nothing if this connection knows it.
  return tx.exec_prepared(name, std::forward<Arguments>(arguments)...);
}

}  // namespace parley::gateway::store
