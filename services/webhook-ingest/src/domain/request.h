// A webhook as it arrived and what it is answered with: no HTTP library. Pure.
#pragma once

#include <string>
#include <string_view>

#include "libs/base/clock.h"

namespace parley::ingest {

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

// Why a webhook was not taken. `reason` is stable and UPPER_SNAKE; `message` is for a person.
struct Refusal {
  int http_status = 0;
  std::string reason;
  std::string message;
  bool operator==(const Refusal&) const = default;
};

// Of a request whose body is no form.
inline Refusal NoForm() {
  return {415, "CONTENT_TYPE", "Twilio sends webhooks as application/x-www-form-urlencoded."};
}

}  // namespace parley::ingest
