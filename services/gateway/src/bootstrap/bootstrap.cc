#include "bootstrap/bootstrap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>

#include "api/accounts.h"
#include "api/handlers.h"
#include "auth/authenticator.h"
#include "domain/validation.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/credential.h"

namespace parley::gateway::bootstrap {
namespace {

using nlohmann::json;

constexpr char kOrganizationName[] = "My organization";
constexpr char kKeyName[] = "First key";
constexpr char kChannelName[] = "Main number";

std::string Known(const json& known, const char* name) {
  const auto found = known.find(name);
  return found != known.end() && found->is_string() ? found->get<std::string>() : std::string();
}

struct Owner {
  std::string user_id;
  std::string organization_id;
  std::string password_hash;
};

absl::StatusOr<std::optional<Owner>> FindOwner(api::Services& services, const std::string& email) {
  return services.worker.Read<std::optional<Owner>>(
      [&](pqxx::work& tx) -> absl::StatusOr<std::optional<Owner>> {
        const pqxx::result found = tx.exec_params(
            "SELECT u.id, m.organization_id, u.password_hash FROM users u"
            " JOIN memberships m ON m.user_id = u.id AND m.role = 'owner'"
            " WHERE u.email = $1 ORDER BY m.organization_id LIMIT 1",
            email);
        if (found.empty()) return std::nullopt;
        return Owner{found[0][0].c_str(), found[0][1].c_str(), found[0][2].c_str()};
      });
}

absl::StatusOr<Owner> CreateOwner(api::Services& services, const std::string& email,
                                  const Secret& password) {
  const Owner owner{NewId(), NewId(), crypto::HashPassword(password)};
  PARLEY_RETURN_IF_ERROR(services.worker.Transact([&](pqxx::work& tx) -> absl::Status {
    tx.exec_params0("INSERT INTO organizations (id, display_name) VALUES ($1, $2)",
                    owner.organization_id, kOrganizationName);
    tx.exec_params0("INSERT INTO users (id, email, password_hash) VALUES ($1, $2, $3)",
                    owner.user_id, email, owner.password_hash);
    tx.exec_params0(
        "INSERT INTO memberships (organization_id, user_id, role) VALUES ($1, $2, 'owner')",
        owner.organization_id, owner.user_id);
    return absl::OkStatus();
  }));
  return owner;
}

absl::Status SetPassword(api::Services& services, const Owner& owner, const Secret& password) {
  const std::string hash = crypto::HashPassword(password);
  return services.worker.Transact([&](pqxx::work& tx) -> absl::Status {
    tx.exec_params0("UPDATE users SET password_hash = $2 WHERE id = $1", owner.user_id, hash);
    return absl::OkStatus();
  });
}

// Finds or makes the owner; `password` becomes one that works.
absl::StatusOr<Owner> EnsureOwner(api::Services& services, const std::string& email,
                                  std::string& password) {
  PARLEY_ASSIGN_OR_RETURN(const std::optional<Owner> found, FindOwner(services, email));
  if (found && !password.empty() &&
      crypto::VerifyPassword(Secret(password), found->password_hash)) {
    return *found;
  }
  password = crypto::NewToken("pw").Reveal();
  if (!found) return CreateOwner(services, email, Secret(password));
  PARLEY_RETURN_IF_ERROR(SetPassword(services, *found, Secret(password)));
  return *found;
}

absl::StatusOr<std::string> EnsureApiKey(api::Services& services, rpc::CallContext& call,
                                         const std::string& known) {
  rpc::CallContext caller;
  caller.credential = known;
  const absl::Status works = Authenticator(services.worker).Authenticate(caller);
  if (works.ok() && caller.organization_id == call.organization_id) return known;
  if (absl::IsUnavailable(works)) return works;
  v1::CreateApiKeyRequest request;
  request.set_display_name(kKeyName);
  PARLEY_ASSIGN_OR_RETURN(const v1::CreateApiKeyResponse response,
                          api::CreateApiKey(services, call, request));
  return response.secret();
}

// Connects the account unless it is there with this very token: a repeat must not need Twilio.
absl::Status EnsureAccount(api::Services& services, rpc::CallContext& call, const Wanted& wanted) {
  const auto stored = api::LoadLogin(services, call.organization_id, wanted.account_sid);
  if (stored.ok() && stored->auth_token == wanted.auth_token) return absl::OkStatus();
  if (absl::IsUnavailable(stored.status())) return stored.status();
  v1::ConnectTwilioAccountRequest request;
  request.set_account_sid(wanted.account_sid);
  request.set_auth_token(std::string(wanted.auth_token.Reveal()));
  request.set_phone_number(wanted.phone_number);
  return api::ConnectTwilioAccount(services, call, request).status();
}

absl::StatusOr<std::string> FindChannel(api::Services& services, rpc::CallContext& call,
                                        const std::string& number) {
  v1::ListChannelsRequest request;
  do {
    PARLEY_ASSIGN_OR_RETURN(const v1::ListChannelsResponse page,
                            api::ListChannels(services, call, request));
    for (const v1::Channel& channel : page.channels()) {
      if (channel.phone_number() == number) return channel.id();
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return std::string();
}

absl::StatusOr<std::string> EnsureChannel(api::Services& services, rpc::CallContext& call,
                                          const Wanted& wanted) {
  PARLEY_ASSIGN_OR_RETURN(std::string id, FindChannel(services, call, wanted.phone_number));
  if (!id.empty()) return id;
  v1::CreateChannelRequest request;
  v1::Channel& channel = *request.mutable_channel();
  channel.set_display_name(kChannelName);
  channel.set_phone_number(wanted.phone_number);
  channel.set_account_sid(wanted.account_sid);
  channel.add_media(v1::MEDIUM_SMS);
  channel.add_media(v1::MEDIUM_WHATSAPP);
  channel.add_media(v1::MEDIUM_VOICE);
  PARLEY_ASSIGN_OR_RETURN(const v1::Channel created, api::CreateChannel(services, call, request));
  return created.id();
}

// On each run: a simulator that was started anew has forgotten it.
absl::Status PointNumber(api::Services& services, rpc::CallContext& call, const Wanted& wanted,
                         const std::string& channel_id) {
  PARLEY_ASSIGN_OR_RETURN(const api::KnownLogin known,
                          api::LoadKnownLogin(services, call.organization_id, wanted.account_sid));
  if (known.kind == v1::TwilioAccount::KIND_TEST) return absl::OkStatus();
  v1::GetChannelRequest request;
  request.set_channel_id(channel_id);
  PARLEY_ASSIGN_OR_RETURN(const v1::Channel channel, api::GetChannel(services, call, request));
  return api::PointNumberHere(services, known, {wanted.phone_number, channel.public_url()});
}

}  // namespace

absl::StatusOr<json> Run(api::Services& services, const Wanted& wanted, const json& known) {
  const std::string email = Lower(Trim(wanted.email));
  PARLEY_RETURN_IF_ERROR(CheckEmail("PARLEY_BOOTSTRAP_EMAIL", email));
  std::string password = Known(known, "email") == email ? Known(known, "password") : "";
  PARLEY_ASSIGN_OR_RETURN(const Owner owner, EnsureOwner(services, email, password));

  rpc::CallContext call;  // Without user and key: the audit log says "system".
  call.organization_id = owner.organization_id;
  call.access = rpc::Access::kOwner;
  call.method = "bootstrap";
  PARLEY_ASSIGN_OR_RETURN(const std::string api_key,
                          EnsureApiKey(services, call, Known(known, "api_key")));
  json result = {{"organization_id", owner.organization_id},
                 {"email", email},
                 {"password", password},
                 {"api_key", api_key},
                 {"account_sid", wanted.account_sid},
                 {"auth_token", std::string(wanted.auth_token.Reveal())},
                 {"phone_number", wanted.phone_number},
                 {"channel_id", ""}};
  if (wanted.account_sid.empty()) return result;
  PARLEY_RETURN_IF_ERROR(EnsureAccount(services, call, wanted));
  if (wanted.phone_number.empty()) return result;
  PARLEY_ASSIGN_OR_RETURN(const std::string channel_id, EnsureChannel(services, call, wanted));
  result["channel_id"] = channel_id;
  if (services.options.configure_webhooks) {
    PARLEY_RETURN_IF_ERROR(PointNumber(services, call, wanted, channel_id));
  }
  return result;
}

absl::StatusOr<json> ReadCredentials(const std::string& path) {
  std::ifstream file(path);
  if (!file) return json::object();
  json known = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (known.is_object()) return known;
  return InvalidArgument("CREDENTIALS_UNREADABLE",
                         path + " is not the file that an earlier run wrote; move it away.");
}

absl::Status WriteCredentials(const std::string& path, const json& credentials) {
  PARLEY_ASSIGN_OR_RETURN(json all, ReadCredentials(path));
  all.update(credentials);
  const std::string text = all.dump(2) + "\n";
  // Beside it and renamed, so that nobody reads half of it; never readable by others.
  const std::string draft = path + ".new";
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) ::close(file);
  if (written && std::rename(draft.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return Unavailable("CREDENTIALS_NOT_WRITTEN", path + " cannot be written; check its folder.");
}

}  // namespace parley::gateway::bootstrap
