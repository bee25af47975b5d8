// Decides whether a webhook may act, and within which account (DESIGN §7). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/directory.h"
#include "domain/refusal.h"
#include "libs/twilio/form.h"
#include "libs/webhooks/request.h"

namespace parley::ingest {

struct VerifyOptions {
  std::string server_url;        // The installation's public address, without trailing "/".
  bool check_signatures = true;  // False only with PARLEY_INSECURE_WEBHOOKS.
};

struct VerifyInput {
  const webhooks::WebhookRequest& request;
  const twilio::FormParams& params;  // Twilio's parameters, decoded.
  std::string_view account_sid;
  std::string_view business_number;  // Without the channel's prefix; may be empty.
};

// None: the account that the request names has signed it, and the business's number is not another
// account's. Else 403, or 503 where our own knowledge is what lacks:
//   UNKNOWN_ACCOUNT, SIGNATURE_MISSING, SIGNATURE_MALFORMED, SIGNATURE_MISMATCH,
//   NUMBER_OF_ANOTHER_ACCOUNT; 503 ACCOUNT_UNREADABLE.
//
// The public address of the number, of the account and of the installation are tried, each with
// and without port; the primary token, then the secondary one.
std::optional<Refusal> Verify(const VerifyInput& input, const Directory& directory,
                              const VerifyOptions& options);

}  // namespace parley::ingest
