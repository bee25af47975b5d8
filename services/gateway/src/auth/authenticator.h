// Who is calling: session tokens, API keys and live tickets. Only their hashes are stored, so a
// look at the database opens nothing. Every call asks the database, so that what was revoked is
// worthless at once.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/postgres/pool.h"
#include "libs/rpc/method_table.h"

namespace parley::gateway {

// Prefixes tell people, and scanners for leaked secrets, what a token is.
inline constexpr std::string_view kSessionPrefix = "parley_session";
inline constexpr std::string_view kApiKeyPrefix = "parley_key";
inline constexpr std::string_view kSessionCookie = "parley_session";

// Thread-safe.
class Authenticator {
 public:
  // `worker` runs as gateway_worker; it must outlive this.
  explicit Authenticator(postgres::Pool& worker) : worker_(worker) {}

  // Fills in organization, user and access from `call.credential`. Errors: kUnauthenticated
  // CREDENTIAL_MISSING or CREDENTIAL_INVALID (unknown, expired, revoked); kUnavailable.
  absl::Status Authenticate(rpc::CallContext& call) const;

  // Uses a live ticket up: whose it is, and what it was made with. Errors: kUnauthenticated
  // TICKET_INVALID.
  struct TicketOwner {
    std::string organization_id;
    std::string credential;  // As TicketCredential makes it.
  };
  absl::StatusOr<TicketOwner> TakeLiveTicket(std::string_view ticket) const;

  // The organization of the session or API key that a ticket was made with, while it is valid.
  // Errors: kUnauthenticated CREDENTIAL_INVALID; kUnavailable.
  absl::StatusOr<std::string> CheckTicketCredential(std::string_view credential) const;

 private:
  absl::Status AuthenticateSession(rpc::CallContext& call) const;
  absl::Status AuthenticateApiKey(rpc::CallContext& call) const;

  postgres::Pool& worker_;
};

// Names the caller's session or API key, without opening it: "session:<hash>", "api_key:<id>".
std::string TicketCredential(const rpc::CallContext& call);

// A new ticket, which names its organization so that it can be found; its hash is what is stored.
std::string NewLiveTicket(std::string_view organization_id);

// "owner" … as the level of access that methods ask for.
rpc::Access AccessOf(std::string_view role_name);

// The Set-Cookie header of a new session, or the one that clears it (empty token).
struct SessionCookie {
  std::string token;
  std::chrono::seconds valid{0};
  bool secure = false;
};
std::string SetCookieHeader(const SessionCookie& cookie);

}  // namespace parley::gateway
