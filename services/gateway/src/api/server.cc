#include "api/server.h"

#include "api/http_api.h"
#include "api/methods.h"
#include "libs/base/status.h"

namespace parley::gateway::api {
namespace {
constexpr std::chrono::seconds kSweepEvery{600};
}  // namespace

Server::Server(ServerOptions options, Services& services, const Authenticator& authenticator)
    : options_(std::move(options)),
      authenticate_(
          [&authenticator](rpc::CallContext& call) { return authenticator.Authenticate(call); }),
      transcoder_(FillTable(services), {.allowed_origins = options_.allowed_origins}),
      compat_(services, authenticate_,
              {.allowed_origins = options_.allowed_origins,
               .api_limit = options_.api_limit,
               .health = {{"database", [&services] { return services.worker.Ping(); }}}}),
      site_(options_.web_root),
      http_({.name = "http",
             .bind_address = options_.bind_address,
             .port = options_.http_port,
             .connections_max = options_.http_connections}),
      grpc_(table_, {.bind_address = options_.bind_address, .port = options_.grpc_port}),
      janitor_(services.worker, kSweepEvery) {
  RegisterHttpApi(http_.routes(), {transcoder_, compat_, site_, options_.allowed_origins});
}

absl::Status Server::Start() {
  PARLEY_RETURN_IF_ERROR(http_.Start());
  return grpc_.Start();
}

void Server::Stop() {
  http_.Stop();
  grpc_.Stop();
}

const rpc::MethodTable& Server::FillTable(Services& services) {
  table_.SetAuthenticate(authenticate_);
  AddInterceptors(table_, services.clock, options_.api_limit);
  AddMethods(table_, services);
  return table_;
}

}  // namespace parley::gateway::api
