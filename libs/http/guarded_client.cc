#include "libs/http/guarded_client.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "libs/base/shutdown.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::http {
namespace {

constexpr int kRedirectsMax = 3;

struct Url {
  std::string scheme;
  std::string host;
  int port = 0;
  std::string path;  // With the query.

  std::string Origin() const { return scheme + "://" + host + ":" + std::to_string(port); }
};

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  const absl::Status invalid = InvalidArgument(
      "INVALID_URL", "The address is not an http or https URL without user name and password.");
  if (text.size() > 4000 ||
      std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == 0x7f; })) {
    return invalid;
  }
  Url url;
  for (const std::string_view scheme : {"http", "https"}) {
    if (Lower(text.substr(0, scheme.size() + 3)) == std::string(scheme) + "://")
      url.scheme = scheme;
  }
  if (url.scheme.empty()) return invalid;
  text.remove_prefix(url.scheme.size() + 3);
  text = text.substr(0, text.find('#'));
  const std::size_t path = text.find_first_of("/?");
  std::string_view authority = text.substr(0, path);
  if (path != std::string_view::npos) url.path = text.substr(path);
  if (url.path.empty() || url.path.front() != '/') url.path.insert(0, "/");
  if (authority.find('@') != std::string_view::npos) return invalid;
  url.port = url.scheme == "https" ? 443 : 80;
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.back() != ']') {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (error != std::errc() || end != digits.data() + digits.size()) return invalid;
    authority = authority.substr(0, colon);
  }
  if (authority.size() > 2 && authority.front() == '[' && authority.back() == ']') {
    authority = authority.substr(1, authority.size() - 2);
  }
  if (authority.empty() || url.port < 1 || url.port > 65535) return invalid;
  url.host = Lower(authority);
  return url;
}

bool PublicV4(std::uint32_t ip) {
  struct Block {
    std::uint32_t address;
    int bits;
  };
  // IANA's special-purpose registry.
  constexpr Block kSpecial[] = {
      {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
      {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
      {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4}};
  return std::none_of(std::begin(kSpecial), std::end(kSpecial), [ip](const Block& block) {
    return (ip ^ block.address) >> (32 - block.bits) == 0;
  });
}

bool PublicV6(const unsigned char* b) {
  static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(b, kMapped, sizeof kMapped) == 0) {
    return PublicV4(static_cast<std::uint32_t>(b[12]) << 24 |
                    static_cast<std::uint32_t>(b[13]) << 16 |
                    static_cast<std::uint32_t>(b[14]) << 8 | b[15]);
  }
  // Only global unicast, 2000::/3, without documentation, Teredo, ORCHID and 6to4.
  if ((b[0] & 0xe0) != 0x20) return false;
  if (b[0] == 0x20 && b[1] == 0x01 && (b[2] < 0x02 || (b[2] == 0x0d && b[3] == 0xb8))) return false;
  return !(b[0] == 0x20 && b[1] == 0x02);
}

// Every address of the host; all must be acceptable, since a name may hide one among many.
absl::StatusOr<std::string> ResolveChecked(const Url& url,
                                           const std::vector<std::string>& allowed) {
  const std::string host_port = url.host + ":" + std::to_string(url.port);
  const bool exempt = std::find(allowed.begin(), allowed.end(), host_port) != allowed.end();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(url.host.c_str(), nullptr, &hints, &found) != 0 || found == nullptr) {
    return Unavailable("HOST_NOT_FOUND", "The address's host name cannot be resolved.");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::string first;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    char text[INET6_ADDRSTRLEN] = {};
    if (getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) != 0) {
      continue;
    }
    if (!exempt && !IsPublicAddress(text)) {
      return ErrorStatus(absl::StatusCode::kPermissionDenied, "ADDRESS_NOT_PUBLIC",
                         "The address is not on the public internet; the operator can allow it "
                         "with PARLEY_OUTBOUND_ALLOW=" +
                             host_port + ".");
    }
    if (first.empty()) first = text;
  }
  if (first.empty()) return Unavailable("HOST_NOT_FOUND", "The host has no usable address.");
  return first;
}

// Cuts a call's connection when its time is over or `stop` is requested: time-outs between two
// reads alone would let a peer that sends a byte now and then hold the caller for ever.
class Deadline {
 public:
  Deadline(std::chrono::milliseconds total, const std::stop_token& stop)
      : on_stop_(stop, [this] { Cut(); }), timer_([this, total](const std::stop_token& done) {
          if (SleepFor(done, total)) Cut();
        }) {}
  ~Deadline() {
    timer_.request_stop();
    timer_.join();
    const std::lock_guard lock(mutex_);
    if (socket_ >= 0) close(socket_);
    socket_ = -1;  // A stop may still come until on_stop_ is gone.
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Watches this connection instead of the one before it. Our own descriptor of it stays valid
  // when httplib closes its.
  void Watch(int socket) {
    const std::lock_guard lock(mutex_);
    if (socket_ >= 0) close(socket_);
    socket_ = dup(socket);
    if (over_) shutdown(socket_, SHUT_RDWR);
  }

  bool over() const {
    const std::lock_guard lock(mutex_);
    return over_;
  }

 private:
  void Cut() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    if (socket_ >= 0) shutdown(socket_, SHUT_RDWR);
  }

  mutable std::mutex mutex_;
  int socket_ = -1;
  bool over_ = false;
  std::stop_callback<std::function<void()>> on_stop_;
  std::jthread timer_;
};

}  // namespace

bool IsPublicAddress(std::string_view ip) {
  const std::string text(ip);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return PublicV4(ntohl(v4.s_addr));
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return PublicV6(v6.s6_addr);
  return false;
}

absl::StatusOr<GuardedResponse> GuardedClient::Call(const GuardedRequest& request,
                                                    const std::stop_token& stop) const {
  PARLEY_ASSIGN_OR_RETURN(Url url, ParseUrl(request.url));
  Deadline deadline(options_.total_timeout, stop);
  const std::string origin = url.Origin();
  std::string method = request.method;
  for (int hop = 0; hop <= kRedirectsMax; ++hop) {
    PARLEY_ASSIGN_OR_RETURN(const std::string ip, ResolveChecked(url, options_.allowed));
    httplib::Client client(url.Origin());
    client.set_hostname_addr_map({{url.host, ip}});
    client.set_connection_timeout(options_.connect_timeout);
    client.set_read_timeout(options_.read_timeout);
    client.set_write_timeout(options_.read_timeout);
    client.set_tcp_nodelay(true);
    client.set_follow_location(false);
    client.set_socket_options([&deadline](socket_t socket) { deadline.Watch(socket); });

    httplib::Request call;
    call.method = method;
    call.path = url.path;
    for (const auto& [name, value] : request.headers) {
      // Credentials and everything else that was meant for the first origin stay there.
      if (url.Origin() == origin || Lower(name) == "accept") call.headers.emplace(name, value);
    }
    if (method == "POST") {
      call.body = request.body;
      call.headers.emplace("Content-Type", request.content_type);
    }
    bool too_large = false;
    GuardedResponse result;
    call.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
      too_large = result.body.size() + size > options_.response_bytes_max;
      if (!too_large) result.body.append(data, size);
      return !too_large;
    };
    const httplib::Result response = client.send(call);
    if (too_large) {
      return ErrorStatus(
          absl::StatusCode::kOutOfRange, "RESPONSE_TOO_LARGE",
          "The answer is larger than " + std::to_string(options_.response_bytes_max) + " bytes.");
    }
    if (!response) {
      if (response.error() == httplib::Error::Read || deadline.over()) {
        return ErrorStatus(absl::StatusCode::kDeadlineExceeded, "NO_ANSWER",
                           "The address did not answer in time.");
      }
      return Unavailable("NO_CONNECTION", "The address cannot be reached: " +
                                              httplib::to_string(response.error()) + ".");
    }
    result.status = response->status;
    result.content_type = response->get_header_value("Content-Type");
    result.retry_after = response->get_header_value("Retry-After");
    const bool redirect = response->status == 301 || response->status == 302 ||
                          response->status == 303 || response->status == 307 ||
                          response->status == 308;
    if (!redirect || !response->has_header("Location")) return result;
    std::string location = response->get_header_value("Location");
    if (location.starts_with("/")) location = url.Origin() + location;
    PARLEY_ASSIGN_OR_RETURN(url, ParseUrl(location));
    if (response->status <= 303) method = "GET";
  }
  return Unavailable("TOO_MANY_REDIRECTS", "The address redirects more than 3 times.");
}

}  // namespace parley::http
