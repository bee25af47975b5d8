#include "domain/verify.h"

#include <array>

#include "libs/base/status.h"
#include "libs/webhooks/signer.h"

namespace parley::ingest {
namespace {

constexpr int kForbidden = 403;
constexpr int kUnavailable = 503;

absl::Status VerifyAccount(const VerifyInput& input, const Directory& directory,
                           const AccountEntry& account, const VerifyOptions& options,
                           Verified& verified) {
  const std::array public_urls = PublicUrls(input, directory, options);
  return webhooks::VerifySigner(input.request, input.params,
                                {.token = account.token,
                                 .secondary_token = account.secondary_token,
                                 .public_urls = public_urls},
                                &verified.public_url);
}

}  // namespace

std::array<std::string_view, 4> PublicUrls(const VerifyInput& input, const Directory& directory,
                                           const VerifyOptions& options) {
  const NumberEntry* number = directory.FindNumber(input.account_sid, input.business_number);
  const AccountEntry* account = directory.FindAccount(input.account_sid);
  return {number == nullptr ? std::string_view() : number->public_url,
          account == nullptr ? std::string_view() : account->public_url, options.server_url,
          input.requested_url};
}

std::variant<Verified, Refusal> Verify(const VerifyInput& input, const Directory& directory,
                                       const VerifyOptions& options) {
  const AccountEntry* account = directory.FindAccount(input.account_sid);
  if (account == nullptr) {
    return Refusal{kForbidden, "UNKNOWN_ACCOUNT",
                   "No organization here has connected the account of this webhook."};
  }
  Verified verified{.public_url = options.server_url};
  if (options.check_signatures) {
    const absl::Status status = VerifyAccount(input, directory, *account, options, verified);
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
  return verified;
}

}  // namespace parley::ingest
