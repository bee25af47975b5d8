#include "api/http_api.h"

#include <string_view>

#include "libs/base/status.h"
#include "libs/http/server.h"

namespace parley::gateway::api {
namespace {

bool IsApi(std::string_view path) {
  return path.starts_with("/v1/") || path == "/v1" || path.starts_with("/api/") || path == "/api";
}

// What no handler took: cpp-httplib's own refusals, and addresses that take no such method.
absl::Status Refusal(const httplib::Request& request, int http_status) {
  switch (http_status) {
    case 404:
      if (!IsApi(request.path)) {
        return ErrorStatus(absl::StatusCode::kUnimplemented, "METHOD_NOT_ALLOWED",
                           "This address does not take " + request.method + ".");
      }
      return NotFound("NO_SUCH_ROUTE", "There is nothing at this address; see api/openapi.yaml.");
    case 413:
      return ErrorStatus(absl::StatusCode::kOutOfRange, "BODY_TOO_LARGE", "The body is too large.");
    case 414:
      return InvalidArgument("ADDRESS_TOO_LONG", "The address is too long.");
    default:
      return InvalidArgument("BAD_REQUEST", "The request is not valid HTTP.");
  }
}

void RespondRefusal(const httplib::Request& request, httplib::Response& response) {
  if (!response.body.empty() || response.content_provider_) return;
  const absl::Status refusal = Refusal(request, response.status);
  const int http_status =
      absl::IsUnimplemented(refusal) ? 405 : (response.status >= 400 ? response.status : 400);
  if (request.path.starts_with("/api/")) {
    compat::RespondError(response, refusal);
  } else {
    http::RespondError(response, refusal);
  }
  response.status = http_status;
}

void AddCommonHeaders(const httplib::Request& request, httplib::Response& response,
                      const std::vector<std::string>& allowed_origins) {
  response.set_header("X-Content-Type-Options", "nosniff");
  if (!IsApi(request.path)) return;
  if (!response.has_header("Cache-Control")) response.set_header("Cache-Control", "no-store");
  rpc::AddCorsHeaders(request, response, allowed_origins);
}

}  // namespace

void RegisterHttpApi(httplib::Server& server, const HttpApi& http_api) {
  const std::vector<std::string>& origins = http_api.allowed_origins;
  server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (request.method != "OPTIONS") return httplib::Server::HandlerResponse::Unhandled;
    response.status = 204;
    return httplib::Server::HandlerResponse::Handled;
  });
  server.set_post_routing_handler(
      [&origins](const httplib::Request& request, httplib::Response& response) {
        AddCommonHeaders(request, response, origins);
      });
  server.set_error_handler(
      httplib::Server::Handler([](const httplib::Request& request, httplib::Response& response) {
        RespondRefusal(request, response);
      }));
  http_api.transcoder.Register(server);
  http_api.compat.Register(server);
  // Last: it takes what is left.
  server.Get(".*",
             [&site = http_api.site](const httplib::Request& request, httplib::Response& response) {
               if (!IsApi(request.path)) return site.Serve(request.path, response);
               http::RespondError(response, NotFound("NO_SUCH_ROUTE",
                                                     "There is nothing at this address; see "
                                                     "api/openapi.yaml."));
             });
}

}  // namespace parley::gateway::api
