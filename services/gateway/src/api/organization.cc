#include <nlohmann/json.hpp>

#include "api/handlers.h"
#include "api/transaction.h"
#include "auth/authenticator.h"
#include "domain/field_mask.h"
#include "domain/page.h"
#include "domain/validation.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/crypto/credential.h"
#include "store/directory.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

constexpr std::size_t kPrefixChars = kApiKeyPrefix.size() + 5;
constexpr char kApiKeysScope[] = "apiKeys";
constexpr std::string_view kPolicyResend = "resend";
constexpr int kUnconfirmedAfterMinutesMax = 24 * 60;

absl::StatusOr<v1::Organization> LoadOrganization(pqxx::work& tx, const rpc::CallContext& call) {
  const pqxx::result found = tx.exec_params(
      "SELECT id, display_name, (extract(epoch FROM created_at) * 1000000)::bigint,"
      " consent_scope, unconfirmed_policy, unconfirmed_after_minutes"
      " FROM organizations WHERE id = $1",
      call.organization_id);
  if (found.empty()) return NotFound("ORGANIZATION_NOT_FOUND", "Your organization is gone.");
  v1::Organization organization;
  organization.set_id(found[0][0].c_str());
  organization.set_display_name(found[0][1].c_str());
  *organization.mutable_create_time() =
      store::ToTimestamp(FromMicros(found[0][2].as<std::int64_t>()));
  organization.set_consent_scope(found[0][3].c_str() == std::string_view("sender")
                                     ? v1::CONSENT_SCOPE_SENDER
                                     : v1::CONSENT_SCOPE_ORGANIZATION);
  organization.set_unconfirmed_policy(found[0][4].c_str() == kPolicyResend
                                          ? v1::Organization::UNCONFIRMED_POLICY_RESEND
                                          : v1::Organization::UNCONFIRMED_POLICY_ASK);
  organization.set_unconfirmed_after_minutes(found[0][5].as<int>());
  return organization;
}

// All numbers of the organization say it in the directory, for the sender.
absl::Status SaveConsentScope(pqxx::work& tx, const rpc::CallContext& call,
                              v1::ConsentScope scope) {
  if (scope == v1::CONSENT_SCOPE_UNSPECIFIED) return absl::OkStatus();
  tx.exec_params0("UPDATE organizations SET consent_scope = $2 WHERE id = $1", call.organization_id,
                  scope == v1::CONSENT_SCOPE_SENDER ? "sender" : "organization");
  AsWorker worker(tx);
  for (const pqxx::row& row :
       tx.exec_params("SELECT account_sid, number FROM number_claims WHERE organization_id = $1"
                      " ORDER BY account_sid, number",
                      call.organization_id)) {
    PARLEY_RETURN_IF_ERROR(store::PutNumber(tx, row[0].c_str(), row[1].c_str()));
  }
  worker.Done();
  return absl::OkStatus();
}

void SaveUnconfirmed(pqxx::work& tx, const rpc::CallContext& call, const v1::Organization& wanted,
                     const std::set<std::string>& fields) {
  if (fields.contains("unconfirmed_policy") &&
      wanted.unconfirmed_policy() != v1::Organization::UNCONFIRMED_POLICY_UNSPECIFIED) {
    tx.exec_params0(
        "UPDATE organizations SET unconfirmed_policy = $2 WHERE id = $1", call.organization_id,
        wanted.unconfirmed_policy() == v1::Organization::UNCONFIRMED_POLICY_RESEND ? "resend"
                                                                                   : "ask");
  }
  if (fields.contains("unconfirmed_after_minutes") && wanted.unconfirmed_after_minutes() != 0) {
    tx.exec_params0("UPDATE organizations SET unconfirmed_after_minutes = $2 WHERE id = $1",
                    call.organization_id, wanted.unconfirmed_after_minutes());
  }
}

v1::ApiKey ReadApiKey(const pqxx::row& row) {
  v1::ApiKey key;
  key.set_id(row[0].c_str());
  key.set_display_name(row[1].c_str());
  key.set_prefix(row[2].c_str());
  *key.mutable_create_time() = store::ToTimestamp(FromMicros(row[3].as<std::int64_t>()));
  return key;
}

}  // namespace

absl::StatusOr<v1::Organization> GetOrganization(Services& services, rpc::CallContext& call,
                                                 const v1::GetOrganizationRequest&) {
  return Read<v1::Organization>(services, call,
                                [&](pqxx::work& tx) { return LoadOrganization(tx, call); });
}

absl::StatusOr<v1::Organization> UpdateOrganization(Services& services, rpc::CallContext& call,
                                                    const v1::UpdateOrganizationRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const std::set<std::string> fields,
                          FieldsToUpdate(request.organization(), request.update_mask()));
  const v1::Organization& wanted = request.organization();
  if (fields.contains("display_name")) {
    PARLEY_RETURN_IF_ERROR(CheckText("displayName", wanted.display_name(), {1, kNameMax}));
  }
  if (!v1::ConsentScope_IsValid(wanted.consent_scope())) {
    return InvalidArgument("VALUE_OUT_OF_RANGE", "consentScope is unknown.");
  }
  if (!v1::Organization::UnconfirmedPolicy_IsValid(wanted.unconfirmed_policy())) {
    return InvalidArgument("VALUE_OUT_OF_RANGE", "unconfirmedPolicy is unknown.");
  }
  if (wanted.unconfirmed_after_minutes() < 0 ||
      wanted.unconfirmed_after_minutes() > kUnconfirmedAfterMinutesMax) {
    return InvalidArgument("VALUE_OUT_OF_RANGE", "unconfirmedAfterMinutes must be 1 to 1440.");
  }
  using Result = absl::StatusOr<v1::Organization>;
  return Write<v1::Organization>(services, call, request, [&](pqxx::work& tx) -> Result {
    if (fields.contains("display_name")) {
      tx.exec_params0("UPDATE organizations SET display_name = $2 WHERE id = $1",
                      call.organization_id, wanted.display_name());
    }
    if (fields.contains("consent_scope")) {
      PARLEY_RETURN_IF_ERROR(SaveConsentScope(tx, call, wanted.consent_scope()));
    }
    SaveUnconfirmed(tx, call, wanted, fields);
    RecordAudit(tx, call, "organization.update", "organization:" + call.organization_id,
                {{"fields", fields}});
    return LoadOrganization(tx, call);
  });
}

absl::StatusOr<v1::CreateApiKeyResponse> CreateApiKey(Services& services, rpc::CallContext& call,
                                                      const v1::CreateApiKeyRequest& request) {
  PARLEY_RETURN_IF_ERROR(CheckText("displayName", request.display_name(), {1, kNameMax}));
  const auto create = [&](pqxx::work& tx) -> absl::StatusOr<v1::CreateApiKeyResponse> {
    v1::CreateApiKeyResponse response;
    response.set_secret(std::string(crypto::NewToken(kApiKeyPrefix).Reveal()));
    const std::string id = NewId();
    *response.mutable_api_key() = ReadApiKey(
        tx.exec_params1("INSERT INTO api_keys (key_hash, id, organization_id, display_name, prefix)"
                        " VALUES ($1, $2, $3, $4, $5) RETURNING id, display_name, prefix,"
                        " (extract(epoch FROM created_at) * 1000000)::bigint",
                        crypto::HashToken(response.secret()), id, call.organization_id,
                        request.display_name(), response.secret().substr(0, kPrefixChars)));
    RecordAudit(tx, call, "api_key.create", "api_key:" + id);
    return response;
  };
  return Write<v1::CreateApiKeyResponse>(services, call, request, create, Keep::kSealed);
}

absl::StatusOr<v1::ListApiKeysResponse> ListApiKeys(Services& services, rpc::CallContext& call,
                                                    const v1::ListApiKeysRequest& request) {
  PARLEY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  PARLEY_ASSIGN_OR_RETURN(const auto position,
                          ReadPageToken(kApiKeysScope, request.page_token(), 1));
  const std::string before = position.empty() ? "" : position[0];
  return Read<v1::ListApiKeysResponse>(
      services, call, [&](pqxx::work& tx) -> absl::StatusOr<v1::ListApiKeysResponse> {
        // Ids are UUIDv7, so their order is that of time.
        const pqxx::result rows = tx.exec_params(
            "SELECT id, display_name, prefix, (extract(epoch FROM created_at) * 1000000)::bigint"
            " FROM api_keys WHERE organization_id = $1 AND revoked_at IS NULL"
            " AND ($2 = '' OR id < nullif($2, '')::uuid) ORDER BY id DESC LIMIT $3",
            call.organization_id, before, size + 1);
        v1::ListApiKeysResponse response;
        for (const pqxx::row& row : rows) {
          if (response.api_keys_size() == size) {
            response.set_next_page_token(
                MakePageToken(kApiKeysScope, {response.api_keys(size - 1).id()}));
            break;
          }
          *response.add_api_keys() = ReadApiKey(row);
        }
        return response;
      });
}

absl::StatusOr<Empty> DeleteApiKey(Services& services, rpc::CallContext& call,
                                   const v1::DeleteApiKeyRequest& request) {
  return Write<Empty>(services, call, request, [&](pqxx::work& tx) -> absl::StatusOr<Empty> {
    const pqxx::result revoked = tx.exec_params(
        "UPDATE api_keys SET revoked_at = now()"
        " WHERE organization_id = $1 AND id::text = $2 AND revoked_at IS NULL RETURNING id",
        call.organization_id, request.api_key_id());
    if (revoked.empty()) {
      return NotFound("API_KEY_NOT_FOUND", "There is no API key with this id.");
    }
    RecordAudit(tx, call, "api_key.delete", "api_key:" + request.api_key_id());
    return Empty();
  });
}

}  // namespace parley::gateway::api
