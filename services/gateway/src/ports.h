// What the API needs from outside, beside the database.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/secret.h"
#include "parley/v1/twilio_account.pb.h"

namespace parley::gateway {

// An account and how to log in to it.
struct TwilioLogin {
  std::string account_sid;
  Secret auth_token;
};

// What Twilio says about an account.
struct TwilioAccountFacts {
  std::string display_name;
  v1::TwilioAccount::Kind kind = v1::TwilioAccount::KIND_UNSPECIFIED;
};

// Where Twilio is to call for a number.
struct NumberAddresses {
  std::string message_url;
  std::string status_url;
  std::string voice_url;
};

// Twilio, as far as connecting accounts goes. Thread-safe; each call takes a few seconds at most.
// Errors of all: kInvalidArgument TWILIO_REFUSED with Twilio's reason as a sentence, kUnavailable
// TWILIO_UNREACHABLE.
class TwilioAccounts {
 public:
  virtual ~TwilioAccounts() = default;

  // Proves the login. Test credentials (20008) are KIND_TEST.
  virtual absl::StatusOr<TwilioAccountFacts> Check(const TwilioLogin& login) = 0;

  // The SID of the number if the account owns it. Never asked with test credentials.
  virtual absl::StatusOr<std::optional<std::string>> FindNumber(const TwilioLogin& login,
                                                                std::string_view number) = 0;

  virtual absl::Status PointNumber(const TwilioLogin& login, std::string_view number_sid,
                                   const NumberAddresses& addresses) = 0;
};

}  // namespace parley::gateway
