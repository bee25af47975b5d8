// The little of URLs that webhooks and callbacks need. Pure; bytes are never normalised,
// because signatures cover them exactly.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/twilio/form.h"

namespace parley::twilio {

// Views into the text that was split.
struct UrlParts {
  std::string_view scheme;    // "https"
  std::string_view userinfo;  // Without "@"; empty if none.
  std::string_view host;      // Without port; "[::1]" keeps its brackets.
  std::string_view port;      // Digits; empty if none.
  std::string_view path;      // With its "/"; empty if none.
  std::string_view query;     // Without "?".
  std::string_view fragment;  // Without "#".
  bool has_userinfo = false;
  bool has_query = false;
};

// Errors: kInvalidArgument (URL_INVALID): no http(s) scheme, no host, or a port that is none.
absl::StatusOr<UrlParts> SplitUrl(std::string_view url);

// The default port of "http" or "https" as text; empty for another scheme.
std::string_view DefaultPort(std::string_view scheme);

// "https://host[:port]" of a public address such as SERVER_URL: no trailing "/", query or
// fragment. Errors as SplitUrl.
absl::StatusOr<std::string> OriginAndPrefix(std::string_view url);

std::string_view WithoutFragment(std::string_view url);

// Adds parameters to the query, before the fragment if there is one.
std::string AppendQuery(std::string_view url, const FormParams& params);

// Twilio's connection overrides, written into a webhook URL's fragment (TWILIO.md 4.4). Twilio
// never sends the fragment and never signs it. Unset fields keep Twilio's defaults.
struct ConnectionOverrides {
  std::optional<int> retry_count;       // rc, 0 to 5; Twilio's default is 1.
  std::optional<std::string> retry_on;  // rp: "4xx", "5xx", "ct", "rt", "all", or a list by commas.
  std::optional<std::chrono::milliseconds> connect_timeout;  // ct, 100 ms to 10 s.
  std::optional<std::chrono::milliseconds> read_timeout;     // rt, 100 ms to 15 s.
  std::optional<std::chrono::milliseconds> total_timeout;    // tt, 100 ms to 15 s.

  bool RetriesOn(std::string_view what) const;  // "ct" (the default), "rt", "4xx", "5xx".
};

// What every webhook and callback of ours asks for: five tries, whatever went wrong.
inline constexpr std::string_view kRetryAllFragment = "#rc=5&rp=all";

// Replaces the URL's fragment by these overrides.
std::string WithConnectionOverrides(std::string_view url, const ConnectionOverrides& overrides);

// Reads a fragment (without "#"). Unknown keys and values out of range are ignored, as Twilio does.
ConnectionOverrides ParseConnectionOverrides(std::string_view fragment);

}  // namespace parley::twilio
