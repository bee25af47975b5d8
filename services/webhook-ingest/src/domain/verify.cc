#include "domain/verify.h"

#include <array>

#include "libs/base/status.h"
#include "libs/twilio/signature.h"

namespace parley::ingest {
namespace {

constexpr int kForbidden = 403;
constexpr int kUnavailable = 503;

// One public address with both tokens. Returns the first failure's status.
absl::Status VerifyAt(std::string_view public_url, const VerifyInput& input,
                      const AccountEntry& account) {
  std::string url(public_url);
  url.append(input.request.target);
  // Of GET, Twilio signs the URL alone: its parameters are in the query.
  static const twilio::FormParams kNone;
  const twilio::SignedRequest signed_request{url, input.request.is_get ? kNone : input.params,
                                             input.request.signature};
  absl::Status status = twilio::VerifySignature(signed_request, account.token);
  if (status.ok() || account.secondary_token.empty()) return status;
  if (twilio::VerifySignature(signed_request, account.secondary_token).ok()) {
    return absl::OkStatus();
  }
  return status;
}

absl::Status VerifySigner(const VerifyInput& input, const Directory& directory,
                          const AccountEntry& account, const VerifyOptions& options) {
  const NumberEntry* number = directory.FindNumber(input.account_sid, input.business_number);
  const std::array<std::string_view, 3> public_urls = {
      number == nullptr ? std::string_view() : number->public_url, account.public_url,
      options.server_url};
  absl::Status first_failure;
  for (const std::string_view public_url : public_urls) {
    if (public_url.empty()) continue;
    absl::Status status = VerifyAt(public_url, input, account);
    if (status.ok()) return status;
    if (first_failure.ok()) first_failure = std::move(status);
  }
  return first_failure;
}

}  // namespace

std::optional<Refusal> Verify(const VerifyInput& input, const Directory& directory,
                              const VerifyOptions& options) {
  const AccountEntry* account = directory.FindAccount(input.account_sid);
  if (account == nullptr) {
    return Refusal{kForbidden, "UNKNOWN_ACCOUNT",
                   "No organization here has connected the account of this webhook."};
  }
  if (options.check_signatures) {
    const absl::Status status = VerifySigner(input, directory, *account, options);
    if (!status.ok()) {
      if (!account->readable && ErrorReason(status) == "SIGNATURE_MISMATCH") {
        return Refusal{kUnavailable, "ACCOUNT_UNREADABLE",
                       "The account's auth token cannot be opened with PARLEY_DIRECTORY_KEY_FILE."};
      }
      return Refusal{kForbidden, ErrorReason(status), std::string(status.message())};
    }
  }
  if (directory.IsClaimedElsewhere(input.account_sid, input.business_number)) {
    return Refusal{kForbidden, "NUMBER_OF_ANOTHER_ACCOUNT",
                   "The business's number belongs to another account than the one that signed."};
  }
  return std::nullopt;
}

}  // namespace parley::ingest
