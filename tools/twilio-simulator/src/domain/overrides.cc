#include "domain/overrides.h"

#include "domain/text.h"

namespace parley::simulator {
namespace {

void TakeBounded(std::string_view value, int low, int high, int& out) {
  std::int64_t number = 0;
  if (ParseInt(value, number) && number >= low && number <= high) out = static_cast<int>(number);
}

}  // namespace

bool ParseRetryPolicy(std::string_view list, ConnectionOverrides& out) {
  ConnectionOverrides parsed = out;
  parsed.on_4xx = parsed.on_5xx = parsed.on_connect = parsed.on_read = false;
  for (const std::string& item : Split(list, ',')) {
    if (item == "4xx") {
      parsed.on_4xx = true;
    } else if (item == "5xx") {
      parsed.on_5xx = true;
    } else if (item == "ct") {
      parsed.on_connect = true;
    } else if (item == "rt") {
      parsed.on_read = true;
    } else if (item == "all") {
      parsed.on_4xx = parsed.on_5xx = parsed.on_connect = parsed.on_read = true;
    } else {
      return false;
    }
  }
  out = parsed;
  return true;
}

ConnectionOverrides ParseOverrides(std::string_view fragment, const ConnectionOverrides& defaults) {
  ConnectionOverrides overrides = defaults;
  for (const auto& [key, value] : ParseForm(fragment)) {
    if (key == "ct") TakeBounded(value, 100, 10000, overrides.connect_timeout_ms);
    if (key == "rt") TakeBounded(value, 100, 15000, overrides.read_timeout_ms);
    if (key == "tt") TakeBounded(value, 100, 15000, overrides.total_timeout_ms);
    if (key == "rc") TakeBounded(value, 0, 5, overrides.retries);
    if (key == "rp") ParseRetryPolicy(value, overrides);
    if (key == "sni" && (value == "y" || value == "n")) overrides.verify_host = value == "y";
    if (key == "e" && !value.empty()) overrides.edge = value;
  }
  return overrides;
}

bool IsRetryable(const ConnectionOverrides& overrides, WebhookEnd end, int status) {
  switch (end) {
    case WebhookEnd::kAnswered:
      return (status >= 400 && status < 500 && overrides.on_4xx) ||
             (status >= 500 && overrides.on_5xx);
    case WebhookEnd::kConnectTimeout:
    case WebhookEnd::kRefused:
      return overrides.on_connect;
    case WebhookEnd::kReadTimeout:
    case WebhookEnd::kBroken:
    case WebhookEnd::kProtocol:
      return overrides.on_read;
    case WebhookEnd::kTotalTimeout:
    case WebhookEnd::kCertificate:
      return false;
  }
  return false;
}

int WebhookErrorCode(WebhookEnd end, int status) {
  switch (end) {
    case WebhookEnd::kAnswered:
      return status >= 400 || status < 200 ? 11217 : 0;
    case WebhookEnd::kConnectTimeout:
      return 11201;
    case WebhookEnd::kRefused:
      return 11202;
    case WebhookEnd::kReadTimeout:
      return 11200;
    case WebhookEnd::kTotalTimeout:
      return 11203;
    case WebhookEnd::kBroken:
      return 11205;
    case WebhookEnd::kProtocol:
      return 11206;
    case WebhookEnd::kCertificate:
      return 11237;
  }
  return 11200;
}

}  // namespace parley::simulator
