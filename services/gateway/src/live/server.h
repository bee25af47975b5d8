// The role `live`: GET /v1/live as server-sent events on a port of its own (DESIGN §8).
//
// Event-driven: one thread serves all connections, however many; two more do what blocks (checking
// credentials, reading PostgreSQL). Events come through Redis; a gap, or a number in the store that
// Redis did not bring (looked at every second), is read from PostgreSQL. Nothing is skipped.
//
// A connection holds at most a few frames. A client that reads slowly falls behind and is served
// from the store; one that takes nothing for `write_timeout` is disconnected and resumes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/redis/redis.h"
#include "live/events.h"

namespace parley::gateway::live {

struct ServerOptions {
  std::string bind_address = "127.0.0.1";
  int port = 8081;  // 0 picks a free one; see port().
  int connections_max = 10'000;
  // Origins whose pages may read, beside those of the same host; "*" is never one.
  std::vector<std::string> allowed_origins;
  std::string session_cookie = "parley_session";
  redis::Options redis;
  std::chrono::milliseconds heartbeat{15'000};
  std::chrono::milliseconds look_every{1'000};  // For numbers that Redis did not bring.
  std::chrono::milliseconds request_timeout{10'000};
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds recheck_every{60'000};  // Whether the credential still holds.
};

// What a client showed; exactly one of token, ticket and behind_ticket is set.
struct Credential {
  std::string token;  // Bearer, or the session cookie of a page that may use it.
  bool from_cookie = false;
  std::string ticket;         // Works once.
  std::string behind_ticket;  // What was behind it: Admission::behind_ticket.
};

// Who may listen.
struct Admission {
  // Implicit: most credentials are asked for again as they are.
  Admission(std::string organization) : organization_id(std::move(organization)) {}  // NOLINT
  std::string organization_id;
  // Of a ticket: what it was made with, to be asked for from then on.
  std::string behind_ticket;
};

// The organization that the credential is for. Blocking; called from two threads. Errors:
// kUnauthenticated, kUnavailable.
using Authorize = std::function<absl::StatusOr<Admission>(const Credential& credential)>;

class Server {
 public:
  // `events` and `clock` outlive this.
  Server(ServerOptions options, Authorize authorize, EventSource& events, const Clock& clock);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds and serves. Errors: kUnavailable ADDRESS_IN_USE.
  absl::Status Start();
  // Closes every connection; clients reconnect elsewhere.
  void Stop();
  int port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::gateway::live
