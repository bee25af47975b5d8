#include "auth/authenticator.h"

#include "domain/role.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/crypto/credential.h"

namespace parley::gateway {
namespace {

constexpr std::size_t kCredentialBytesMax = 512;
constexpr std::size_t kUuidChars = 36;
constexpr std::string_view kOfApiKey = "api_key";
constexpr std::string_view kOfSession = "session";

absl::Status Invalid() {
  return ErrorStatus(absl::StatusCode::kUnauthenticated, "CREDENTIAL_INVALID",
                     "This session or API key is unknown, expired or revoked. Log in again.");
}

absl::Status InvalidTicket() {
  return ErrorStatus(absl::StatusCode::kUnauthenticated, "TICKET_INVALID",
                     "This ticket is unknown, used or older than a minute. Ask for a new one.");
}

}  // namespace

absl::Status Authenticator::Authenticate(rpc::CallContext& call) const {
  if (call.credential.empty()) {
    return ErrorStatus(absl::StatusCode::kUnauthenticated, "CREDENTIAL_MISSING",
                       "Log in, or send \"Authorization: Bearer\" with an API key.");
  }
  if (call.credential.size() > kCredentialBytesMax) return Invalid();
  if (call.credential.starts_with(kApiKeyPrefix)) return AuthenticateApiKey(call);
  return AuthenticateSession(call);
}

absl::Status Authenticator::AuthenticateSession(rpc::CallContext& call) const {
  return worker_.Transact([&](pqxx::work& tx) -> absl::Status {
    const pqxx::result found = tx.exec_params(
        "SELECT s.organization_id, s.user_id, m.role FROM sessions s"
        " JOIN memberships m ON m.organization_id = s.organization_id AND m.user_id = s.user_id"
        " WHERE s.token_hash = $1 AND s.expires_at > now()",
        crypto::HashToken(call.credential));
    if (found.empty()) return Invalid();
    call.organization_id = found[0][0].c_str();
    call.user_id = found[0][1].c_str();
    call.access = AccessOf(found[0][2].c_str());
    return absl::OkStatus();
  });
}

absl::Status Authenticator::AuthenticateApiKey(rpc::CallContext& call) const {
  return worker_.Transact([&](pqxx::work& tx) -> absl::Status {
    const pqxx::result found = tx.exec_params(
        "SELECT organization_id, id, role FROM api_keys WHERE key_hash = $1 AND revoked_at IS NULL",
        crypto::HashToken(call.credential));
    if (found.empty()) return Invalid();
    call.organization_id = found[0][0].c_str();
    call.api_key_id = found[0][1].c_str();
    call.access = AccessOf(found[0][2].c_str());
    return absl::OkStatus();
  });
}

absl::StatusOr<Authenticator::TicketOwner> Authenticator::TakeLiveTicket(
    std::string_view ticket) const {
  const std::string organization_id(ticket.substr(0, kUuidChars));
  if (ticket.size() > kCredentialBytesMax || !IsUuid(organization_id)) return InvalidTicket();
  return worker_.Read<TicketOwner>([&](pqxx::work& tx) -> absl::StatusOr<TicketOwner> {
    const pqxx::result taken = tx.exec_params(
        "DELETE FROM live_tickets WHERE organization_id = $1 AND token_hash = $2"
        " RETURNING expires_at > now(), credential",
        organization_id, crypto::HashToken(ticket));
    if (taken.empty() || !taken[0][0].as<bool>()) return InvalidTicket();
    return TicketOwner{organization_id, taken[0][1].c_str()};
  });
}

absl::StatusOr<std::string> Authenticator::CheckTicketCredential(
    std::string_view credential) const {
  const auto colon = credential.find(':');
  if (colon == std::string_view::npos) return Invalid();
  const bool is_key = credential.substr(0, colon) == kOfApiKey;
  return worker_.Read<std::string>([&](pqxx::work& tx) -> absl::StatusOr<std::string> {
    const pqxx::result found = tx.exec_params(
        is_key ? "SELECT organization_id FROM api_keys WHERE id::text = $1 AND revoked_at IS NULL"
               : "SELECT s.organization_id FROM sessions s JOIN memberships m"
                 " ON m.organization_id = s.organization_id AND m.user_id = s.user_id"
                 " WHERE s.token_hash = $1 AND s.expires_at > now()",
        std::string(credential.substr(colon + 1)));
    if (found.empty()) return Invalid();
    return std::string(found[0][0].c_str());
  });
}

std::string TicketCredential(const rpc::CallContext& call) {
  if (!call.api_key_id.empty()) return std::string(kOfApiKey) + ":" + call.api_key_id;
  return std::string(kOfSession) + ":" + crypto::HashToken(call.credential);
}

std::string NewLiveTicket(std::string_view organization_id) {
  return std::string(crypto::NewToken(organization_id).Reveal());
}

rpc::Access AccessOf(std::string_view role_name) {
  switch (ParseRole(role_name)) {
    case v1::ROLE_OWNER:
      return rpc::Access::kOwner;
    case v1::ROLE_ADMIN:
      return rpc::Access::kAdmin;
    case v1::ROLE_AGENT:
      return rpc::Access::kAgent;
    case v1::ROLE_VIEWER:
      return rpc::Access::kViewer;
    default:
      return rpc::Access::kPublic;
  }
}

std::string SetCookieHeader(const SessionCookie& cookie) {
  std::string header(kSessionCookie);
  header.append("=").append(cookie.token).append("; Path=/; HttpOnly; SameSite=Lax; Max-Age=");
  header.append(std::to_string(cookie.token.empty() ? 0 : cookie.valid.count()));
  if (cookie.secure) header.append("; Secure");
  return header;
}

}  // namespace parley::gateway
