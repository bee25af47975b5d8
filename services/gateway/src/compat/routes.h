// The chat application's routes below /api (COMPATIBILITY §1): each turns its request into calls of
// the API's methods and the answer into the old fields. No rule lives here.
#pragma once

#include <httplib.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/limits.h"
#include "api/services.h"
#include "libs/http/admin.h"
#include "libs/rpc/method_table.h"
#include "parley/v1/channel.pb.h"

namespace parley::gateway::compat {

struct RoutesOptions {
  std::size_t body_bytes_max = 1 << 20;
  std::vector<std::string> allowed_origins;
  api::ApiLimit* api_limit = nullptr;    // Outlives the routes; none: no limit.
  std::vector<http::ReadyCheck> health;  // For GET /api/health.
};

// Thread-safe once registered.
class Routes {
 public:
  // `services` must outlive this.
  Routes(api::Services& services, rpc::Authenticate authenticate, RoutesOptions options);
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  // Serves everything below "/api/" on `server`.
  void Register(httplib::Server& server);

 private:
  struct Request;
  struct Answer;
  using Handle = absl::StatusOr<Answer> (Routes::*)(Request&);
  struct Route {
    std::string_view method;
    std::string_view path;  // ":id" stands for one segment.
    Handle handle;
    bool is_public = false;
  };

  absl::StatusOr<Answer> PostMessage(Request& request);
  absl::StatusOr<Answer> ListMessages(Request& request);
  absl::StatusOr<Answer> ListSessions(Request& request);
  absl::StatusOr<Answer> CreateChannel(Request& request);
  absl::StatusOr<Answer> ListChannels(Request& request);
  absl::StatusOr<Answer> GetChannel(Request& request);
  absl::StatusOr<Answer> UpdateChannel(Request& request);
  absl::StatusOr<Answer> DeleteChannel(Request& request);
  absl::StatusOr<Answer> Health(Request& request);

  // Calls a method of the table, with its checks around it.
  template <class Response, class MethodRequest>
  absl::StatusOr<Response> Call(Request& request, std::string_view method,
                                const MethodRequest& method_request);
  absl::StatusOr<v1::Channel> LiveChannel(Request& request, const std::string& id);
  absl::StatusOr<std::string> ChannelIdOf(Request& request, const std::string& number);

  absl::StatusOr<Answer> Dispatch(const httplib::Request& http_request, Request& request);
  void Serve(const httplib::Request& http_request, httplib::Response& response,
             const httplib::ContentReader* reader);

  api::Services& services_;
  const RoutesOptions options_;
  rpc::MethodTable table_;
  static const std::vector<Route>& AllRoutes();
};

// An error in the format of these routes.
void RespondError(httplib::Response& response, const absl::Status& status);

}  // namespace parley::gateway::compat
