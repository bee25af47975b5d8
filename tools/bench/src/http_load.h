// Sends HTTP/1.1 requests over many keep-alive connections from one thread, as cheaply as it can be
// done, so that what is measured is the server and not this.
//
// Closed loop: each connection sends its next request once the last one is answered. Open loop: the
// requests are due at an even pace whatever the answers take; one that finds no free connection
// waits, and its latency counts from when it was due (no coordinated omission).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace parley::bench {

struct HttpLoadOptions {
  std::string url;  // "http://127.0.0.1:8082": an IPv4 address and a port.
  int connections = 64;
  double per_second = 0;  // Of all connections together; 0: a closed loop.
  std::chrono::milliseconds answer_timeout{15'000};
};

// How one request ended.
struct HttpOutcome {
  int connection = 0;
  int status = 0;           // 0: no answer: refused, reset or too late.
  std::string_view body;    // Of the answer; valid during the call.
  std::int64_t due_us = 0;  // When it was to be sent; steady clock.
  std::int64_t answered_us = 0;
};

// What a connection has to send next.
enum class HttpNext {
  kSend,  // `request` was filled.
  kWait,  // Nothing now; asked again within milliseconds.
  kEnd,   // Nothing ever again.
};

class HttpLoad {
 public:
  // Both are called on the thread of Run. `next` fills the bytes of a whole request.
  using Next = std::function<HttpNext(int connection, std::string& request)>;
  using Done = std::function<void(const HttpOutcome&)>;

  HttpLoad(HttpLoadOptions options, Next next, Done done);

  // Until every connection has ended, or `stop` is requested; then what is under way is still
  // answered. Errors: kInvalidArgument, the URL.
  absl::Status Run(const std::stop_token& stop);

 private:
  struct Connection;
  class Loop;

  const HttpLoadOptions options_;
  const Next next_;
  const Done done_;
};

// Microseconds of the steady clock.
std::int64_t SteadyMicros();

}  // namespace parley::bench
