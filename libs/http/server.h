// cpp-httplib's server with the limits that every port of Parley has.
//
// Debian's 0.11.4 has traps that this class takes care of: a listen backlog of 5, Nagle's
// algorithm, five requests for each connection, form bodies over 8 KiB refused. One thread serves
// one open connection, so `connections_max` is the number of threads.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace parley::http {

struct ServerOptions {
  std::string name;  // For logs, for example "admin".
  std::string bind_address = "127.0.0.1";
  int port = 0;  // 0 picks a free one; see port().
  int connections_max = 64;
  // A hard stop of cpp-httplib itself, above what handlers allow with ReadBody.
  std::size_t body_bytes_max = 8 << 20;
  std::chrono::milliseconds read_timeout{10'000};  // Between two reads of one request.
  std::chrono::milliseconds write_timeout{10'000};
  std::chrono::milliseconds keep_alive{5'000};  // How long an idle connection stays.
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

// The HTTP status for one of our codes.
int HttpStatus(const absl::Status& status);

}  // namespace parley::http
