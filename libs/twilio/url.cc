#include "libs/twilio/url.h"

#include <charconv>

#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::twilio {
namespace {

constexpr int kPortMax = 65535;

absl::Status InvalidUrl(std::string_view why) {
  return InvalidArgument("URL_INVALID", "The URL is not valid: " + std::string(why) + ".");
}

bool ParseInt(std::string_view text, int& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsPort(std::string_view text) {
  int port = 0;
  return ParseInt(text, port) && port > 0 && port <= kPortMax && text.front() != '-';
}

}  // namespace

absl::StatusOr<UrlParts> SplitUrl(std::string_view url) {
  UrlParts parts;
  if (const auto hash = url.find('#'); hash != std::string_view::npos) {
    parts.fragment = url.substr(hash + 1);
    url = url.substr(0, hash);
  }
  const auto colon = url.find("://");
  if (colon == std::string_view::npos) return InvalidUrl("it has no scheme");
  parts.scheme = url.substr(0, colon);
  const std::string scheme = Lower(parts.scheme);
  if (scheme != "http" && scheme != "https") return InvalidUrl("only http and https are known");
  url = url.substr(colon + 3);
  if (const auto question = url.find('?'); question != std::string_view::npos) {
    parts.query = url.substr(question + 1);
    parts.has_query = true;
    url = url.substr(0, question);
  }
  const auto slash = url.find('/');
  std::string_view authority = url.substr(0, slash);
  if (slash != std::string_view::npos) parts.path = url.substr(slash);
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    parts.userinfo = authority.substr(0, at);
    parts.has_userinfo = true;
    authority = authority.substr(at + 1);
  }
  const auto bracket = authority.rfind(']');
  const auto port_colon = authority.rfind(':');
  if (port_colon != std::string_view::npos &&
      (bracket == std::string_view::npos || port_colon > bracket)) {
    parts.port = authority.substr(port_colon + 1);
    if (parts.port.empty() || !IsPort(parts.port)) return InvalidUrl("the port is not a number");
    authority = authority.substr(0, port_colon);
  }
  if (authority.empty()) return InvalidUrl("it has no host");
  parts.host = authority;
  return parts;
}

std::string_view DefaultPort(std::string_view scheme) {
  const std::string lower = Lower(scheme);
  if (lower == "https") return "443";
  if (lower == "http") return "80";
  return "";
}

absl::StatusOr<std::string> OriginAndPrefix(std::string_view url) {
  PARLEY_ASSIGN_OR_RETURN(const UrlParts parts, SplitUrl(url));
  std::string out(parts.scheme);
  out += "://";
  if (parts.has_userinfo) out.append(parts.userinfo).append("@");
  out += parts.host;
  if (!parts.port.empty()) out.append(":").append(parts.port);
  std::string_view path = parts.path;
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  out += path;
  return out;
}

std::string_view WithoutFragment(std::string_view url) { return url.substr(0, url.find('#')); }

std::string AppendQuery(std::string_view url, const FormParams& params) {
  const std::string_view base = WithoutFragment(url);
  const std::string_view fragment = url.substr(base.size());
  std::string out(base);
  if (!params.empty()) {
    const auto question = base.find('?');
    if (question == std::string_view::npos) {
      out += '?';
    } else if (question + 1 != base.size() && base.back() != '&') {
      out += '&';
    }
    out += EncodeForm(params);
  }
  out += fragment;
  return out;
}

bool ConnectionOverrides::RetriesOn(std::string_view what) const {
  if (!retry_on) return what == "ct";
  for (const std::string_view policy : Split(*retry_on, ',')) {
    if (policy == what || policy == "all") return true;
  }
  return false;
}

std::string WithConnectionOverrides(std::string_view url, const ConnectionOverrides& overrides) {
  std::string fragment;
  const auto add = [&fragment](std::string_view key, std::string_view value) {
    fragment += fragment.empty() ? '#' : '&';
    fragment.append(key).append("=").append(value);
  };
  if (overrides.retry_count) add("rc", std::to_string(*overrides.retry_count));
  if (overrides.retry_on) add("rp", *overrides.retry_on);
  if (overrides.connect_timeout) add("ct", std::to_string(overrides.connect_timeout->count()));
  if (overrides.read_timeout) add("rt", std::to_string(overrides.read_timeout->count()));
  if (overrides.total_timeout) add("tt", std::to_string(overrides.total_timeout->count()));
  return std::string(WithoutFragment(url)) + fragment;
}

ConnectionOverrides ParseConnectionOverrides(std::string_view fragment) {
  ConnectionOverrides out;
  for (const std::string_view piece : Split(fragment, '&')) {
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = piece.substr(0, equals);
    const std::string_view value = piece.substr(equals + 1);
    int number = 0;
    const bool is_number = ParseInt(value, number);
    const std::chrono::milliseconds time{number};
    if (key == "rp" && !value.empty()) {
      out.retry_on = std::string(value);
    } else if (key == "rc" && is_number && number >= 0 && number <= 5) {
      out.retry_count = number;
    } else if (key == "ct" && is_number && number >= 100 && number <= 10'000) {
      out.connect_timeout = time;
    } else if (key == "rt" && is_number && number >= 100 && number <= 15'000) {
      out.read_timeout = time;
    } else if (key == "tt" && is_number && number >= 100 && number <= 15'000) {
      out.total_timeout = time;
    }
  }
  return out;
}

}  // namespace parley::twilio
