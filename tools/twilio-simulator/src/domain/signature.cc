#include "domain/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <map>
#include <set>

namespace parley::simulator {

std::string Sign(std::string_view auth_token, std::string_view url, const Params& post_params) {
  std::map<std::string_view, std::set<std::string_view>> sorted;
  for (const auto& [name, value] : post_params) sorted[name].insert(value);
  std::string data(url);
  for (const auto& [name, values] : sorted) {
    for (const std::string_view value : values) {
      data += name;
      data += value;
    }
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha1(), auth_token.data(), static_cast<int>(auth_token.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest, &length);
  return EncodeBase64(std::string_view(reinterpret_cast<const char*>(digest), length));
}

bool ParseWebhookUrl(std::string_view url, bool voice, WebhookUrl& out) {
  out = {};
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F) return false;
  }
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const std::string_view scheme = url.substr(0, scheme_end);
  out.tls = EqualsIgnoreCase(scheme, "https");
  if (!out.tls && !EqualsIgnoreCase(scheme, "http")) return false;

  std::string_view rest = url.substr(scheme_end + 3);
  if (const std::size_t hash = rest.find('#'); hash != std::string_view::npos) {
    out.fragment = std::string(rest.substr(hash + 1));
    rest = rest.substr(0, hash);
  }
  const std::size_t path = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, path);
  const std::string_view tail = rest.substr(path);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    out.userinfo = DecodeUrl(authority.substr(0, at));
    authority = authority.substr(at + 1);
  }
  std::string_view host = authority;
  std::string_view port;
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
    std::int64_t number = 0;
    if (!AllDigits(port) || !ParseInt(port, number) || number < 1 || number > 65535) return false;
  }
  if (host.empty() || host.find_first_of("\"<>\\^`{|}%_") != std::string_view::npos) return false;
  out.host_header = std::string(authority);
  out.host = std::string(host.front() == '[' && host.back() == ']' ? host.substr(1, host.size() - 2)
                                                                   : host);
  if (out.host.empty()) return false;
  out.port = !port.empty() ? std::string(port) : out.tls ? "443" : "80";
  out.target = tail.empty() || tail.front() != '/' ? "/" + std::string(tail) : std::string(tail);
  out.to_sign = std::string(scheme) + "://";
  out.to_sign += voice && out.tls ? host : authority;
  out.to_sign += tail;
  return true;
}

}  // namespace parley::simulator
