// A request that the simulated Twilio owes somebody: callbacks, inbound webhooks, media fetches.
#pragma once

#include <cstdint>
#include <string>

#include "domain/overrides.h"
#include "domain/text.h"

namespace parley::simulator {

enum class WebhookKind {
  kStatusCallback,  // Of a message. No fallback, the answer does not matter.
  kInboundMessage,  // Its answer is TwiML.
  kVoice,           // Its answer is TwiML for the call.
  kCallStatus,      // Of a call or a recording.
  kMediaFetch,      // GET of a business's MediaUrl.
};

struct Webhook {
  std::uint64_t id = 0;
  WebhookKind kind = WebhookKind::kStatusCallback;
  std::string url;  // With its "#rc=…".
  std::string method = "POST";
  Params params;
  std::string auth_token;  // Signs the request.
  std::string fallback_url;
  std::string fallback_method = "POST";
  std::string idempotency_token;  // The same on every retry.
  std::uint64_t message = 0;      // The number of the message it is about.
  std::string resource_sid;       // The call's or medium's SID.
  int redirects = 0;              // TwiML <Redirect>s so far.
};

struct WebhookResult {
  WebhookEnd end = WebhookEnd::kRefused;
  int status = 0;          // 0 without an answer.
  int attempts = 0;        // Of the URL itself, without the fallback's.
  bool delivered = false;  // A 2xx came, from the URL or from its fallback.
  bool via_fallback = false;
  int error_code = 0;  // Of the URL itself.
  std::string content_type;
  std::string body;
};

}  // namespace parley::simulator
