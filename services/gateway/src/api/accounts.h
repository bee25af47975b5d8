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

// Points a number's webhooks at this installation. Errors: kInvalidArgument NUMBER_NOT_OWNED; those
// of LoadLogin and TwilioAccounts.
absl::Status PointNumberHere(Services& services, const TwilioLogin& login, std::string_view number);

}  // namespace parley::gateway::api
