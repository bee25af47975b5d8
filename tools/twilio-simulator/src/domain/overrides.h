// Twilio's connection overrides: "#rc=5&rp=all" behind a webhook's URL (TWILIO.md §4.4). Pure.
#pragma once

#include <string>
#include <string_view>

namespace parley::simulator {

// How one request to a webhook ended.
enum class WebhookEnd {
  kAnswered,        // A whole response, whatever its status.
  kConnectTimeout,  // 11201
  kRefused,         // 11202: refused, unreachable, or its name is unknown.
  kReadTimeout,     // 11200
  kTotalTimeout,    // 11203
  kBroken,          // 11205: the connection ended within the response.
  kProtocol,        // 11206: not HTTP.
  kCertificate,     // 11237
};

struct ConnectionOverrides {
  int connect_timeout_ms = 5000;  // ct, 100 to 10000.
  int read_timeout_ms = 15000;    // rt, 100 to 15000.
  int total_timeout_ms = 15000;   // tt, 100 to 15000; all attempts together.
  int retries = 1;                // rc, 0 to 5.
  // rp: which ends are tried again.
  bool on_4xx = false;
  bool on_5xx = false;
  bool on_connect = true;
  bool on_read = false;
  bool verify_host = true;       // sni.
  std::string edge = "ashburn";  // e; accepted, and without effect here.
};

// Values that are out of range or unknown keep the default.
ConnectionOverrides ParseOverrides(std::string_view fragment,
                                   const ConnectionOverrides& defaults = {});

// Sets the rp flags from a list such as "4xx,ct"; false if it names anything else.
bool ParseRetryPolicy(std::string_view list, ConnectionOverrides& out);

// `status` counts only for kAnswered.
bool IsRetryable(const ConnectionOverrides& overrides, WebhookEnd end, int status);

// Twilio's debugger code of a failed request; 0 for a 2xx or 3xx.
int WebhookErrorCode(WebhookEnd end, int status);

}  // namespace parley::simulator
