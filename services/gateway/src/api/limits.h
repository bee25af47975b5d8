// The limit on an organization's calls: HTTP, gRPC and the old routes alike.
#pragma once

#include <string>

#include "domain/rate_limit.h"
#include "libs/rpc/method_table.h"

namespace parley::gateway::api {

// How many requests each organization may make, whichever replica they come to. Thread-safe; never
// fails, and answers within some 50 ms whatever is away.
class ApiLimit {
 public:
  virtual ~ApiLimit() = default;
  // Counts one request, unless it is beyond the limit.
  virtual RateVerdict Take(const std::string& organization_id) = 0;
};

// Counts each request once, whatever methods it comes to, and refuses those beyond the limit with
// kResourceExhausted RATE_LIMITED. Says in RateLimit-* where the organization stands (draft-ietf-
// httpapi-ratelimit-headers-06) and in Retry-After, in whole seconds, when the next is let in.
// `limit` outlives the table.
void AddLimit(rpc::MethodTable& table, ApiLimit& limit);

}  // namespace parley::gateway::api
