// Decides whether a webhook may act, and within which account (DESIGN §7). Pure.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <variant>

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
  std::string_view business_number;     // Without the channel's prefix; may be empty.
  std::string_view requested_url = {};  // As a trusted proxy saw it ("https://host"); may be empty.
};

struct Verified {
  std::string_view public_url;  // The address that was signed: where Twilio reaches us.
};

// Verified: the account that the request names has signed it, and the business's number is not
// another account's. Else 403, or 503 where our own knowledge is what lacks:
//   UNKNOWN_ACCOUNT, SIGNATURE_MISSING, SIGNATURE_MALFORMED, SIGNATURE_MISMATCH,
//   NUMBER_OF_ANOTHER_ACCOUNT; 503 ACCOUNT_UNREADABLE.
//
// Each address of PublicUrls is tried with and without port; the primary token, then the secondary
// one.
std::variant<Verified, Refusal> Verify(const VerifyInput& input, const Directory& directory,
                                       const VerifyOptions& options);

// The public address of the number, of the account, of the installation, and the one that was
// asked for; empty where there is none. Views into the arguments.
std::array<std::string_view, 4> PublicUrls(const VerifyInput& input, const Directory& directory,
                                           const VerifyOptions& options);

}  // namespace parley::ingest
