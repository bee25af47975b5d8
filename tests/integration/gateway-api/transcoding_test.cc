// The same over HTTP/JSON and over gRPC, for every method.
#include <google/api/annotations.pb.h>

#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class TranscodingTest : public GatewayTest {};

// The route of a method: its verb and its path with the variables filled from `request`, and what
// is left of the request as body or query.
Gateway::Request Transcode(const google::protobuf::MethodDescriptor& method, json request) {
  const google::api::HttpRule& rule = method.options().GetExtension(google::api::http);
  const std::pair<const char*, const std::string*> patterns[] = {{"GET", &rule.get()},
                                                                 {"POST", &rule.post()},
                                                                 {"PATCH", &rule.patch()},
                                                                 {"DELETE", &rule.delete_()}};
  Gateway::Request result;
  for (const auto& [verb, path] : patterns) {
    if (path->empty()) continue;
    result.method = verb;
    result.path = *path;
  }
  // {conversation_id}, {channel.id}: the values are ids, which need no escaping.
  const std::size_t open = result.path.find('{');
  if (open != std::string::npos) {
    const std::size_t close = result.path.find('}');
    const std::string name = result.path.substr(open + 1, close - open - 1);
    const std::size_t dot = name.find('.');
    std::string value;
    if (dot != std::string::npos) {
      // {twilio_account.account_sid} stands for twilioAccount.accountSid.
      const auto* outer = method.input_type()->FindFieldByName(name.substr(0, dot));
      const auto* inner = outer->message_type()->FindFieldByName(name.substr(dot + 1));
      value = request[outer->json_name()][inner->json_name()];
      request[outer->json_name()].erase(inner->json_name());
    } else {
      const auto* field = method.input_type()->FindFieldByName(name);
      value = request[field->json_name()];
      request.erase(field->json_name());
    }
    result.path.replace(open, close - open + 1, value);
  }
  if (rule.body() == "*") {
    result.body = request;
  } else if (!rule.body().empty()) {
    result.body = request[method.input_type()->FindFieldByName(rule.body())->json_name()];
  } else {
    std::string separator = "?";
    for (const auto& [name, value] : request.items()) {
      result.path +=
          separator + name + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
      separator = "&";
    }
  }
  return result;
}

TEST_F(TranscodingTest, EveryMethodAnswersAlikeOnBothWays) {
  const Tenant tenant = gateway.NewTenant();
  const json message = Simulate(tenant, "+15550007001", "hello");
  Simulate(tenant, "+15550007002", "hello");
  const std::string conversation = message["conversationId"];
  const std::string contact = Ok(Get(tenant, "/v1/conversations/" + conversation))["contactId"];
  gateway.twilio.Put(MadeUpSid('7'),
                     {.auth_token = "t", .facts = {"Test", v1::TwilioAccount::KIND_TEST}});

  // Requests that may be done twice with the same result; `changes` names what differs each time.
  struct Case {
    json request;
    std::vector<std::string> changes = {};
  };
  const std::map<std::string, Case> cases = {
      {"SessionService.CreateSession",
       {{{"email", tenant.email}, {"password", tenant.password}},
        {"/token", "/session/expireTime"}}},
      {"SessionService.GetCurrentSession", {json::object()}},
      {"SessionService.CreateLiveTicket", {json::object(), {"/ticket", "/expireTime"}}},
      {"OrganizationService.GetOrganization", {json::object()}},
      {"OrganizationService.UpdateOrganization", {{{"organization", {{"displayName", "New"}}}}}},
      {"OrganizationService.CreateApiKey", {{{"displayName", "key"}}, {"/secret", "/apiKey"}}},
      {"OrganizationService.ListApiKeys", {{{"pageSize", 1}}}},
      {"TwilioAccountService.ConnectTwilioAccount",
       {{{"accountSid", MadeUpSid('7')}, {"authToken", "t"}}, {"/verifyTime"}}},
      {"TwilioAccountService.ListTwilioAccounts", {json::object()}},
      {"TwilioAccountService.GetTwilioAccount", {{{"accountSid", tenant.account_sid}}}},
      {"TwilioAccountService.UpdateTwilioAccount",
       {{{"twilioAccount",
          {{"accountSid", tenant.account_sid}, {"publicUrl", "https://a.example.com"}}}}}},
      {"TwilioAccountService.RemoveSecondaryAuthToken", {{{"accountSid", tenant.account_sid}}}},
      {"ChannelService.ListChannels", {{{"pageSize", 5}}}},
      {"ChannelService.GetChannel", {{{"channelId", tenant.channel_id}}}},
      {"ChannelService.UpdateChannel",
       {{{"channel",
          {{"id", tenant.channel_id}, {"displayName", "New"}, {"ai", {{"enabled", false}}}}}}}},
      {"ContactService.ListContacts", {{{"pageSize", 1}}}},
      {"ContactService.GetContact", {{{"contactId", contact}}}},
      {"ContactService.UpdateContact",
       {{{"contact", {{"id", contact}, {"email", "ann@example.com"}}}}}},
      {"ConversationService.ListConversations", {{{"channelId", tenant.channel_id}}}},
      {"ConversationService.GetConversation", {{{"conversationId", conversation}}}},
      {"ConversationService.UpdateConversation",
       {{{"conversation", {{"id", conversation}, {"aiEnabled", false}}}}}},
      {"ConversationService.ReadConversation", {{{"conversationId", conversation}, {"seq", "1"}}}},
      {"ConversationService.TakeOverConversation", {{{"conversationId", conversation}}}},
      {"ConversationService.HandBackConversation", {{{"conversationId", conversation}}}},
      {"MessageService.GetMessage", {{{"messageId", message["id"]}}}},
      {"MessageService.ListMessages", {{{"conversationId", conversation}, {"pageSize", 1}}}},
      {"MessageService.SendMessage",
       {{{"conversationId", conversation},
         {"messageId", "01890a5d-ac96-774b-bcce-b302099a8057"},
         {"body", "hi"},
         {"mediaUrls", {"https://example.com/a.png"}}}}},
      {"MessageService.SimulateInboundMessage",
       {{{"channelId", tenant.channel_id},
         {"messageId", "01890a5d-ac96-774b-bcce-b302099a8058"},
         {"from", "+15550007001"},
         {"medium", "MEDIUM_WHATSAPP"},
         {"body", "hi"}}}},
      {"DeliveryService.ListUnconfirmedMessages", {{{"pageSize", 1}}}},
      {"DeliveryService.ListMessageChanges", {{{"messageId", message["id"]}}}},
      {"QuarantineService.ListQuarantinedWebhooks", {{{"pageSize", 1}}}},
      {"QuarantineService.ReleaseQuarantinedWebhooks", {json::object()}},
      // Refused alike, the second time too.
      {"MessageService.EraseMessage", {{{"messageId", "none"}}}},
      {"DeliveryService.ResolveMessage",
       {{{"messageId", "none"}, {"resolution", "RESOLUTION_MARK_FAILED"}}}},
      {"DeliveryService.ResolveUnconfirmedMessages", {json::object()}},
      {"DeliveryService.CancelMessage", {{{"messageId", "none"}}}},
      {"TwilioAccountService.SetSecondaryAuthToken",
       {{{"accountSid", tenant.account_sid}, {"authToken", "wrong"}}}},
      {"TwilioAccountService.PromoteSecondaryAuthToken", {{{"accountSid", tenant.account_sid}}}},
      {"QuarantineService.GetQuarantinedWebhook",
       {{{"webhookId", "none"}, {"includeContent", true}}}},
      {"QuarantineService.DeleteQuarantinedWebhook", {{{"webhookId", "none"}}}},
      {"SessionService.DeleteCurrentSession", {json::object()}},
      {"OrganizationService.DeleteApiKey", {{{"apiKeyId", "none"}}}},
      {"ChannelService.CreateChannel", {{{"channel", {{"displayName", "x"}}}}}},
      {"ChannelService.DeleteChannel", {{{"channelId", "none"}}}},
      {"ContactService.CreateContact", {{{"contact", {{"phoneNumber", "+15550007001"}}}}}},
      {"ContactService.DeleteContact", {{{"contactId", "none"}}}},
  };
  for (const auto& [name, method] : gateway.methods().methods()) {
    const auto found = cases.find(name.substr(std::string("parley.v1.").size()));
    ASSERT_NE(found, cases.end()) << name << " is new: add a request";
    Gateway::Request request = Transcode(*method.descriptor, found->second.request);
    request.token = tenant.api_key;
    Answer http = gateway.Http(request);
    Answer grpc = gateway.Grpc(name, found->second.request, tenant.api_key);
    EXPECT_EQ(http.code, grpc.code) << name << http.body;
    EXPECT_EQ(http.reason, grpc.reason) << name;
    EXPECT_NE(http.reason, "NO_SUCH_ROUTE") << name << " " << request.path;
    if (grpc.code != "OK") continue;
    for (const std::string& path : found->second.changes) {
      const json::json_pointer pointer(path);
      ASSERT_TRUE(http.body.contains(pointer)) << name << path << http.body;
      http.body[pointer] = grpc.body[pointer] = nullptr;
    }
    EXPECT_EQ(http.body, grpc.body) << name;
  }
}

TEST_F(TranscodingTest, AnIdempotencyKeyHoldsAcrossBoth) {
  const Tenant tenant = gateway.NewTenant();
  const json text = {{"channelId", tenant.channel_id}, {"to", "+15550007003"}, {"body", "once"}};
  const json sent = Ok(Post(tenant, "/v1/messages", text, {{"Idempotency-Key", "k"}}));
  const Answer repeated = gateway.Grpc("parley.v1.MessageService.SendMessage", text, tenant.api_key,
                                       {{"idempotency-key", "k"}});
  EXPECT_EQ(repeated.body, sent);
}

TEST_F(TranscodingTest, UnknownAddressesAndVerbsAreSaidInJson) {
  const struct {
    std::string method;
    std::string path;
    int status;
    std::string reason;
  } cases[] = {
      {"GET", "/v1/nothing", 404, "NO_SUCH_ROUTE"},
      {"GET", "/v1", 404, "NO_SUCH_ROUTE"},
      {"PUT", "/v1/channels", 405, "METHOD_NOT_ALLOWED"},
      {"DELETE", "/v1/organization", 405, "METHOD_NOT_ALLOWED"},
      {"GET", "/api/nothing", 404, "NO_SUCH_ROUTE"},
      {"PUT", "/api/channels", 405, "METHOD_NOT_ALLOWED"},
      {"POST", "/", 405, "METHOD_NOT_ALLOWED"},
      {"POST", "/somewhere", 405, "METHOD_NOT_ALLOWED"},
      {"GET", "/missing.js", 404, "NO_SUCH_ROUTE"},
  };
  for (const auto& c : cases) {
    const Answer answer = gateway.Http({.method = c.method, .path = c.path, .body = "x"});
    EXPECT_EQ(answer.http_status, c.status) << c.method << " " << c.path;
    EXPECT_EQ(answer.reason, c.reason) << c.method << " " << c.path << answer.body;
  }
}

}  // namespace
}  // namespace parley::gateway
