// Who a request came from, and which address was asked for, when proxies stand in between. Pure.
//
// X-Forwarded-* are believed only of proxies that the operator names; from anybody else they say
// whatever the sender likes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace parley::http {

// Networks of proxies. An IPv4 address in IPv6's clothes (::ffff:10.0.0.1) counts as IPv4.
class TrustedProxies {
 public:
  // "127.0.0.0/8, ::1, 10.1.2.3"; empty: none. Errors: kInvalidArgument (CIDR_INVALID).
  static absl::StatusOr<TrustedProxies> Parse(std::string_view networks);

  // False for a text that is no address.
  bool Contain(std::string_view address) const;

 private:
  struct Network {
    std::array<std::uint8_t, 16> prefix;  // IPv4 as ::ffff:a.b.c.d.
    int bits = 128;
  };
  std::vector<Network> networks_;
};

struct ForwardedHeaders {
  std::string_view host;             // Host.
  std::string_view forwarded_for;    // X-Forwarded-For.
  std::string_view forwarded_proto;  // X-Forwarded-Proto.
  std::string_view forwarded_host;   // X-Forwarded-Host; Host where it is missing.
  std::string_view forwarded_port;   // X-Forwarded-Port.
};

struct Forwarded {
  // The nearest address that is no trusted proxy's; the peer's own if it is none.
  std::string remote_address;
  // "https://chat.example.com" as the outermost proxy was called, with a port if one was named;
  // empty if no trusted proxy said so, or if it said nothing sensible.
  std::string requested_url;
};

Forwarded ReadForwarded(std::string_view peer, const ForwardedHeaders& headers,
                        const TrustedProxies& proxies);

}  // namespace parley::http
