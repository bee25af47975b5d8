// One HTTP/1.1 exchange that knows exactly whether the request had begun to be written.
//
// Creating a message is not repeatable, so what decides between "try again" and "nobody knows" is
// whether a first byte may have left. General HTTP clients do not tell: they connect, look a name
// up and write inside one call, and retry on their own. docs/adr/0004-twilio-transport.md.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace parley::twilio {

using SteadyTime = std::chrono::steady_clock::time_point;

struct TransportOptions {
  std::string base_url = "https://api.twilio.com";   // Origin only; http or https.
  std::chrono::milliseconds connect_timeout{3'000};  // Look-up, TCP and TLS together.
  std::chrono::milliseconds answer_timeout{
      10'000};  // From the first byte written to the last read.
  // A connection that idled longer is not used again: the other side may be closing it just now,
  // which would make a send's outcome unknown. Below the 5 s of common servers.
  std::chrono::milliseconds idle_max{4'000};
  std::size_t answer_bytes_max = 1 << 20;  // 1 MiB, headers included.
  std::size_t idle_connections_max = 1024;
  std::string ca_file;  // PEM; empty: the system's authorities.
};

// Zero: write now. Positive: wait as long, then ask again. Negative: give up, unwritten. It is
// asked again after a zero if not a byte could be written and another connection is tried.
using WriteGate = std::function<std::chrono::microseconds(SteadyTime now)>;

struct HttpRequest {
  std::string_view method;         // "GET", "POST"
  std::string_view target;         // Path and query.
  std::string_view authorization;  // The header's value; empty: none.
  std::string_view form;           // The body; sent as application/x-www-form-urlencoded.
  // If the first byte cannot be written by then, the request is given up, unwritten. A connection
  // that is being made is waited for all the same, and kept for the next request.
  std::optional<SteadyTime> write_by;
  // Asked when the connection stands, right before the first byte; may be empty.
  WriteGate about_to_write;
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after;
};

struct HttpFailure {
  // False: not one byte of the request was written. True: it may have been processed.
  bool written = false;
  bool too_late = false;  // write_by had passed; `written` is false.
  std::string reason;     // For logs; holds neither bodies nor credentials.
};

// Keeps connections open between exchanges, the freshest used first. Thread-safe: as many exchanges
// at once as there are callers, a connection each.
class HttpTransport {
 public:
  // Errors: kInvalidArgument: the base URL is not an http(s) origin, or the CA file is unusable.
  static absl::StatusOr<std::unique_ptr<HttpTransport>> Create(TransportOptions options);
  ~HttpTransport();
  HttpTransport(const HttpTransport&) = delete;
  HttpTransport& operator=(const HttpTransport&) = delete;

  std::variant<HttpAnswer, HttpFailure> Exchange(const HttpRequest& request);

 private:
  class Connection;
  struct State;
  explicit HttpTransport(std::unique_ptr<State> state);

  std::unique_ptr<Connection> TakeIdle();
  // After an exchange: it idles from now on.
  void GiveBack(std::unique_ptr<Connection> connection);
  // It was not used after all, and goes on to idle since it did.
  void PutBack(std::unique_ptr<Connection> connection);
  // Null with `reason` set if no connection could be made by `deadline`.
  std::unique_ptr<Connection> Connect(SteadyTime deadline, std::string& reason);

  std::unique_ptr<State> state_;
};

}  // namespace parley::twilio
