// The role "api" as a whole: the HTTP port and the gRPC port over one table of methods.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "api/janitor.h"
#include "api/limits.h"
#include "api/services.h"
#include "api/static_site.h"
#include "auth/authenticator.h"
#include "compat/routes.h"
#include "libs/http/server.h"
#include "libs/rpc/grpc_server.h"
#include "libs/rpc/method_table.h"
#include "libs/rpc/transcoder.h"

namespace parley::gateway::api {

struct ServerOptions {
  std::string bind_address = "127.0.0.1";
  int http_port = 8084;  // 0 picks a free one, here and below.
  int grpc_port = 9090;
  int http_connections = 64;
  std::vector<std::string> allowed_origins;
  std::string web_root;
  ApiLimit* api_limit = nullptr;  // Outlives the server; none: no limit.
};

class Server {
 public:
  // References outlive this.
  Server(ServerOptions options, Services& services, const Authenticator& authenticator);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Errors: kUnavailable ADDRESS_IN_USE.
  absl::Status Start();
  // Lets running requests finish.
  void Stop();
  int http_port() const { return http_.port(); }
  int grpc_port() const { return grpc_.port(); }
  const rpc::MethodTable& methods() const { return table_; }

 private:
  const rpc::MethodTable& FillTable(Services& services);

  const ServerOptions options_;
  const rpc::Authenticate authenticate_;
  rpc::MethodTable table_;
  rpc::Transcoder transcoder_;
  compat::Routes compat_;
  const StaticSite site_;
  http::Server http_;
  rpc::GrpcServer grpc_;
  Janitor janitor_;
};

}  // namespace parley::gateway::api
