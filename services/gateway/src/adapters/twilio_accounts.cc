#include "adapters/twilio_accounts.h"

#include "libs/base/status.h"

namespace parley::gateway {
namespace {

constexpr int kTestCredentials = 20008;
constexpr char kActive[] = "active";
constexpr char kTrial[] = "Trial";

twilio::Account AccountOf(const TwilioLogin& login) {
  return {login.account_sid, login.auth_token};
}

// What Twilio answered is the caller's mistake; that it did not answer is nobody's.
absl::Status Translated(const absl::Status& status) {
  if (status.ok()) return status;
  if (IsRetryable(status)) {
    return Unavailable("TWILIO_UNREACHABLE", FromAbsl(status.message()));
  }
  return InvalidArgument("TWILIO_REFUSED", FromAbsl(status.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TwilioClientAccounts>> TwilioClientAccounts::Create(
    const std::string& base_url) {
  PARLEY_ASSIGN_OR_RETURN(auto client, twilio::Client::Create({.base_url = base_url}));
  return std::unique_ptr<TwilioClientAccounts>(new TwilioClientAccounts(std::move(client)));
}

absl::StatusOr<TwilioAccountFacts> TwilioClientAccounts::Check(const TwilioLogin& login) {
  const auto account = client_->FetchAccount(AccountOf(login));
  if (twilio::TwilioCode(account.status()) == kTestCredentials) {
    return TwilioAccountFacts{"Test credentials", v1::TwilioAccount::KIND_TEST};
  }
  if (!account.ok()) return Translated(account.status());
  if (account->status != kActive) {
    return InvalidArgument("TWILIO_REFUSED",
                           "Twilio says that this account is " + account->status + ".");
  }
  return TwilioAccountFacts{account->friendly_name, account->type == kTrial
                                                        ? v1::TwilioAccount::KIND_TRIAL
                                                        : v1::TwilioAccount::KIND_FULL};
}

absl::StatusOr<std::optional<std::string>> TwilioClientAccounts::FindNumber(
    const TwilioLogin& login, std::string_view number) {
  const auto page =
      client_->ListIncomingPhoneNumbers(AccountOf(login), {.phone_number = std::string(number)});
  if (!page.ok()) return Translated(page.status());
  for (const twilio::PhoneNumberResource& one : page->numbers) {
    if (one.phone_number == number) return one.sid;
  }
  return std::nullopt;
}

absl::Status TwilioClientAccounts::PointNumber(const TwilioLogin& login,
                                               std::string_view number_sid,
                                               const NumberAddresses& addresses) {
  return Translated(client_
                        ->UpdateIncomingPhoneNumber(AccountOf(login), number_sid,
                                                    {.sms_url = addresses.message_url,
                                                     .sms_fallback_url = addresses.message_url,
                                                     .voice_url = addresses.voice_url,
                                                     .voice_fallback_url = addresses.voice_url,
                                                     .status_callback = addresses.status_url})
                        .status());
}

}  // namespace parley::gateway
