// The operator's questions and orders on the admin port, as JSON:
//
//   GET  /shards /queues /unconfirmed /breakers [?limit=1…1000]
//        {"shards": [{…}, …], "more": false}
//   POST /pause   {"account": "AC…", "number": "+1…", "reason": "…"}
//   POST /resume  {"account": "AC…", "number": "+1…"}
//        {"message": "…"}
//
// That port asks nobody for a password: whoever reaches it may pause. It is therefore bound to an
// inner address, and an order must not come from a web page: it has the type application/json and
// no Origin.
#pragma once

#include <httplib.h>

#include "libs/postgres/pool.h"

namespace parley::sender {

// At most so many are answered at once; the admin port has threads for its checks beside them.
inline constexpr int kAnswersMax = 2;

// `pool` outlives the server and has a connection for each answer.
void AddOperatorEndpoints(httplib::Server& routes, postgres::Pool& pool);

}  // namespace parley::sender
