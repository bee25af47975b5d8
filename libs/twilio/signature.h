// Proves that a webhook request came from Twilio. Pure: no I/O, no clock.
//
// Source: Twilio, "Webhooks security" and the official SDKs' validators (TWILIO.md 1): HMAC-SHA1,
// keyed by the account's auth token, over the URL followed by every POST parameter sorted by name;
// base64, in X-Twilio-Signature. A body that is no form is covered by its SHA-256 in the query.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/secret.h"
#include "libs/twilio/form.h"

namespace parley::twilio {

struct SignedRequest {
  std::string_view url;        // Public URL as Twilio called it, query included.
  const FormParams& params;    // Decoded POST parameters; empty for GET. Order does not matter.
  std::string_view signature;  // The header's value.
};

// Tries every URL of SignatureCandidates; compares in constant time.
// Errors: kInvalidArgument, the header is missing (SIGNATURE_MISSING) or is no base64 of 20 bytes
// (SIGNATURE_MALFORMED); kUnauthenticated (SIGNATURE_MISMATCH). None is retryable.
absl::Status VerifySignature(const SignedRequest& request, const Secret& auth_token);

struct SignedBody {
  std::string_view url;        // Its query holds bodySHA256.
  std::string_view body;       // The raw bytes.
  std::string_view signature;  // The header's value.
};

// For bodies that are no form (JSON): the query's bodySHA256 must be the body's, and the
// signature covers the URL alone. Errors as above, and kUnauthenticated (BODY_HASH_MISSING,
// BODY_HASH_MISMATCH).
absl::Status VerifyBodySignature(const SignedBody& request, const Secret& auth_token);

// Signs as Twilio does, over exactly this URL (its fragment excluded) and these parameters.
std::string Sign(std::string_view url, const FormParams& params, const Secret& auth_token);

// Lower-case hexadecimal SHA-256, the value of bodySHA256.
std::string BodySha256(std::string_view body);

// The URLs that Twilio may have signed when `url` was called, without duplicates, the likeliest
// first: as it is, without port, with the scheme's default port, and each with its query
// written anew as older validators do (' as %27, space as +). Voice over https is signed without
// its port, everything else with it.
std::vector<std::string> SignatureCandidates(std::string_view url);

}  // namespace parley::twilio
