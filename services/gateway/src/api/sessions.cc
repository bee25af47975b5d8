#include <algorithm>

#include "api/handlers.h"
#include "api/transaction.h"
#include "auth/authenticator.h"
#include "domain/role.h"
#include "domain/validation.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/credential.h"
#include "store/resources.h"

namespace parley::gateway::api {
namespace {

constexpr std::chrono::seconds kTicketValid{60};

absl::Status WrongCredentials() {
  return ErrorStatus(absl::StatusCode::kUnauthenticated, "WRONG_CREDENTIALS",
                     "Email address or password is wrong.");
}

absl::Status TooManyTries(rpc::CallContext& call, std::chrono::seconds wait) {
  call.response_headers.emplace_back("Retry-After", std::to_string(wait.count()));
  return ErrorStatus(absl::StatusCode::kResourceExhausted, "TOO_MANY_TRIES",
                     "Too many wrong passwords; try again in " +
                         std::to_string((wait.count() + 59) / 60) + " minutes.");
}

struct Account {
  std::string user_id;
  std::string password_hash;
};

absl::StatusOr<Account> FindUser(Services& services, const std::string& email) {
  return services.worker.Read<Account>([&](pqxx::work& tx) -> absl::StatusOr<Account> {
    const pqxx::result found =
        tx.exec_params("SELECT id, password_hash FROM users WHERE email = $1", email);
    if (found.empty()) return Account{};
    return Account{found[0][0].c_str(), found[0][1].c_str()};
  });
}

// Takes as long for an unknown address as for a wrong password, so that time tells nothing.
bool PasswordFits(const Account& account, const Secret& password) {
  static const std::string nobody = crypto::HashPassword(Secret("nobody has this password"));
  const bool fits =
      crypto::VerifyPassword(password, account.user_id.empty() ? nobody : account.password_hash);
  return fits && !account.user_id.empty();
}

// Row: user id, email, user's name, organization id, its name, its creation, role, end of session.
constexpr char kSessionSelect[] =
    "SELECT u.id, u.email, u.display_name, o.id, o.display_name,"
    " (extract(epoch FROM o.created_at) * 1000000)::bigint, m.role,"
    " (extract(epoch FROM s.expires_at) * 1000000)::bigint"
    " FROM sessions s JOIN users u ON u.id = s.user_id"
    " JOIN organizations o ON o.id = s.organization_id"
    " JOIN memberships m ON m.organization_id = s.organization_id AND m.user_id = s.user_id"
    " WHERE s.token_hash = $1";

v1::Session ReadSession(const pqxx::row& row) {
  v1::Session session;
  session.mutable_user()->set_id(row[0].c_str());
  session.mutable_user()->set_email(row[1].c_str());
  session.mutable_user()->set_display_name(row[2].c_str());
  session.mutable_organization()->set_id(row[3].c_str());
  session.mutable_organization()->set_display_name(row[4].c_str());
  *session.mutable_organization()->mutable_create_time() =
      store::ToTimestamp(FromMicros(row[5].as<std::int64_t>()));
  session.set_role(ParseRole(row[6].c_str()));
  *session.mutable_expire_time() = store::ToTimestamp(FromMicros(row[7].as<std::int64_t>()));
  return session;
}

// The organization asked for, else the one used last, else any; empty if there is none.
std::string PickOrganization(pqxx::work& tx, const std::string& user_id,
                             const std::string& wanted) {
  const pqxx::result found = tx.exec_params(
      "SELECT m.organization_id FROM memberships m JOIN users u ON u.id = m.user_id"
      " WHERE m.user_id = $1 AND ($2 = '' OR m.organization_id::text = $2)"
      " ORDER BY m.organization_id = u.last_organization_id DESC NULLS LAST, m.organization_id"
      " LIMIT 1",
      user_id, wanted);
  return found.empty() ? std::string() : found[0][0].c_str();
}

absl::StatusOr<v1::Session> StartSession(Services& services, rpc::CallContext& call,
                                         const std::string& wanted, const std::string& token) {
  return services.worker.Read<v1::Session>([&](pqxx::work& tx) -> absl::StatusOr<v1::Session> {
    call.organization_id = PickOrganization(tx, call.user_id, wanted);
    if (call.organization_id.empty()) {
      return ErrorStatus(absl::StatusCode::kPermissionDenied, "NOT_A_MEMBER",
                         "You belong to no such organization; ask one of its owners.");
    }
    tx.exec_params0("DELETE FROM sessions WHERE user_id = $1 AND expires_at < now()", call.user_id);
    tx.exec_params0(
        "INSERT INTO sessions (token_hash, user_id, organization_id, expires_at)"
        " VALUES ($1, $2, $3, now() + $4 * interval '1 second')",
        crypto::HashToken(token), call.user_id, call.organization_id,
        services.options.session_valid.count());
    tx.exec_params0("UPDATE users SET last_organization_id = $2 WHERE id = $1", call.user_id,
                    call.organization_id);
    RecordAudit(tx, call, "session.create", "user:" + call.user_id);
    return ReadSession(tx.exec_params1(kSessionSelect, crypto::HashToken(token)));
  });
}

}  // namespace

absl::StatusOr<v1::CreateSessionResponse> CreateSession(Services& services, rpc::CallContext& call,
                                                        const v1::CreateSessionRequest& request) {
  const std::string email = Lower(Trim(request.email()));
  PARLEY_RETURN_IF_ERROR(
      FirstProblem({CheckText("email", email, {1, kEmailMax}),
                    CheckText("password", request.password(), {1, kPasswordBytesMax}),
                    CheckChosenId("organizationId", request.organization_id())}));
  const std::string key = call.remote_address + "/" + email;
  const auto wait = services.login_throttle.WaitFor(key, services.clock.Now());
  if (wait.count() > 0) return TooManyTries(call, wait);

  // Outside any transaction: argon2id takes a tenth of a second.
  PARLEY_ASSIGN_OR_RETURN(const Account account, FindUser(services, email));
  if (!PasswordFits(account, Secret(request.password()))) {
    services.login_throttle.Failed(key, services.clock.Now());
    return WrongCredentials();
  }
  services.login_throttle.Succeeded(key);

  v1::CreateSessionResponse response;
  call.user_id = account.user_id;
  response.set_token(std::string(crypto::NewToken(kSessionPrefix).Reveal()));
  PARLEY_ASSIGN_OR_RETURN(
      *response.mutable_session(),
      StartSession(services, call, Lower(request.organization_id()), response.token()));
  call.response_headers.emplace_back("Set-Cookie",
                                     SetCookieHeader({.token = response.token(),
                                                      .valid = services.options.session_valid,
                                                      .secure = services.options.cookie_secure}));
  return response;
}

absl::StatusOr<v1::Session> GetCurrentSession(Services& services, rpc::CallContext& call,
                                              const v1::GetCurrentSessionRequest&) {
  return services.worker.Read<v1::Session>([&](pqxx::work& tx) -> absl::StatusOr<v1::Session> {
    if (!call.user_id.empty()) {
      return ReadSession(tx.exec_params1(kSessionSelect, crypto::HashToken(call.credential)));
    }
    const pqxx::row row = tx.exec_params1(
        "SELECT o.id, o.display_name, (extract(epoch FROM o.created_at) * 1000000)::bigint, k.role"
        " FROM organizations o JOIN api_keys k ON k.organization_id = o.id"
        " WHERE o.id = $1 AND k.id = $2",
        call.organization_id, call.api_key_id);
    v1::Session session;
    session.mutable_organization()->set_id(row[0].c_str());
    session.mutable_organization()->set_display_name(row[1].c_str());
    *session.mutable_organization()->mutable_create_time() =
        store::ToTimestamp(FromMicros(row[2].as<std::int64_t>()));
    session.set_role(ParseRole(row[3].c_str()));
    return session;
  });
}

absl::StatusOr<Empty> DeleteCurrentSession(Services& services, rpc::CallContext& call,
                                           const v1::DeleteCurrentSessionRequest&) {
  if (call.user_id.empty()) {
    return FailedPrecondition("NOT_A_SESSION",
                              "An API key has no session; revoke the key to end its access.");
  }
  PARLEY_RETURN_IF_ERROR(services.worker.Transact([&](pqxx::work& tx) -> absl::Status {
    tx.exec_params0("DELETE FROM sessions WHERE token_hash = $1",
                    crypto::HashToken(call.credential));
    RecordAudit(tx, call, "session.delete", "user:" + call.user_id);
    return absl::OkStatus();
  }));
  call.response_headers.emplace_back("Set-Cookie",
                                     SetCookieHeader({.secure = services.options.cookie_secure}));
  return Empty();
}

absl::StatusOr<v1::LiveTicket> CreateLiveTicket(Services& services, rpc::CallContext& call,
                                                const v1::CreateLiveTicketRequest&) {
  v1::LiveTicket ticket;
  ticket.set_ticket(NewLiveTicket(call.organization_id));
  const Time end = services.clock.Now() + kTicketValid;
  *ticket.mutable_expire_time() = store::ToTimestamp(end);
  PARLEY_RETURN_IF_ERROR(InOrganization(services, call, [&](pqxx::work& tx) -> absl::Status {
    tx.exec_params0(
        "INSERT INTO live_tickets (organization_id, token_hash, expires_at, credential)"
        " VALUES ($1, $2, $3, $4)",
        call.organization_id, crypto::HashToken(ticket.ticket()), FormatTime(end),
        TicketCredential(call));
    return absl::OkStatus();
  }));
  return ticket;
}

}  // namespace parley::gateway::api
