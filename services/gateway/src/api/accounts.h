// Twilio accounts as other handlers and bootstrap need them.
#pragma once

#include <pqxx/pqxx>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/services.h"

namespace parley::gateway::api {

// The stored login of an account that is linked to the organization. Errors: kNotFound
// TWILIO_ACCOUNT_NOT_FOUND; what opening the credential says.
absl::StatusOr<TwilioLogin> LoadLogin(Services& services, std::string_view organization_id,
                                      std::string_view account_sid);

// One that is linked to the organization. Works as gateway_worker. Errors: kNotFound
// TWILIO_ACCOUNT_NOT_FOUND.
absl::StatusOr<v1::TwilioAccount> LoadAccount(pqxx::work& tx, std::string_view organization_id,
                                              std::string_view account_sid);

// A login, and what kind of account it opens.
struct KnownLogin {
  TwilioLogin login;
  v1::TwilioAccount::Kind kind = v1::TwilioAccount::KIND_UNSPECIFIED;
  std::string public_url = {};  // Of the account's webhooks; empty: the installation's.
};
// As LoadLogin.
absl::StatusOr<KnownLogin> LoadKnownLogin(Services& services, std::string_view organization_id,
                                          std::string_view account_sid);

// OK if Twilio says that the account owns the number, or if there is none to ask for. Test
// credentials have the magic numbers. Asks Twilio: call it outside transactions. Errors:
// kInvalidArgument NUMBER_NOT_OWNED; those of TwilioAccounts.
absl::Status CheckOwned(Services& services, const KnownLogin& known, const std::string& number);

// A channel's phone number, as far as its webhooks go.
struct ChannelNumber {
  std::string number;
  std::string public_url;  // The channel's; may be empty.
};

// Points the number's webhooks at this installation: at the channel's public address, else the
// account's, else the installation's, which is the order that their signatures are checked in. Asks
// Twilio: call it outside transactions. Errors: kInvalidArgument NUMBER_NOT_OWNED; those of
// TwilioAccounts.
absl::Status PointNumberHere(Services& services, const KnownLogin& known,
                             const ChannelNumber& channel);

}  // namespace parley::gateway::api
