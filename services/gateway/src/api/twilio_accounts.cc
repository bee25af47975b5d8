#include <nlohmann/json.hpp>

#include "api/accounts.h"
#include "api/handlers.h"
#include "api/transaction.h"
#include "domain/page.h"
#include "domain/validation.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "libs/twilio/callback.h"
#include "libs/twilio/url.h"
#include "store/directory.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

constexpr char kAccountsScope[] = "twilioAccounts";
constexpr std::size_t kAuthTokenBytesMax = 200;
// Twilio's test credentials send from these only.
constexpr std::string_view kMagicNumbers = "+1500555";

// As account_credentials.kind has it.
constexpr std::string_view kKindNames[] = {"", "full", "trial", "test"};

v1::TwilioAccount::Kind ParseKind(std::string_view name) {
  for (int i = 1; i < v1::TwilioAccount::Kind_ARRAYSIZE; ++i) {
    if (kKindNames[i] == name) return static_cast<v1::TwilioAccount::Kind>(i);
  }
  return v1::TwilioAccount::KIND_UNSPECIFIED;
}

// FROM account_links l and its credential c. Works as gateway_worker.
constexpr char kAccountSelect[] =
    "SELECT c.account_sid, c.display_name, c.kind,"
    " (extract(epoch FROM l.created_at) * 1000000)::bigint,"
    " (extract(epoch FROM c.verified_at) * 1000000)::bigint, c.public_url,"
    " c.sealed_secondary_token IS NOT NULL"
    " FROM account_links l JOIN account_credentials c USING (account_sid)";

v1::TwilioAccount ReadAccount(const pqxx::row& row) {
  v1::TwilioAccount account;
  account.set_account_sid(row[0].c_str());
  account.set_display_name(row[1].c_str());
  account.set_kind(ParseKind(row[2].c_str()));
  *account.mutable_create_time() = store::ToTimestamp(FromMicros(row[3].as<std::int64_t>()));
  *account.mutable_verify_time() = store::ToTimestamp(FromMicros(row[4].as<std::int64_t>()));
  account.set_public_url(row[5].c_str());
  account.set_secondary_auth_token_set(row[6].as<bool>());
  return account;
}

absl::Status AccountNotFound() {
  return NotFound("TWILIO_ACCOUNT_NOT_FOUND", "There is no connected account with this SID.");
}

absl::Status NotOwned(std::string_view number) {
  return InvalidArgument("NUMBER_NOT_OWNED", "The account does not own " + std::string(number) +
                                                 "; choose one of its numbers.");
}

// An account with somebody else's messages may be shared only with their consent. Test credentials
// carry none.
absl::Status CheckNotForeign(pqxx::work& tx, const rpc::CallContext& call, const TwilioLogin& login,
                             v1::TwilioAccount::Kind kind) {
  if (kind == v1::TwilioAccount::KIND_TEST) return absl::OkStatus();
  const pqxx::result others = tx.exec_params(
      "SELECT 1 FROM account_links l WHERE l.account_sid = $1 AND NOT EXISTS"
      " (SELECT 1 FROM account_links o WHERE o.account_sid = $1 AND o.organization_id = $2)",
      login.account_sid, call.organization_id);
  if (others.empty()) return absl::OkStatus();
  return FailedPrecondition("ACCOUNT_OF_ANOTHER_ORGANIZATION",
                            "Another organization has connected this account; it must consent "
                            "before you can share it.");
}

void StoreAccount(pqxx::work& tx, const Services& services, const rpc::CallContext& call,
                  const TwilioLogin& login, const TwilioAccountFacts& facts) {
  const std::string sealed =
      services.master_keys.Seal(login.auth_token, {crypto::kTwilioToken, login.account_sid});
  tx.exec_params0(
      "INSERT INTO account_credentials"
      " (account_sid, sealed_auth_token, display_name, kind, verified_at)"
      " VALUES ($1, $2, $3, $4, now()) ON CONFLICT (account_sid) DO UPDATE SET"
      " sealed_auth_token = excluded.sealed_auth_token, display_name = excluded.display_name,"
      " kind = excluded.kind, verified_at = excluded.verified_at",
      login.account_sid, postgres::Bytea(sealed), facts.display_name,
      std::string(kKindNames[facts.kind]));
  tx.exec_params0(
      "INSERT INTO account_links (account_sid, organization_id) VALUES ($1, $2)"
      " ON CONFLICT DO NOTHING",
      login.account_sid, call.organization_id);
}

}  // namespace

absl::StatusOr<v1::TwilioAccount> LoadAccount(pqxx::work& tx, std::string_view organization_id,
                                              std::string_view account_sid) {
  const pqxx::result found = tx.exec_params(
      std::string(kAccountSelect) + " WHERE l.organization_id = $1 AND l.account_sid = $2",
      std::string(organization_id), std::string(account_sid));
  if (found.empty()) return AccountNotFound();
  return ReadAccount(found[0]);
}

absl::Status CheckOwned(Services& services, const KnownLogin& known, const std::string& number) {
  if (number.empty()) return absl::OkStatus();
  if (known.kind == v1::TwilioAccount::KIND_TEST) {
    return number.starts_with(kMagicNumbers) ? absl::OkStatus() : NotOwned(number);
  }
  PARLEY_ASSIGN_OR_RETURN(const std::optional<std::string> sid,
                          services.twilio.FindNumber(known.login, number));
  return sid.has_value() ? absl::OkStatus() : NotOwned(number);
}

absl::StatusOr<TwilioLogin> LoadLogin(Services& services, std::string_view organization_id,
                                      std::string_view account_sid) {
  PARLEY_ASSIGN_OR_RETURN(KnownLogin known, LoadKnownLogin(services, organization_id, account_sid));
  return std::move(known.login);
}

absl::StatusOr<KnownLogin> LoadKnownLogin(Services& services, std::string_view organization_id,
                                          std::string_view account_sid) {
  std::string sealed;
  KnownLogin known;
  PARLEY_RETURN_IF_ERROR(services.worker.Transact([&](pqxx::work& tx) -> absl::Status {
    const pqxx::result found = tx.exec_params(
        "SELECT c.sealed_auth_token, c.kind, c.public_url FROM account_credentials c"
        " JOIN account_links l"
        " USING (account_sid) WHERE l.organization_id = $1 AND c.account_sid = $2",
        std::string(organization_id), std::string(account_sid));
    if (found.empty()) return AccountNotFound();
    sealed = postgres::FromBytea(found[0][0].c_str());
    known.kind = ParseKind(found[0][1].c_str());
    known.public_url = found[0][2].c_str();
    return absl::OkStatus();
  }));
  PARLEY_ASSIGN_OR_RETURN(Secret auth_token,
                          services.master_keys.Open(sealed, {crypto::kTwilioToken, account_sid}));
  known.login = {std::string(account_sid), std::move(auth_token)};
  return known;
}

absl::Status PointNumberHere(Services& services, const KnownLogin& known,
                             const ChannelNumber& channel) {
  PARLEY_ASSIGN_OR_RETURN(const std::optional<std::string> number_sid,
                          services.twilio.FindNumber(known.login, channel.number));
  if (!number_sid.has_value()) return NotOwned(channel.number);
  const std::string& of_account =
      known.public_url.empty() ? services.options.server_url : known.public_url;
  const std::string& here = channel.public_url.empty() ? of_account : channel.public_url;
  return services.twilio.PointNumber(known.login, *number_sid,
                                     {.message_url = twilio::MessageWebhookUrl(here),
                                      .status_url = twilio::CallStatusUrl(here),
                                      .voice_url = twilio::VoiceWebhookUrl(here)});
}

absl::StatusOr<v1::TwilioAccount> ConnectTwilioAccount(
    Services& services, rpc::CallContext& call, const v1::ConnectTwilioAccountRequest& request) {
  PARLEY_RETURN_IF_ERROR(
      FirstProblem({CheckAccountSid("accountSid", request.account_sid()),
                    CheckText("authToken", request.auth_token(), {1, kAuthTokenBytesMax}),
                    CheckPhoneOrEmpty("phoneNumber", request.phone_number())}));
  const TwilioLogin login{request.account_sid(), Secret(request.auth_token())};
  // Asked before any transaction: Twilio may take seconds.
  PARLEY_ASSIGN_OR_RETURN(const TwilioAccountFacts facts, services.twilio.Check(login));
  PARLEY_RETURN_IF_ERROR(CheckOwned(services, {login, facts.kind}, request.phone_number()));
  return Write<v1::TwilioAccount>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::TwilioAccount> {
        AsWorker worker(tx);
        // One at a time for each account, so that two organizations cannot both be the first.
        tx.exec_params("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", login.account_sid);
        PARLEY_RETURN_IF_ERROR(CheckNotForeign(tx, call, login, facts.kind));
        StoreAccount(tx, services, call, login, facts);
        PARLEY_RETURN_IF_ERROR(store::PutAccount(
            tx, login.account_sid,
            {.master = &services.master_keys, .directory = &services.directory_keys}));
        auto account = LoadAccount(tx, call.organization_id, login.account_sid);
        worker.Done();
        RecordAudit(tx, call, "twilio_account.connect", "twilio_account:" + login.account_sid);
        return account;
      });
}

absl::StatusOr<v1::ListTwilioAccountsResponse> ListTwilioAccounts(
    Services& services, rpc::CallContext& call, const v1::ListTwilioAccountsRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const TimeAndId after,
                          ReadTimeAndId(kAccountsScope, request.page_token()));
  return services.worker.Read<v1::ListTwilioAccountsResponse>(
      [&](pqxx::work& tx) -> absl::StatusOr<v1::ListTwilioAccountsResponse> {
        const pqxx::result rows =
            tx.exec_params(std::string(kAccountSelect) +
                               " WHERE l.organization_id = $1"
                               " AND ($2 OR (l.created_at, l.account_sid) < ($3::timestamptz, $4))"
                               " ORDER BY l.created_at DESC, l.account_sid DESC LIMIT $5",
                           call.organization_id, after.first_page,
                           FormatTime(FromMicros(after.micros)), after.id, size + 1);
        v1::ListTwilioAccountsResponse response;
        for (const pqxx::row& row : rows) {
          if (response.twilio_accounts_size() == size) {
            const pqxx::row& last = rows[static_cast<pqxx::result::size_type>(size - 1)];
            response.set_next_page_token(
                MakeTimeAndId(kAccountsScope, last[3].as<std::int64_t>(), last[0].c_str()));
            break;
          }
          *response.add_twilio_accounts() = ReadAccount(row);
        }
        return response;
      });
}

absl::StatusOr<v1::TwilioAccount> GetTwilioAccount(Services& services, rpc::CallContext& call,
                                                   const v1::GetTwilioAccountRequest& request) {
  return services.worker.Read<v1::TwilioAccount>(
      [&](pqxx::work& tx) { return LoadAccount(tx, call.organization_id, request.account_sid()); });
}

}  // namespace parley::gateway::api
