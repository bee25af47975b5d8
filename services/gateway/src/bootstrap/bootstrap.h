// `gateway bootstrap`: the first organization, its owner, an API key, the environment's Twilio
// account and a channel for its number. It can be repeated: what is there stays, and what was lost
// (a password, a key) is made anew.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "api/services.h"
#include "libs/base/secret.h"

namespace parley::gateway::bootstrap {

struct Wanted {
  std::string email;
  // Empty: no account is connected, and no channel made.
  std::string account_sid;
  Secret auth_token;
  std::string phone_number;
};

// `known` is what an earlier run answered, or an empty object. The answer: organization_id, email,
// password, api_key, account_sid, auth_token, phone_number, channel_id. Errors: those of
// ConnectTwilioAccount and CreateChannel; kUnavailable.
absl::StatusOr<nlohmann::json> Run(api::Services& services, const Wanted& wanted,
                                   const nlohmann::json& known);

// Reads the file of an earlier run: an empty object if there is none. Errors: kInvalidArgument.
absl::StatusOr<nlohmann::json> ReadCredentials(const std::string& path);

// Merges `credentials` into the file, mode 0600. Errors: kUnavailable.
absl::Status WriteCredentials(const std::string& path, const nlohmann::json& credentials);

}  // namespace parley::gateway::bootstrap
