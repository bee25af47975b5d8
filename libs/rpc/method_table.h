// One definition of the API behind gRPC and HTTP/JSON.
//
// A service registers a typed handler for each method of its protos; the gRPC server
// (grpc_server.h) and the HTTP/JSON transcoder (transcoder.h) both serve this table, so that a rule
// written once holds for both.
//
//   rpc::MethodTable table;
//   table.Add("parley.v1.MessageService.GetMessage", Access::kViewer,
//             [&](rpc::CallContext& call, const v1::GetMessageRequest& request)
//                 -> absl::StatusOr<v1::Message> { … });
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace parley::rpc {

// Who may call a method. Each level includes those below it; kPublic needs no credential.
enum class Access { kPublic, kViewer, kAgent, kAdmin, kOwner };

// Who calls, and what came beside the request. Filled in by the transport and by Authenticate.
struct CallContext {
  // From the transport.
  std::string credential;  // Bearer token or session cookie; empty if none.
  bool credential_is_cookie = false;
  std::string idempotency_key;  // Empty if none.
  std::string remote_address;
  std::string traceparent;
  std::string method;  // Full name, "parley.v1.MessageService.GetMessage".

  // From Authenticate.
  std::string organization_id;
  std::string user_id;     // Empty for an API key.
  std::string api_key_id;  // Empty for a session.
  Access access = Access::kPublic;

  // Set by handlers: HTTP response headers (Set-Cookie, Retry-After) and gRPC trailing metadata.
  std::vector<std::pair<std::string, std::string>> response_headers;

  // "user:<id>" or "api_key:<id>", for the audit log.
  std::string Actor() const;
};

// Turns `call.credential` into organization, user and access. kUnauthenticated otherwise.
using Authenticate = std::function<absl::Status(CallContext& call)>;

// Runs around each call that was let in, for limits, idempotency, metrics: it calls `next` or not.
using Message = google::protobuf::Message;
using MessageResult = absl::StatusOr<std::unique_ptr<Message>>;
using Next = std::function<MessageResult()>;
using Interceptor =
    std::function<MessageResult(CallContext& call, const Message& request, const Next& next)>;

struct Method {
  const google::protobuf::MethodDescriptor* descriptor = nullptr;
  const Message* request_prototype = nullptr;
  const Message* response_prototype = nullptr;
  Access access = Access::kOwner;
  std::function<MessageResult(CallContext&, const Message&)> handle;
};

// Filled before serving, then only read: thread-safe from then on.
class MethodTable {
 public:
  // `full_name` must be a method of a linked proto, with these request and response types; dies
  // otherwise, at start.
  template <class Request, class Response>
  void Add(std::string_view full_name, Access access,
           std::function<absl::StatusOr<Response>(CallContext&, const Request&)> handler) {
    AddMethod(full_name,
              {.request_prototype = &Request::default_instance(),
               .response_prototype = &Response::default_instance(),
               .access = access,
               .handle = [handler = std::move(handler)](CallContext& call,
                                                        const Message& request) -> MessageResult {
                 absl::StatusOr<Response> response =
                     handler(call, static_cast<const Request&>(request));
                 if (!response.ok()) return response.status();
                 return std::make_unique<Response>(*std::move(response));
               }});
  }

  void SetAuthenticate(Authenticate authenticate) { authenticate_ = std::move(authenticate); }
  // The first added is the outermost.
  void AddInterceptor(Interceptor interceptor) { interceptors_.push_back(std::move(interceptor)); }

  // Authenticates, checks the access, runs the interceptors and the handler. Errors: what they say;
  // kUnauthenticated CREDENTIAL_MISSING, kPermissionDenied ROLE_TOO_LOW.
  MessageResult Call(CallContext& call, const Method& method, const Message& request) const;

  // Every method by full name.
  const std::map<std::string, Method, std::less<>>& methods() const { return methods_; }

 private:
  void AddMethod(std::string_view full_name, Method method);

  std::map<std::string, Method, std::less<>> methods_;
  Authenticate authenticate_;
  std::vector<Interceptor> interceptors_;
};

}  // namespace parley::rpc
