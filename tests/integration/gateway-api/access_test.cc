// Who may do what: log-in, sessions, keys, cookies, roles, and the wall between organizations.
#include <algorithm>
#include <set>

#include "libs/base/id.h"
#include "libs/crypto/credential.h"
#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class AccessTest : public GatewayTest {
 protected:
  Answer LogIn(const std::string& email, const std::string& password) {
    return gateway.Http({.method = "POST",
                         .path = "/v1/sessions",
                         .body = {{"email", email}, {"password", password}}});
  }
};

TEST_F(AccessTest, ALogInGivesATokenAndACookieUntilTheLogOut) {
  const Tenant tenant = gateway.NewTenant();
  const Answer answer = LogIn(tenant.email, tenant.password);
  ASSERT_EQ(answer.http_status, 200) << answer.body;
  const std::string token = answer.body["token"];
  EXPECT_EQ(answer.body["session"]["role"], "ROLE_OWNER");
  EXPECT_EQ(answer.body["session"]["organization"]["id"], tenant.organization_id);
  const std::string cookie = answer.headers.find("Set-Cookie")->second;
  EXPECT_TRUE(cookie.starts_with("parley_session=" + token + ";")) << cookie;
  EXPECT_NE(cookie.find("HttpOnly"), std::string::npos);

  const auto current = [&] {
    return gateway.Http({.method = "GET", .path = "/v1/sessions/current", .token = token});
  };
  EXPECT_EQ(current().body["user"]["email"], tenant.email);
  EXPECT_EQ(gateway.Query("SELECT count(*) FROM sessions WHERE token_hash = $1", {token}), "0")
      << "the token itself is never stored";
  const Answer out =
      gateway.Http({.method = "DELETE", .path = "/v1/sessions/current", .token = token});
  EXPECT_EQ(out.http_status, 200);
  EXPECT_NE(out.headers.find("Set-Cookie")->second.find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(current().reason, "CREDENTIAL_INVALID");
}

TEST_F(AccessTest, AnEmailAddressIsTheSameInAnyCase) {
  const Tenant tenant = gateway.NewTenant();
  std::string upper = tenant.email;
  std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
  EXPECT_EQ(LogIn(" " + upper, tenant.password).http_status, 200);
}

TEST_F(AccessTest, WrongPasswordsAreSlowedDownForThatAddressOnly) {
  const Tenant guessed = gateway.NewTenant();
  const Tenant other = gateway.NewTenant();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(LogIn(guessed.email, "wrong").reason, "WRONG_CREDENTIALS") << i;
  }
  const Answer refused = LogIn(guessed.email, guessed.password);
  EXPECT_EQ(refused.http_status, 429);
  EXPECT_EQ(refused.reason, "TOO_MANY_TRIES");
  ASSERT_EQ(refused.headers.count("Retry-After"), 1U);
  EXPECT_GT(std::stoi(refused.headers.find("Retry-After")->second), 0);
  EXPECT_EQ(LogIn(other.email, other.password).http_status, 200);
}

TEST_F(AccessTest, AnUnknownAddressIsRefusedLikeAWrongPassword) {
  const Tenant tenant = gateway.NewTenant();
  const Answer unknown = LogIn("nobody@example.com", "wrong");
  const Answer wrong = LogIn(tenant.email, "wrong");
  EXPECT_EQ(unknown.http_status, 401);
  EXPECT_EQ(unknown.body, wrong.body);
}

TEST_F(AccessTest, AnExpiredSessionIsWorthless) {
  const Tenant tenant = gateway.NewTenant();
  const std::string token = gateway.NewSession(tenant, "owner");
  gateway.Query("UPDATE sessions SET expires_at = now() WHERE token_hash = $1",
                {crypto::HashToken(token)});
  EXPECT_EQ(gateway.Http({.method = "GET", .path = "/v1/sessions/current", .token = token}).reason,
            "CREDENTIAL_INVALID");
}

TEST_F(AccessTest, WhoLeavesTheOrganizationIsOutAtOnce) {
  const Tenant tenant = gateway.NewTenant();
  const std::string token = gateway.NewSession(tenant, "admin");
  gateway.Query("DELETE FROM memberships WHERE organization_id = $1 AND role = 'admin'",
                {tenant.organization_id});
  EXPECT_EQ(gateway.Http({.method = "GET", .path = "/v1/channels", .token = token}).http_status,
            401);
}

TEST_F(AccessTest, AnApiKeyWorksUntilItIsRevoked) {
  const Tenant tenant = gateway.NewTenant();
  const json made = Ok(Post(tenant, "/v1/apiKeys", {{"displayName", "for a test"}}));
  const std::string secret = made["secret"];
  const std::string id = made["apiKey"]["id"];
  EXPECT_TRUE(secret.starts_with(made["apiKey"]["prefix"].get<std::string>()));
  const auto use = [&] {
    return gateway.Http({.method = "GET", .path = "/v1/organization", .token = secret});
  };
  EXPECT_EQ(use().body["id"], tenant.organization_id);
  EXPECT_EQ(Get(tenant, "/v1/apiKeys").body["apiKeys"].size(), 2U);
  EXPECT_EQ(Get(tenant, "/v1/apiKeys").body.dump().find(secret), std::string::npos);
  Ok(Delete(tenant, "/v1/apiKeys/" + id));
  EXPECT_EQ(use().reason, "CREDENTIAL_INVALID");
  EXPECT_EQ(Delete(tenant, "/v1/apiKeys/" + id).reason, "API_KEY_NOT_FOUND");
}

TEST_F(AccessTest, ALiveTicketWorksOnceAndForAMinute) {
  const Tenant tenant = gateway.NewTenant();
  const Authenticator authenticator(gateway.services().worker);
  const auto take = [&] {
    const std::string ticket = Ok(Post(tenant, "/v1/sessions:createLiveTicket"))["ticket"];
    return ticket;
  };
  const std::string ticket = take();
  const auto owner = authenticator.TakeLiveTicket(ticket);
  ASSERT_TRUE(owner.ok()) << owner.status();
  EXPECT_EQ(owner->organization_id, tenant.organization_id);
  EXPECT_EQ(ErrorReason(authenticator.TakeLiveTicket(ticket).status()), "TICKET_INVALID");
  const std::string old = take();
  gateway.Query("UPDATE live_tickets SET expires_at = now() WHERE organization_id = $1",
                {tenant.organization_id});
  EXPECT_EQ(ErrorReason(authenticator.TakeLiveTicket(old).status()), "TICKET_INVALID");
  for (const std::string& bad :
       {std::string(), std::string("x"), std::string(10'000, 'a'), tenant.organization_id,
        std::string("'; DROP TABLE live_tickets; --")}) {
    EXPECT_EQ(ErrorReason(authenticator.TakeLiveTicket(bad).status()), "TICKET_INVALID") << bad;
  }
}

TEST_F(AccessTest, WhatIsBehindALiveTicketIsCheckedAgain) {
  const Tenant tenant = gateway.NewTenant();
  const Authenticator authenticator(gateway.services().worker);
  const auto behind = [&](const std::string& token) {
    const Answer made = gateway.Http({.method = "POST",
                                      .path = "/v1/sessions:createLiveTicket",
                                      .body = json::object(),
                                      .token = token});
    return authenticator.TakeLiveTicket(made.body.value("ticket", ""))->credential;
  };
  const std::string session = gateway.NewSession(tenant, "agent");
  const json key = Ok(Post(tenant, "/v1/apiKeys", {{"displayName", "for a test"}}));
  const std::string of_session = behind(session);
  const std::string of_key = behind(key["secret"]);
  EXPECT_EQ(of_session.find(session), std::string::npos) << "it opens nothing";
  EXPECT_EQ(*authenticator.CheckTicketCredential(of_session), tenant.organization_id);
  EXPECT_EQ(*authenticator.CheckTicketCredential(of_key), tenant.organization_id);
  gateway.Http({.method = "DELETE", .path = "/v1/sessions/current", .token = session});
  Ok(Delete(tenant, "/v1/apiKeys/" + key["apiKey"]["id"].get<std::string>()));
  for (const std::string& ended : {of_session, of_key, std::string(), std::string("session:")}) {
    EXPECT_EQ(ErrorReason(authenticator.CheckTicketCredential(ended).status()),
              "CREDENTIAL_INVALID")
        << ended;
  }
}

TEST_F(AccessTest, ACookieCountsForOwnAndAllowedPagesOnly) {
  const Tenant tenant = gateway.NewTenant();
  const std::string token = gateway.NewSession(tenant, "viewer");
  const std::string host = "127.0.0.1:" + std::to_string(gateway.http_port());
  const struct {
    const char* label;
    std::string origin;
    int want;
  } cases[] = {
      {"no other page", "", 200},
      {"own page", "http://" + host, 200},
      {"allowed page", "https://app.example.com", 200},
      {"foreign page", "https://evil.example.com", 401},
      {"page without an origin", "null", 401},
      {"page that begins alike", "https://app.example.com.evil.example", 401},
  };
  for (const char* path : {"/v1/channels", "/api/channels"}) {
    for (const auto& c : cases) {
      httplib::Headers headers{{"Cookie", "other=1; parley_session=" + token}};
      if (!c.origin.empty()) headers.emplace("Origin", c.origin);
      EXPECT_EQ(gateway.Http({.method = "GET", .path = path, .headers = headers}).http_status,
                c.want)
          << path << ": " << c.label;
    }
  }
}

TEST_F(AccessTest, CorsIsForAllowedOriginsOnly) {
  const auto preflight = [&](const std::string& origin) {
    return gateway.Http(
        {.method = "OPTIONS",
         .path = "/v1/messages",
         .headers = {{"Origin", origin}, {"Access-Control-Request-Method", "POST"}}});
  };
  const Answer allowed = preflight("https://app.example.com");
  ASSERT_EQ(allowed.http_status, 204);
  EXPECT_EQ(allowed.headers.find("Access-Control-Allow-Origin")->second, "https://app.example.com");
  EXPECT_EQ(allowed.headers.find("Access-Control-Allow-Credentials")->second, "true");
  EXPECT_EQ(preflight("https://evil.example.com").headers.count("Access-Control-Allow-Origin"), 0U);
}

// Every method called at every level: refused below the one written here, and not above.
TEST_F(AccessTest, EachMethodAsksForItsRole) {
  using rpc::Access;
  const std::map<std::string, Access> wanted = {
      {"SessionService.CreateSession", Access::kPublic},
      {"SessionService.GetCurrentSession", Access::kViewer},
      {"SessionService.DeleteCurrentSession", Access::kViewer},
      {"SessionService.CreateLiveTicket", Access::kViewer},
      {"OrganizationService.GetOrganization", Access::kViewer},
      {"OrganizationService.UpdateOrganization", Access::kAdmin},
      {"OrganizationService.CreateApiKey", Access::kAdmin},
      {"OrganizationService.ListApiKeys", Access::kAdmin},
      {"OrganizationService.DeleteApiKey", Access::kAdmin},
      {"TwilioAccountService.ConnectTwilioAccount", Access::kAdmin},
      {"TwilioAccountService.ListTwilioAccounts", Access::kViewer},
      {"TwilioAccountService.GetTwilioAccount", Access::kViewer},
      {"TwilioAccountService.UpdateTwilioAccount", Access::kAdmin},
      {"TwilioAccountService.SetSecondaryAuthToken", Access::kAdmin},
      {"TwilioAccountService.PromoteSecondaryAuthToken", Access::kAdmin},
      {"TwilioAccountService.RemoveSecondaryAuthToken", Access::kAdmin},
      {"ChannelService.CreateChannel", Access::kAdmin},
      {"ChannelService.ListChannels", Access::kViewer},
      {"ChannelService.GetChannel", Access::kViewer},
      {"ChannelService.UpdateChannel", Access::kAdmin},
      {"ChannelService.DeleteChannel", Access::kAdmin},
      {"ContactService.CreateContact", Access::kAgent},
      {"ContactService.ListContacts", Access::kViewer},
      {"ContactService.GetContact", Access::kViewer},
      {"ContactService.UpdateContact", Access::kAgent},
      {"ContactService.DeleteContact", Access::kAgent},
      {"ConversationService.ListConversations", Access::kViewer},
      {"ConversationService.GetConversation", Access::kViewer},
      {"ConversationService.UpdateConversation", Access::kAgent},
      {"ConversationService.ReadConversation", Access::kAgent},
      {"ConversationService.TakeOverConversation", Access::kAgent},
      {"ConversationService.HandBackConversation", Access::kAgent},
      {"MessageService.SendMessage", Access::kAgent},
      {"MessageService.GetMessage", Access::kViewer},
      {"MessageService.ListMessages", Access::kViewer},
      {"MessageService.SimulateInboundMessage", Access::kAgent},
      {"MessageService.EraseMessage", Access::kAdmin},
      {"DeliveryService.ResolveMessage", Access::kAgent},
      {"DeliveryService.ResolveUnconfirmedMessages", Access::kAdmin},
      {"DeliveryService.ListUnconfirmedMessages", Access::kViewer},
      {"DeliveryService.CancelMessage", Access::kAgent},
      {"DeliveryService.ListMessageChanges", Access::kViewer},
      {"QuarantineService.ListQuarantinedWebhooks", Access::kAgent},
      {"QuarantineService.GetQuarantinedWebhook", Access::kAgent},
      {"QuarantineService.ReleaseQuarantinedWebhooks", Access::kAdmin},
      {"QuarantineService.DeleteQuarantinedWebhook", Access::kAdmin},
  };
  const Tenant tenant = gateway.NewTenant();
  const std::vector<std::pair<Access, std::string>> callers = {{Access::kPublic, ""},
                                                               {Access::kViewer, "viewer"},
                                                               {Access::kAgent, "agent"},
                                                               {Access::kAdmin, "admin"},
                                                               {Access::kOwner, "owner"}};
  for (const auto& [name, method] : gateway.methods().methods()) {
    const auto found = wanted.find(name.substr(std::string("parley.v1.").size()));
    ASSERT_NE(found, wanted.end()) << name << " is new: who may call it?";
    for (const auto& [access, role] : callers) {
      const std::string token = role.empty() ? "" : gateway.NewSession(tenant, role);
      const Answer answer = gateway.Grpc(name, json::object(), token);
      const bool refused = answer.reason == "ROLE_TOO_LOW" || answer.reason == "CREDENTIAL_MISSING";
      EXPECT_EQ(refused, access < found->second) << name << " as " << role << ": " << answer.reason;
    }
  }
}

// Everything that names something, tried with another organization's ids: not found, and nothing
// changes there.
TEST_F(AccessTest, ForeignIdsDoNotExist) {
  const Tenant owner = gateway.NewTenant();
  const Tenant stranger = gateway.NewTenant();
  const json message = Simulate(owner, "+15550009001", "private");
  const std::string conversation = message["conversationId"];
  const std::string contact = Ok(Get(owner, "/v1/conversations/" + conversation))["contactId"];
  const std::string key = Ok(Get(owner, "/v1/apiKeys"))["apiKeys"][0]["id"];
  const std::string before = gateway.Snapshot(owner.organization_id);

  const std::string service = "parley.v1.";
  const struct {
    std::string method;
    json request;
  } cases[] = {
      {"OrganizationService.DeleteApiKey", {{"apiKeyId", key}}},
      {"TwilioAccountService.GetTwilioAccount", {{"accountSid", owner.account_sid}}},
      {"TwilioAccountService.UpdateTwilioAccount",
       {{"twilioAccount", {{"accountSid", owner.account_sid}, {"publicUrl", "https://a.b"}}}}},
      {"TwilioAccountService.SetSecondaryAuthToken",
       {{"accountSid", owner.account_sid}, {"authToken", "x"}}},
      {"TwilioAccountService.PromoteSecondaryAuthToken", {{"accountSid", owner.account_sid}}},
      {"TwilioAccountService.RemoveSecondaryAuthToken", {{"accountSid", owner.account_sid}}},
      {"ChannelService.CreateChannel",
       {{"channel",
         {{"displayName", "x"},
          {"phoneNumber", "+15550007777"},
          {"media", {"MEDIUM_SMS"}},
          {"accountSid", owner.account_sid}}}}},
      {"ChannelService.GetChannel", {{"channelId", owner.channel_id}}},
      {"ChannelService.UpdateChannel",
       {{"channel", {{"id", owner.channel_id}, {"displayName", "mine"}}}}},
      {"ChannelService.DeleteChannel", {{"channelId", owner.channel_id}}},
      {"ContactService.GetContact", {{"contactId", contact}}},
      {"ContactService.UpdateContact", {{"contact", {{"id", contact}, {"displayName", "mine"}}}}},
      {"ContactService.DeleteContact", {{"contactId", contact}}},
      {"ConversationService.ListConversations", {{"channelId", owner.channel_id}}},
      {"ConversationService.GetConversation", {{"conversationId", conversation}}},
      {"ConversationService.UpdateConversation",
       {{"conversation", {{"id", conversation}, {"aiEnabled", false}}}}},
      {"ConversationService.ReadConversation", {{"conversationId", conversation}}},
      {"ConversationService.TakeOverConversation", {{"conversationId", conversation}}},
      {"ConversationService.HandBackConversation", {{"conversationId", conversation}}},
      {"MessageService.SendMessage", {{"conversationId", conversation}, {"body", "x"}}},
      {"MessageService.GetMessage", {{"messageId", message["id"]}}},
      {"MessageService.EraseMessage", {{"messageId", message["id"]}}},
      {"DeliveryService.ResolveMessage",
       {{"messageId", message["id"]}, {"resolution", "RESOLUTION_MARK_FAILED"}}},
      {"DeliveryService.CancelMessage", {{"messageId", message["id"]}}},
      {"DeliveryService.ListMessageChanges", {{"messageId", message["id"]}}},
      {"MessageService.ListMessages", {{"conversationId", conversation}}},
      {"MessageService.SimulateInboundMessage", {{"channelId", owner.channel_id}, {"body", "x"}}},
  };
  std::set<std::string> tried;
  for (const auto& c : cases) {
    tried.insert(service + c.method);
    EXPECT_EQ(gateway.Grpc(service + c.method, c.request, stranger.api_key).code, "NOT_FOUND")
        << c.method;
  }
  // By the channel instead of the conversation.
  EXPECT_EQ(gateway
                .Grpc(service + "MessageService.SendMessage",
                      {{"channelId", owner.channel_id}, {"to", "+15550009001"}, {"body", "x"}},
                      stranger.api_key)
                .code,
            "NOT_FOUND");
  EXPECT_EQ(gateway.Snapshot(owner.organization_id), before);

  // What remains names nothing of anybody's.
  const std::set<std::string> nameless = {
      "SessionService.CreateSession", "SessionService.GetCurrentSession",
      "SessionService.DeleteCurrentSession", "SessionService.CreateLiveTicket",
      "OrganizationService.GetOrganization", "OrganizationService.UpdateOrganization",
      "OrganizationService.CreateApiKey", "OrganizationService.ListApiKeys",
      "TwilioAccountService.ListTwilioAccounts", "TwilioAccountService.ConnectTwilioAccount",
      "ChannelService.ListChannels", "ContactService.CreateContact", "ContactService.ListContacts",
      // With foreign ids: delivery_test.cc, quarantine_test.cc.
      "DeliveryService.ResolveUnconfirmedMessages", "DeliveryService.ListUnconfirmedMessages",
      "QuarantineService.ListQuarantinedWebhooks", "QuarantineService.GetQuarantinedWebhook",
      "QuarantineService.ReleaseQuarantinedWebhooks", "QuarantineService.DeleteQuarantinedWebhook"};
  for (const auto& [name, method] : gateway.methods().methods()) {
    EXPECT_TRUE(tried.contains(name) || nameless.contains(name.substr(service.size())))
        << name << " is new: try it with a foreign id";
  }
}

TEST_F(AccessTest, ListsShowTheOwnOrganizationOnly) {
  const Tenant owner = gateway.NewTenant();
  const Tenant stranger = gateway.NewTenant();
  Simulate(owner, "+15550009002", "private");
  const std::pair<const char*, const char*> lists[] = {{"/v1/channels", "channels"},
                                                       {"/v1/contacts", "contacts"},
                                                       {"/v1/conversations", "conversations"},
                                                       {"/v1/apiKeys", "apiKeys"},
                                                       {"/v1/twilioAccounts", "twilioAccounts"}};
  for (const auto& [path, field] : lists) {
    const json own = Ok(Get(owner, path))[field];
    const json foreign = Ok(Get(stranger, path))[field];
    EXPECT_GE(own.size(), 1U) << path;
    for (const json& one : own) {
      for (const json& other : foreign) EXPECT_NE(one, other) << path;
    }
  }
  EXPECT_EQ(Ok(Get(stranger, "/v1/conversations"))["conversations"].size(), 0U);
}

// The wall stands in the database too: without the setting nothing is seen, and with it no row of
// another organization can be written.
TEST_F(AccessTest, RowPoliciesHoldWithoutTheHandlers) {
  const Tenant owner = gateway.NewTenant();
  const Tenant stranger = gateway.NewTenant();
  Simulate(owner, "+15550009003", "private");
  const absl::Status unset =
      gateway.services().database.Transact([&](pqxx::work& tx) -> absl::Status {
        EXPECT_EQ(tx.exec1("SELECT count(*) FROM messages")[0].as<int>(), 0);
        return absl::OkStatus();
      });
  EXPECT_TRUE(unset.ok()) << unset;
  const absl::Status crossed =
      gateway.services().database.Transact([&](pqxx::work& tx) -> absl::Status {
        tx.exec_params("SELECT set_config('parley.organization_id', $1, true)",
                       stranger.organization_id);
        EXPECT_EQ(tx.exec_params("UPDATE messages SET body = '' WHERE organization_id = $1",
                                 owner.organization_id)
                      .affected_rows(),
                  0);
        tx.exec_params0(
            "INSERT INTO contacts (organization_id, id, phone_number)"
            " VALUES ($1, $2, '+15550009004')",
            owner.organization_id, NewId());
        return absl::OkStatus();
      });
  EXPECT_FALSE(crossed.ok()) << "a row of another organization was written";
}

}  // namespace
}  // namespace parley::gateway
