// The list of the API's methods.
#pragma once

#include "api/services.h"
#include "libs/rpc/method_table.h"

namespace parley::gateway::api {

// Adds every method of proto/parley/v1. `services` must outlive the table.
void AddMethods(rpc::MethodTable& table, Services& services);

// What surrounds each call: counts and times it, logs what went wrong here, and keeps the words of
// the database from clients.
void AddInterceptors(rpc::MethodTable& table, const Clock& clock);

}  // namespace parley::gateway::api
