// cpp-httplib's server with the limits that every port of Parley has.
//
// Debian's 0.11.4 has traps that this class takes care of: a listen backlog of 5, Nagle's
// algorithm, five requests for each connection, form bodies over 8 KiB refused, no bound of a
// request's time and headers (connection.h). One thread serves one open connection, so
// `connections_max` is the number of threads; more connections wait for one, and idle ones make
// room for them.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/http/connection.h"
#include "libs/http/forwarded.h"

namespace parley::http {

struct ServerOptions {
  std::string name;  // For logs, for example "admin".
  std::string bind_address = "127.0.0.1";
  int port = 0;  // 0 picks a free one; see port().
  int connections_max = 64;
  // A hard stop of cpp-httplib itself, above what handlers allow with ReadBody.
  std::size_t body_bytes_max = 8 << 20;
  ConnectionLimits limits;
  std::chrono::milliseconds keep_alive{5'000};  // How long an idle connection stays.
  // Open connections of one address; beyond it 429 and closed. 0: no limit.
  int connections_per_address = 0;
  TrustedProxies proxies;  // To them that limit does not apply.
};

// Register handlers on `routes()`, then Start(). Handlers run on the server's threads; exceptions
// become 500 with a JSON error. Stop() (or the destructor) lets running requests finish.
class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  httplib::Server& routes();

  // Binds and serves on a thread of its own. Errors: kUnavailable ADDRESS_IN_USE.
  absl::Status Start();
  void Stop();
  int port() const { return port_; }

 private:
  class Listening;
  class Pool;
  const ServerOptions options_;
  std::unique_ptr<Listening> server_;
  std::thread thread_;
  int port_ = 0;
};

// Reads a body that is at most `bytes_max` long. Errors: kOutOfRange BODY_TOO_LARGE (answer 413),
// kInvalidArgument BODY_INCOMPLETE. RespondError then closes the connection where it must.
absl::StatusOr<std::string> ReadBody(const httplib::Request& request,
                                     const httplib::ContentReader& reader, std::size_t bytes_max);

// {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": …, "details": [ErrorInfo]}}, as
// google.rpc.Status is written in JSON, with the matching HTTP status.
void RespondError(httplib::Response& response, const absl::Status& status);

// Answers, and closes the connection after it: for requests whose end is not known, so that what
// follows cannot be told from the next one.
void RespondAndClose(httplib::Response& response, int http_status, std::string body,
                     const char* content_type);

// The HTTP status for one of our codes.
int HttpStatus(const absl::Status& status);

}  // namespace parley::http
