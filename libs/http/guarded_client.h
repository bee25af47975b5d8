// The one client for addresses that an organization can set (media, outgoing webhooks, AI
// endpoints): it calls public addresses only, so that nobody reaches into the operator's network.
//
// The host is resolved here, every address is checked, and the connection goes to the address that
// was checked. Redirects are followed at most 3 times, each checked again; credentials go to their
// own origin only. Sizes and times are limited.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace parley::http {

struct GuardedClientOptions {
  // Exact "host:port" that may be private all the same (PARLEY_OUTBOUND_ALLOW, comma separated).
  std::vector<std::string> allowed;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds read_timeout{30'000};   // Between two reads.
  std::chrono::milliseconds total_timeout{60'000};  // The whole call, redirects included.
  std::size_t response_bytes_max = 8 << 20;
};

struct GuardedRequest {
  std::string method = "GET";  // GET or POST.
  std::string url;             // http or https.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string content_type;  // With a body.
};

struct GuardedResponse {
  int status = 0;
  std::string content_type;
  std::string body;
  std::string retry_after;  // The Retry-After header as it came; may be empty.
};

// Thread-safe; each call has its own connection.
class GuardedClient {
 public:
  explicit GuardedClient(GuardedClientOptions options) : options_(std::move(options)) {}

  // Errors: kInvalidArgument INVALID_URL, kPermissionDenied ADDRESS_NOT_PUBLIC, kUnavailable
  // (resolve, connect, read), kDeadlineExceeded, kOutOfRange RESPONSE_TOO_LARGE. Any HTTP status is
  // a response. `stop` ends a call at once, as if its time were over.
  absl::StatusOr<GuardedResponse> Call(const GuardedRequest& request,
                                       const std::stop_token& stop = {}) const;

 private:
  const GuardedClientOptions options_;
};

// True for a literal IPv4 or IPv6 address that is routed on the public internet. Pure.
bool IsPublicAddress(std::string_view ip);

}  // namespace parley::http
