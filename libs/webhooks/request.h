// A webhook as it arrived: no HTTP library. Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace parley::webhooks {

// Views live as long as the request is handled.
struct WebhookRequest {
  bool is_get = false;                 // GET: Twilio's parameters are in the query.
  std::string_view target;             // Path and query, byte for byte as requested.
  std::string_view content_type;       // Empty for GET.
  std::string_view signature;          // X-Twilio-Signature.
  std::string_view idempotency_token;  // I-Twilio-Idempotency-Token; may be empty.
  std::string_view traceparent;        // W3C trace context; may be empty.
  std::string_view body;               // Empty for GET.
  Time received_at;
};

// Of a request whose body is no form: kInvalidArgument CONTENT_TYPE.
inline absl::Status NoForm() {
  return InvalidArgument("CONTENT_TYPE",
                         "Twilio sends webhooks as application/x-www-form-urlencoded.");
}

}  // namespace parley::webhooks
