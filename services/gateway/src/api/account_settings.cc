#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/accounts.h"
#include "api/handlers.h"
#include "api/transaction.h"
#include "domain/field_mask.h"
#include "domain/validation.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/log.h"
#include "libs/twilio/url.h"
#include "store/directory.h"

namespace parley::gateway::api {
namespace {

constexpr std::size_t kAuthTokenBytesMax = 200;
// Numbers that one change of the account's public address points there: two calls of Twilio each,
// while the caller waits.
constexpr std::size_t kNumbersPointedMax = 50;

absl::Status NotTheOwner() {
  return FailedPrecondition("ACCOUNT_OF_ANOTHER_ORGANIZATION",
                            "The organization that connected this account first decides this.");
}

absl::Status NoSecondaryToken() {
  return FailedPrecondition("NO_SECONDARY_TOKEN",
                            "Store the secondary auth token first: setSecondaryAuthToken.");
}

// Locks the account for a change, as gateway_worker. Its first organization owns it.
absl::Status LockAccount(pqxx::work& tx, const rpc::CallContext& call,
                         const std::string& account_sid) {
  const pqxx::result links = tx.exec_params(
      "SELECT l.organization_id = $2 FROM account_credentials c JOIN account_links l"
      " USING (account_sid) WHERE c.account_sid = $1"
      " ORDER BY l.created_at, l.organization_id FOR UPDATE OF c",
      account_sid, call.organization_id);
  bool linked = false;
  for (const pqxx::row& row : links) linked = linked || row[0].as<bool>();
  if (!linked) {
    return NotFound("TWILIO_ACCOUNT_NOT_FOUND", "There is no connected account with this SID.");
  }
  return links[0][0].as<bool>() ? absl::OkStatus() : NotTheOwner();
}

// One change of an account: under its lock, told to the directory, in the audit log.
absl::StatusOr<v1::TwilioAccount> Change(Services& services, rpc::CallContext& call,
                                         const google::protobuf::Message& request,
                                         const std::string& account_sid, std::string_view action,
                                         const Body& body) {
  return Write<v1::TwilioAccount>(
      services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<v1::TwilioAccount> {
        AsWorker worker(tx);
        PARLEY_RETURN_IF_ERROR(LockAccount(tx, call, account_sid));
        PARLEY_RETURN_IF_ERROR(body(tx));
        PARLEY_RETURN_IF_ERROR(store::PutAccount(
            tx, account_sid,
            {.master = &services.master_keys, .directory = &services.directory_keys}));
        auto account = LoadAccount(tx, call.organization_id, account_sid);
        worker.Done();
        RecordAudit(tx, call, action, "twilio_account:" + account_sid);
        return account;
      });
}

// The stored secondary token; kFailedPrecondition NO_SECONDARY_TOKEN if there is none.
absl::StatusOr<Secret> SecondaryToken(Services& services, const rpc::CallContext& call,
                                      const std::string& account_sid) {
  std::string sealed;
  PARLEY_RETURN_IF_ERROR(services.worker.Transact([&](pqxx::work& tx) -> absl::Status {
    const pqxx::result found = tx.exec_params(
        "SELECT c.sealed_secondary_token FROM account_credentials c JOIN account_links l"
        " USING (account_sid) WHERE l.organization_id = $1 AND c.account_sid = $2",
        call.organization_id, account_sid);
    if (found.empty()) {
      return NotFound("TWILIO_ACCOUNT_NOT_FOUND", "There is no connected account with this SID.");
    }
    if (found[0][0].is_null()) return NoSecondaryToken();
    sealed = postgres::FromBytea(found[0][0].c_str());
    return absl::OkStatus();
  }));
  return services.master_keys.Open(sealed, {crypto::kTwilioToken, account_sid});
}

// Numbers whose webhooks go to the account's public address, of all organizations that it serves.
absl::StatusOr<std::vector<std::string>> NumbersAtAccountsUrl(Services& services,
                                                              const std::string& account_sid) {
  std::vector<std::string> numbers;
  PARLEY_RETURN_IF_ERROR(services.worker.Transact([&](pqxx::work& tx) {
    numbers.clear();
    for (const pqxx::row& row :
         tx.exec_params("SELECT DISTINCT ch.phone_number FROM account_links l"
                        " JOIN channels ch ON ch.organization_id = l.organization_id"
                        " AND ch.account_sid = l.account_sid"
                        " WHERE l.account_sid = $1 AND ch.deleted_at IS NULL AND NOT ch.unclaimed"
                        " AND ch.phone_number <> '' AND ch.public_url = '' ORDER BY 1 LIMIT $2",
                        account_sid, kNumbersPointedMax + 1)) {
      numbers.emplace_back(row[0].c_str());
    }
    return absl::OkStatus();
  }));
  return numbers;
}

// Best effort, as for channels: ./run doctor shows what is wrong.
absl::Status PointNumbers(Services& services, const rpc::CallContext& call,
                          const std::string& account_sid) {
  PARLEY_ASSIGN_OR_RETURN(const KnownLogin known,
                          LoadKnownLogin(services, call.organization_id, account_sid));
  PARLEY_ASSIGN_OR_RETURN(std::vector<std::string> numbers,
                          NumbersAtAccountsUrl(services, account_sid));
  if (numbers.size() > kNumbersPointedMax) {
    telemetry::Warning("not_all_numbers_pointed_here",
                       {{"account_sid", account_sid}, {"pointed", kNumbersPointedMax}});
    numbers.resize(kNumbersPointedMax);
  }
  for (const std::string& number : numbers) {
    const absl::Status status = PointNumberHere(services, known, {number, ""});
    if (IsRetryable(status)) return status;  // Nor would the others be.
    if (!status.ok()) {
      telemetry::Warning("number_not_pointed_here",
                         {{"number", MaskNumber(number)}, {"reason", ErrorReason(status)}});
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::TwilioAccount> UpdateTwilioAccount(
    Services& services, rpc::CallContext& call, const v1::UpdateTwilioAccountRequest& request) {
  const v1::TwilioAccount& wanted = request.twilio_account();
  PARLEY_ASSIGN_OR_RETURN(const std::set<std::string> fields,
                          FieldsToUpdate(wanted, request.update_mask()));
  if (!fields.contains("public_url")) {
    return InvalidArgument("EMPTY_UPDATE", "Nothing that can be changed was named.");
  }
  PARLEY_RETURN_IF_ERROR(
      CheckPublicUrl("publicUrl", wanted.public_url(), services.options.https_only));
  std::string public_url;
  if (!wanted.public_url().empty()) {
    PARLEY_ASSIGN_OR_RETURN(public_url, twilio::OriginAndPrefix(wanted.public_url()));
  }
  auto updated = Change(
      services, call, request, wanted.account_sid(), "twilio_account.update", [&](pqxx::work& tx) {
        tx.exec_params0("UPDATE account_credentials SET public_url = $2 WHERE account_sid = $1",
                        wanted.account_sid(), public_url);
        return absl::OkStatus();
      });
  if (updated.ok() && services.options.configure_webhooks &&
      updated->kind() != v1::TwilioAccount::KIND_TEST) {
    const absl::Status pointed = PointNumbers(services, call, wanted.account_sid());
    if (!pointed.ok()) {
      telemetry::Warning("numbers_not_pointed_here",
                         {{"account_sid", wanted.account_sid()}, {"reason", ErrorReason(pointed)}});
    }
  }
  return updated;
}

absl::StatusOr<v1::TwilioAccount> SetSecondaryAuthToken(
    Services& services, rpc::CallContext& call, const v1::SetSecondaryAuthTokenRequest& request) {
  const std::string& sid = request.account_sid();
  PARLEY_RETURN_IF_ERROR(CheckText("authToken", request.auth_token(), {1, kAuthTokenBytesMax}));
  // Known before Twilio is asked, so that nobody tries tokens of accounts that are not theirs.
  PARLEY_RETURN_IF_ERROR(LoadLogin(services, call.organization_id, sid).status());
  const Secret token(request.auth_token());
  PARLEY_RETURN_IF_ERROR(services.twilio.Check({sid, token}).status());
  const std::string sealed = services.master_keys.Seal(token, {crypto::kTwilioToken, sid});
  return Change(services, call, request, sid, "twilio_account.set_secondary_token",
                [&](pqxx::work& tx) {
                  tx.exec_params0(
                      "UPDATE account_credentials SET sealed_secondary_token = $2"
                      " WHERE account_sid = $1",
                      sid, postgres::Bytea(sealed));
                  return absl::OkStatus();
                });
}

absl::StatusOr<v1::TwilioAccount> PromoteSecondaryAuthToken(
    Services& services, rpc::CallContext& call,
    const v1::PromoteSecondaryAuthTokenRequest& request) {
  const std::string& sid = request.account_sid();
  PARLEY_ASSIGN_OR_RETURN(const Secret token, SecondaryToken(services, call, sid));
  PARLEY_RETURN_IF_ERROR(services.twilio.Check({sid, token}).status());
  return Change(services, call, request, sid, "twilio_account.promote_secondary_token",
                [&](pqxx::work& tx) -> absl::Status {
                  const bool promoted = tx.exec_params0(
                                              "UPDATE account_credentials SET verified_at = now(),"
                                              " sealed_auth_token = sealed_secondary_token,"
                                              " sealed_secondary_token = sealed_auth_token"
                                              " WHERE account_sid = $1"
                                              " AND sealed_secondary_token IS NOT NULL",
                                              sid)
                                            .affected_rows() > 0;
                  return promoted ? absl::OkStatus() : NoSecondaryToken();
                });
}

absl::StatusOr<v1::TwilioAccount> RemoveSecondaryAuthToken(
    Services& services, rpc::CallContext& call,
    const v1::RemoveSecondaryAuthTokenRequest& request) {
  const std::string& sid = request.account_sid();
  return Change(services, call, request, sid, "twilio_account.remove_secondary_token",
                [&](pqxx::work& tx) {
                  tx.exec_params0(
                      "UPDATE account_credentials SET sealed_secondary_token = NULL"
                      " WHERE account_sid = $1",
                      sid);
                  return absl::OkStatus();
                });
}

}  // namespace parley::gateway::api
