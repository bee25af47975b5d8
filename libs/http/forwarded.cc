#include "libs/http/forwarded.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::http {
namespace {

using Bytes = std::array<std::uint8_t, 16>;
constexpr int kMappedBits = 96;  // ::ffff:0:0/96.
constexpr std::size_t kHostBytesMax = 255;

struct Address {
  Bytes bytes;
  bool is_v4 = false;
};

std::optional<Address> ParseAddress(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size()) return std::nullopt;
  std::copy(text.begin(), text.end(), terminated.begin());
  Address address{};
  if (::inet_pton(AF_INET6, terminated.data(), address.bytes.data()) == 1) return address;
  std::array<std::uint8_t, 4> v4{};
  if (::inet_pton(AF_INET, terminated.data(), v4.data()) != 1) return std::nullopt;
  address.bytes[10] = address.bytes[11] = 0xff;
  std::copy(v4.begin(), v4.end(), address.bytes.begin() + 12);
  address.is_v4 = true;
  return address;
}

bool SamePrefix(const Bytes& a, const Bytes& b, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const int rest = bits % 8;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest) & 0xff;
  return (a[whole] & mask) == (b[whole] & mask);
}

// The first of a list: what the outermost proxy wrote.
std::string_view First(std::string_view list) { return Trim(list.substr(0, list.find(','))); }

// A name or address with or without port, as it may stand in a URL.
bool IsHost(std::string_view text) {
  return !text.empty() && text.size() <= kHostBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
         });
}

bool IsPort(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port <= 65'535;
}

bool HasPort(std::string_view host) {
  const auto colon = host.rfind(':');
  const auto bracket = host.rfind(']');
  return colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
}

std::string RequestedUrl(const ForwardedHeaders& headers) {
  const std::string proto = Lower(First(headers.forwarded_proto));
  if (proto != "http" && proto != "https") return "";
  std::string_view host = First(headers.forwarded_host);
  if (host.empty()) host = Trim(headers.host);
  if (!IsHost(host)) return "";
  std::string url = proto + "://" + std::string(host);
  const std::string_view port = First(headers.forwarded_port);
  if (!HasPort(host) && IsPort(port)) url.append(":").append(port);
  return url;
}

}  // namespace

absl::StatusOr<TrustedProxies> TrustedProxies::Parse(std::string_view networks) {
  TrustedProxies proxies;
  for (const std::string_view part : Split(networks, ',')) {
    const std::string_view text = Trim(part);
    if (text.empty()) continue;
    const auto slash = text.find('/');
    const auto address = ParseAddress(text.substr(0, slash));
    const int bits_max = address && address->is_v4 ? 32 : 128;
    int bits = bits_max;
    bool valid = address.has_value();
    if (slash != std::string_view::npos) {
      const std::string_view digits = text.substr(slash + 1);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
      valid = valid && error == std::errc() && end == digits.data() + digits.size() && bits >= 0 &&
              bits <= bits_max;
    }
    if (!valid) {
      return InvalidArgument(
          "CIDR_INVALID", "\"" + std::string(text) + "\" is no network such as 10.0.0.0/8 or ::1.");
    }
    proxies.networks_.push_back({address->bytes, bits + (address->is_v4 ? kMappedBits : 0)});
  }
  return proxies;
}

bool TrustedProxies::Contain(std::string_view text) const {
  const auto address = ParseAddress(text);
  return address && std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
           return SamePrefix(network.prefix, address->bytes, network.bits);
         });
}

Forwarded ReadForwarded(std::string_view peer, const ForwardedHeaders& headers,
                        const TrustedProxies& proxies) {
  Forwarded out{.remote_address = std::string(peer), .requested_url = ""};
  if (!proxies.Contain(peer)) return out;
  out.requested_url = RequestedUrl(headers);
  // Each proxy appends whom it was called by: from the end, the first stranger is the client.
  std::string_view rest = headers.forwarded_for;
  while (!rest.empty()) {
    const auto comma = rest.rfind(',');
    const std::string_view hop =
        Trim(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
    if (!ParseAddress(hop)) break;
    out.remote_address = std::string(hop);
    if (!proxies.Contain(hop) || comma == std::string_view::npos) break;
    rest = rest.substr(0, comma);
  }
  return out;
}

}  // namespace parley::http
