// The chat application's routes (COMPATIBILITY §1).
#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class CompatTest : public GatewayTest {
 protected:
  std::string CommandsOf(const Tenant& tenant) {
    return gateway.Query(
        "SELECT count(*) FROM outbox WHERE organization_id = $1"
        " AND topic = 'parley.send-commands'",
        {tenant.organization_id});
  }
};

TEST_F(CompatTest, AUsersMessageIsASimulatedIncomingOne) {
  const Tenant tenant = gateway.NewTenant();
  const Answer answer = Post(tenant, "/api/messages",
                             {{"channel_id", tenant.channel_id},
                              {"content", "hello"},
                              {"user_phone_number", "+15550003001"}});
  EXPECT_EQ(answer.http_status, 201);
  EXPECT_EQ(answer.body["success"], true);
  const json& message = answer.body["data"];
  EXPECT_EQ(message["sender"], "user");
  EXPECT_EQ(message["status"], "sent");
  EXPECT_EQ(message["content"], "hello");
  EXPECT_EQ(message["metadata"]["direction"], "incoming");
  EXPECT_EQ(message["metadata"]["simulated"], true);
  EXPECT_EQ(message["metadata"]["fromNumber"], "+15550003001");
  EXPECT_EQ(message["metadata"]["toNumber"], tenant.phone_number);
  EXPECT_FALSE(message["session_id"].get<std::string>().empty());
  EXPECT_EQ(CommandsOf(tenant), "0");
}

TEST_F(CompatTest, AContactsMessageIsReallySent) {
  const Tenant tenant = gateway.NewTenant();
  const Answer answer = Post(tenant, "/api/messages",
                             {{"twilio_number", tenant.phone_number},
                              {"content", "hello"},
                              {"sender", "contact"},
                              {"communication_type", "whatsapp"},
                              {"user_phone_number", "+15550003002"}});
  EXPECT_EQ(answer.http_status, 201) << answer.body;
  const json& message = answer.body["data"];
  EXPECT_EQ(message["sender"], "contact");
  EXPECT_EQ(message["status"], "queued");
  EXPECT_EQ(message["communication_type"], "whatsapp");
  EXPECT_EQ(message["metadata"]["direction"], "outgoing");
  EXPECT_EQ(message["metadata"]["toNumber"], "+15550003002");
  EXPECT_EQ(CommandsOf(tenant), "1");
}

TEST_F(CompatTest, WithoutANumberNothingIsEverSent) {
  const Tenant tenant = gateway.NewTenant();
  for (const char* sender : {"user", "contact"}) {
    const Answer answer =
        Post(tenant, "/api/messages",
             {{"channel_id", tenant.channel_id}, {"content", "hello"}, {"sender", sender}});
    EXPECT_EQ(answer.http_status, 201) << sender << answer.body;
    EXPECT_EQ(answer.body["data"]["status"], "sent") << sender;
  }
  EXPECT_EQ(CommandsOf(tenant), "0");
  EXPECT_EQ(Ok(Get(tenant, "/api/sessions?channel_id=" + tenant.channel_id))["data"].size(), 1U);
  // The API itself wants a recipient.
  EXPECT_EQ(Post(tenant, "/v1/messages", {{"channelId", tenant.channel_id}, {"body", "x"}}).reason,
            "FIELD_REQUIRED");
}

TEST_F(CompatTest, ABodyNeedsNoContentType) {
  const Tenant tenant = gateway.NewTenant();
  const json body = {{"channel_id", tenant.channel_id}, {"content", "hello"}};
  for (const char* type : {"text/plain;charset=UTF-8", "application/x-www-form-urlencoded", ""}) {
    httplib::Headers headers;
    if (type[0] != '\0') headers.emplace("Content-Type", type);
    EXPECT_EQ(Post(tenant, "/api/messages", body, headers).http_status, 201) << type;
  }
}

TEST_F(CompatTest, MessagesComeNewestPageOldestFirst) {
  const Tenant tenant = gateway.NewTenant();
  std::vector<std::string> ids;
  std::string session;
  for (int i = 0; i < 6; ++i) {
    const std::string from = i % 2 == 0 ? "+15550003003" : "+15550003004";
    const json message = Ok(Post(tenant, "/api/messages",
                                 {{"channel_id", tenant.channel_id},
                                  {"content", std::to_string(i)},
                                  {"user_phone_number", from}}))["data"];
    ids.push_back(message["_id"]);
    if (i == 0) session = message["session_id"];
  }
  const auto contents = [&](const std::string& query) {
    std::string all;
    const json page = Ok(Get(tenant, "/api/messages?" + query));
    for (const json& one : page["data"]) all += one["content"].get<std::string>();
    return all;
  };
  const std::string channel = "channel_id=" + tenant.channel_id;
  EXPECT_EQ(contents(channel), "012345");
  EXPECT_EQ(contents(channel + "&limit=2"), "45");
  EXPECT_EQ(contents(channel + "&limit=2&before=" + ids[4]), "23");
  EXPECT_EQ(contents(channel + "&before=" + ids[0]), "");
  EXPECT_EQ(contents(channel + "&before=2001-01-01T00:00:00Z"), "");
  EXPECT_EQ(contents(channel + "&before=2999-01-01T00:00:00Z"), "012345");
  EXPECT_EQ(contents("session_id=" + session), "024");
  EXPECT_EQ(contents("session_id=" + session + "&limit=1&before=" + ids[4]), "2");
}

TEST_F(CompatTest, SessionsAreTheConversationsOfAChannel) {
  const Tenant tenant = gateway.NewTenant();
  for (const char* type : {"sms", "whatsapp", "sms"}) {
    Ok(Post(tenant, "/api/messages",
            {{"channel_id", tenant.channel_id},
             {"content", "hi"},
             {"communication_type", type},
             {"user_phone_number", "+15550003005"}}));
  }
  const json sessions = Ok(Get(tenant, "/api/sessions?channel_id=" + tenant.channel_id))["data"];
  ASSERT_EQ(sessions.size(), 2U);
  EXPECT_EQ(sessions[0]["title"], "SMS from +15550003005");
  EXPECT_EQ(sessions[0]["message_count"], 2);
  EXPECT_EQ(sessions[0]["status"], "active");
  EXPECT_EQ(sessions[1]["communication_type"], "whatsapp");
}

TEST_F(CompatTest, ChannelsCanBeMadeChangedAndDeleted) {
  const Tenant tenant = gateway.NewTenant();
  const Answer made = Post(tenant, "/api/channels",
                           {{"name", "Shop"},
                            {"phone_number", "+15550003006"},
                            {"communication_types", {"sms", "whatsapp", "voice"}}});
  EXPECT_EQ(made.http_status, 201) << made.body;
  const json channel = made.body["data"];
  EXPECT_EQ(channel["id"], channel["_id"]);
  EXPECT_EQ(channel["communication_types"], (json{"sms", "whatsapp", "voice"}));
  EXPECT_EQ(channel["status"], "active");
  const std::string path = "/api/channels/" + channel["id"].get<std::string>();
  EXPECT_EQ(Ok(Get(tenant, path))["data"], channel);
  EXPECT_EQ(Ok(Get(tenant, "/api/channels"))["data"].size(), 2U);
  json renamed = channel;
  renamed["name"] = "New shop";
  EXPECT_EQ(Ok(Patch(tenant, path, {{"name", "New shop"}}))["data"], renamed);
  EXPECT_EQ(Ok(Patch(tenant, path, renamed))["data"], renamed);
  Ok(Delete(tenant, path));
  EXPECT_EQ(Get(tenant, path).http_status, 404);
  EXPECT_EQ(Ok(Get(tenant, "/api/channels"))["data"].size(), 1U);
}

TEST_F(CompatTest, ErrorsHaveTheOldShape) {
  const Tenant tenant = gateway.NewTenant();
  const Answer answer = Get(tenant, "/api/channels/none");
  EXPECT_EQ(answer.http_status, 404);
  EXPECT_EQ(
      answer.body,
      (json{{"success", false},
            {"error",
             {{"code", "CHANNEL_NOT_FOUND"}, {"message", answer.body["error"]["message"]}}}}));
  const Answer taken =
      Post(tenant, "/api/channels", {{"name", "x"}, {"phone_number", tenant.phone_number}});
  EXPECT_EQ(taken.http_status, 409);
  EXPECT_EQ(taken.body["error"]["code"], "NUMBER_TAKEN");
}

TEST_F(CompatTest, HealthIsPublic) {
  const Answer answer = gateway.Http({.method = "GET", .path = "/api/health"});
  EXPECT_EQ(answer.http_status, 200);
  EXPECT_EQ(answer.body, (json{{"status", "ok"}, {"checks", {{"database", "ok"}}}}));
}

}  // namespace
}  // namespace parley::gateway
