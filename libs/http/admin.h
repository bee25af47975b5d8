// The admin port of a service: /healthz, /readyz and /metrics (DESIGN §9).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/http/server.h"

namespace parley::http {

// One thing that must be so before the service takes work, for example "database".
struct ReadyCheck {
  std::string name;
  std::function<absl::Status()> check;  // Called from the admin's threads; answer within 1 s.
};

// /healthz: 200 while the process runs. /readyz: 200 or 503, with {"status": …, "checks": {name:
// "ok" or the reason}}. /metrics: Prometheus.
class AdminServer {
 public:
  AdminServer(std::string bind_address, int port, std::vector<ReadyCheck> checks);
  // For endpoints of the service's own, before Start.
  httplib::Server& routes() { return server_.routes(); }
  absl::Status Start() { return server_.Start(); }
  void Stop() { server_.Stop(); }
  int port() const { return server_.port(); }

 private:
  Server server_;
  const std::vector<ReadyCheck> checks_;
};

}  // namespace parley::http
