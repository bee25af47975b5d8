// The list of the API's methods.
#pragma once

#include "api/limits.h"
#include "api/services.h"
#include "libs/rpc/method_table.h"

namespace parley::gateway::api {

// Adds every method of proto/parley/v1. `services` must outlive the table.
void AddMethods(rpc::MethodTable& table, Services& services);

// What surrounds each call: counts and times it, logs what went wrong here, keeps the words of the
// database from clients, and holds the organization to `limit`, if there is one.
void AddInterceptors(rpc::MethodTable& table, const Clock& clock, ApiLimit* limit);

}  // namespace parley::gateway::api
