#include "libs/webhooks/signer.h"

#include <algorithm>

#include "libs/base/status.h"
#include "libs/twilio/signature.h"

namespace parley::webhooks {
namespace {

// One public address with both tokens. Returns the first failure's status.
absl::Status VerifyAt(std::string_view public_url, const WebhookRequest& request,
                      const twilio::FormParams& params, const Signer& signer) {
  std::string url(public_url);
  url.append(request.target);
  // Of GET, Twilio signs the URL alone: its parameters are in the query.
  static const twilio::FormParams kNone;
  const twilio::SignedRequest signed_request{url, request.is_get ? kNone : params,
                                             request.signature};
  absl::Status status = twilio::VerifySignature(signed_request, signer.token);
  if (status.ok() || signer.secondary_token.empty()) return status;
  if (twilio::VerifySignature(signed_request, signer.secondary_token).ok()) {
    return absl::OkStatus();
  }
  return status;
}

}  // namespace

absl::Status VerifySigner(const WebhookRequest& request, const twilio::FormParams& params,
                          const Signer& signer, std::string_view* verified_url) {
  absl::Status first_failure;
  for (const std::string_view public_url : signer.public_urls) {
    if (public_url.empty()) continue;
    absl::Status status = VerifyAt(public_url, request, params, signer);
    if (status.ok()) {
      if (verified_url != nullptr) *verified_url = public_url;
      return status;
    }
    if (first_failure.ok()) first_failure = std::move(status);
  }
  if (!first_failure.ok()) return first_failure;
  return ErrorStatus(absl::StatusCode::kUnauthenticated, "SIGNATURE_MISMATCH",
                     "No public address is known that Twilio could have signed.");
}

std::vector<std::string> TriedUrls(const WebhookRequest& request,
                                   std::span<const std::string_view> public_urls) {
  std::vector<std::string> tried;
  for (const std::string_view public_url : public_urls) {
    if (public_url.empty()) continue;
    for (std::string& url :
         twilio::SignatureCandidates(std::string(public_url).append(request.target))) {
      if (std::find(tried.begin(), tried.end(), url) == tried.end()) {
        tried.push_back(std::move(url));
      }
    }
  }
  return tried;
}

}  // namespace parley::webhooks
