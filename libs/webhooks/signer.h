// Whether an account signed a webhook (TWILIO.md 1). Pure. Shared by webhook-ingest, which asks
// once, and by the gateway, which asks again when a quarantined webhook is to be released.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/secret.h"
#include "libs/twilio/form.h"
#include "libs/webhooks/request.h"

namespace parley::webhooks {

// What the account could have signed with.
struct Signer {
  const Secret& token;
  const Secret& secondary_token;  // Empty unless a token is being rotated.
  // Public addresses, the likeliest first, without trailing "/"; empty ones are passed over.
  std::span<const std::string_view> public_urls;
};

// OK: one of the addresses, with or without port, was signed with one of the tokens. Otherwise the
// first address's failure: kInvalidArgument SIGNATURE_MISSING, SIGNATURE_MALFORMED;
// kUnauthenticated SIGNATURE_MISMATCH; without any address kUnauthenticated SIGNATURE_MISMATCH.
// `*verified_url`, if given, becomes the address that was signed.
absl::Status VerifySigner(const WebhookRequest& request, const twilio::FormParams& params,
                          const Signer& signer, std::string_view* verified_url = nullptr);

// The URLs that VerifySigner tries, without duplicates: what the operator compares with the address
// that stands at Twilio.
std::vector<std::string> TriedUrls(const WebhookRequest& request,
                                   std::span<const std::string_view> public_urls);

}  // namespace parley::webhooks
