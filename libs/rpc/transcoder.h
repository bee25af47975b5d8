// HTTP/JSON for the methods of a MethodTable, by their google.api.http annotations.
//
// Path variables, query parameters and the body become the request as google/api/http.proto says;
// the response is its JSON, in lowerCamelCase, with default values. Unknown fields are refused with
// a reason. Errors are google.rpc.Status in {"error": …}, as http::RespondError writes them.
#pragma once

#include <httplib.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/rpc/method_table.h"

namespace parley::rpc {

struct TranscoderOptions {
  std::size_t body_bytes_max = 1 << 20;
  std::string session_cookie = "parley_session";
  // Origins that may call from a browser with a credential; "*" is never one of them.
  std::vector<std::string> allowed_origins;
};

// One annotated route. "/v1/channels/{channel.id}" and "/v1/conversations/{conversation_id}:read"
// are templates of segments; a variable matches one segment.
struct Route {
  std::string http_method;
  std::vector<std::string> segments;  // Literal, or the field path in braces.
  std::string verb;                   // After the colon; may be empty.
  std::string body;                   // "", "*" or a field.
  const Method* method = nullptr;
};

// What a request line matched.
struct RouteMatch {
  const Route* route = nullptr;
  std::vector<std::pair<std::string, std::string>> variables;  // Field path and decoded value.
};

class Transcoder {
 public:
  // `table` must outlive this.
  Transcoder(const MethodTable& table, TranscoderOptions options);

  // Finds the route. kNotFound NO_SUCH_ROUTE, or kUnimplemented METHOD_NOT_ALLOWED if only the HTTP
  // method differs.
  absl::StatusOr<RouteMatch> Match(std::string_view http_method, std::string_view path) const;

  // Serves every route below "/v1/" on `server`.
  void Register(httplib::Server& server);

  // Builds the request message. Pure. Errors: kInvalidArgument with what is wrong and where.
  static absl::StatusOr<std::unique_ptr<Message>> BuildRequest(const RouteMatch& match,
                                                               const httplib::Params& query,
                                                               std::string_view body);

 private:
  void Serve(const httplib::Request& request, httplib::Response& response,
             const httplib::ContentReader* reader) const;

  const MethodTable& table_;
  const TranscoderOptions options_;
  std::vector<Route> routes_;
};

// Fills the transport's part of a CallContext from HTTP headers: for handlers beside the
// transcoder. The cookie counts only for pages of this host and of `allowed_origins`.
CallContext ContextFromHttp(const httplib::Request& request, const std::string& session_cookie,
                            const std::vector<std::string>& allowed_origins);

// For origins on the list; call it for each response, and for OPTIONS.
void AddCorsHeaders(const httplib::Request& request, httplib::Response& response,
                    const std::vector<std::string>& allowed_origins);

// A message as JSON the way the API writes it, and back. Errors: kInvalidArgument INVALID_JSON.
std::string ToJson(const Message& message);
absl::Status FromJson(std::string_view json, Message& message);

}  // namespace parley::rpc
