// Every malformed request gets a 4xx with a reason, and changes nothing.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/gateway-api/fixture.h"

namespace parley::gateway {
namespace {

class BadInputTest : public GatewayTest {
 protected:
  // Sends these bytes, ends its half of the connection, and reads all that comes: for requests that
  // no client library would write.
  std::string Raw(const std::string& request) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(gateway.http_port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(send(socket, request.data(), request.size(), 0),
              static_cast<ssize_t>(request.size()));
    if (request.find("Connection: close") == std::string::npos) shutdown(socket, SHUT_WR);
    std::string answer;
    char buffer[4096];
    ssize_t got = 0;
    while ((got = recv(socket, buffer, sizeof buffer, 0)) > 0) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
    close(socket);
    return answer;
  }
};

TEST_F(BadInputTest, IsRefusedWithAReasonAndChangesNothing) {
  const Tenant tenant = gateway.NewTenant();
  const std::string conversation = Simulate(tenant, "+15550006001", "hello")["conversationId"];
  const std::string channel = tenant.channel_id;
  const std::string before = gateway.Counts();
  const auto send = [&](const json& changes) {
    json body = {{"channelId", channel}, {"to", "+15550006002"}, {"body", "x"}};
    body.update(changes);
    return body;
  };
  const auto simulate = [&](const json& changes) {
    json body = {{"channelId", channel}, {"from", "+15550006002"}, {"body", "x"}};
    body.update(changes);
    return body;
  };
  const json many(json::array_t(11, "https://example.com/a.png"));
  const json two(json::array_t(2, "https://example.com/a.png"));

  const struct {
    const char* label;
    std::string method;
    std::string path;
    json body;
    int status;
    std::string reason;
  } cases[] = {
      // Not JSON, or not this JSON.
      {"no JSON", "POST", "/v1/messages", "{", 400, "INVALID_JSON"},
      {"a list", "POST", "/v1/messages", json::array(), 400, "INVALID_JSON"},
      {"invalid UTF-8", "POST", "/v1/messages", "{\"body\": \"\xFF\"}", 400, "INVALID_JSON"},
      {"invalid UTF-8 in a name", "POST", "/v1/messages", "{\"\xC3\": 1}", 400, "INVALID_JSON"},
      {"NUL byte", "POST", "/v1/messages", std::string("{\"body\": \"a\0b\"}", 15), 400,
       "INVALID_JSON"},
      {"NUL as an escape", "POST", "/v1/messages",
       "{\"channelId\": \"" + channel + "\", \"to\": \"+15550006002\", \"body\": \"a\\u0000b\"}",
       400, "INVALID_TEXT"},
      {"half a surrogate", "POST", "/v1/messages",
       "{\"channelId\": \"" + channel + "\", \"to\": \"+15550006002\", \"body\": \"\\ud83d\"}", 400,
       "INVALID_JSON"},
      {"number for text", "POST", "/v1/messages", send({{"body", {{"a", 1}}}}), 400,
       "INVALID_JSON"},
      {"text for a list", "POST", "/v1/messages", send({{"mediaUrls", {{"a", 1}}}}), 400,
       "INVALID_JSON"},
      {"unknown field", "POST", "/v1/messages", send({{"subject", "x"}}), 400, "INVALID_JSON"},
      {"unknown enum", "POST", "/v1/messages", send({{"medium", "MEDIUM_FAX"}}), 400,
       "INVALID_JSON"},
      {"text for a number",
       "POST",
       "/v1/conversations/" + conversation + ":read",
       {{"seq", "soon"}},
       400,
       "INVALID_JSON"},
      {"number out of range",
       "POST",
       "/v1/conversations/" + conversation + ":read",
       {{"seq", "99999999999999999999"}},
       400,
       "INVALID_JSON"},
      {"a body where none belongs",
       "DELETE",
       "/v1/channels/" + channel,
       {{"a", 1}},
       400,
       "UNEXPECTED_BODY"},
      {"unknown parameter", "GET", "/v1/channels?color=red", nullptr, 400, "UNKNOWN_FIELD"},
      {"text for a parameter's number", "GET", "/v1/channels?pageSize=many", nullptr, 400,
       "INVALID_FIELD"},
      {"NUL in a parameter", "GET", "/v1/channels?pageToken=%00", nullptr, 400, "INVALID_TEXT"},
      {"invalid UTF-8 in a parameter", "GET", "/v1/channels?pageToken=%FF", nullptr, 400,
       "INVALID_TEXT"},
      {"too large", "POST", "/v1/messages", send({{"body", std::string(1 << 20, 'a')}}), 413,
       "BODY_TOO_LARGE"},
      // Messages.
      {"nothing to say", "POST", "/v1/messages", send({{"body", ""}}), 400, "EMPTY_MESSAGE"},
      {"too long", "POST", "/v1/messages", send({{"body", std::string(1'601, 'a')}}), 400,
       "TEXT_TOO_LONG"},
      {"no recipient", "POST", "/v1/messages", send({{"to", ""}}), 400, "FIELD_REQUIRED"},
      {"no number", "POST", "/v1/messages", send({{"to", "5551000"}}), 400, "INVALID_PHONE_NUMBER"},
      {"with a channel prefix", "POST", "/v1/messages", send({{"to", "whatsapp:+15550006002"}}),
       400, "INVALID_PHONE_NUMBER"},
      {"two recipients", "POST", "/v1/messages", send({{"conversationId", conversation}}), 400,
       "RECIPIENT_AMBIGUOUS"},
      {"neither", "POST", "/v1/messages", {{"body", "x"}}, 400, "RECIPIENT_AMBIGUOUS"},
      {"id that is none", "POST", "/v1/messages", send({{"messageId", "7"}}), 400, "INVALID_ID"},
      {"by voice", "POST", "/v1/messages", send({{"medium", "MEDIUM_VOICE"}}), 400,
       "MEDIUM_NOT_IN_CHANNEL"},
      {"too many media", "POST", "/v1/messages", send({{"mediaUrls", many}}), 400,
       "TOO_MANY_MEDIA"},
      {"two media on WhatsApp", "POST", "/v1/messages",
       send({{"mediaUrls", two}, {"medium", "MEDIUM_WHATSAPP"}}), 400, "TOO_MANY_MEDIA"},
      {"a file as media", "POST", "/v1/messages", send({{"mediaUrls", {"file:///etc/passwd"}}}),
       400, "INVALID_URL"},
      {"unknown channel", "POST", "/v1/messages", send({{"channelId", "none"}}), 404,
       "CHANNEL_NOT_FOUND"},
      {"unknown conversation",
       "POST",
       "/v1/messages",
       {{"conversationId", "' OR 1=1"}, {"body", "x"}},
       404,
       "CONVERSATION_NOT_FOUND"},
      {"simulating nothing", "POST", "/v1/messages:simulateInbound", simulate({{"body", ""}}), 400,
       "FIELD_REQUIRED"},
      {"simulating a call", "POST", "/v1/messages:simulateInbound",
       simulate({{"medium", "MEDIUM_VOICE"}}), 400, "MEDIUM_NOT_IN_CHANNEL"},
      {"simulating without a channel", "POST", "/v1/messages:simulateInbound",
       simulate({{"channelId", ""}}), 400, "FIELD_REQUIRED"},
      {"unknown message", "GET", "/v1/messages/none", nullptr, 404, "MESSAGE_NOT_FOUND"},
      {"negative page", "GET", "/v1/conversations?pageSize=-1", nullptr, 400, "INVALID_PAGE_SIZE"},
      {"negative seq",
       "POST",
       "/v1/conversations/" + conversation + ":read",
       {{"seq", -1}},
       400,
       "VALUE_OUT_OF_RANGE"},
      // Settings.
      {"channel without a number",
       "POST",
       "/v1/channels",
       {{"channel", {{"displayName", "x"}, {"media", {"MEDIUM_SMS"}}}}},
       400,
       "NUMBER_MISSING"},
      {"channel without anything", "POST", "/v1/channels", json::object(), 400, "FIELD_REQUIRED"},
      {"update of nothing", "PATCH", "/v1/channels/" + channel, json::object(), 400,
       "EMPTY_UPDATE"},
      {"update of an unknown field",
       "PATCH",
       "/v1/channels/" + channel + "?updateMask=color",
       {{"displayName", "x"}},
       400,
       "UNKNOWN_FIELD"},
      {"update to nothing",
       "PATCH",
       "/v1/channels/" + channel,
       {{"displayName", ""}},
       400,
       "FIELD_REQUIRED"},
      {"contact without a number",
       "POST",
       "/v1/contacts",
       {{"contact", {{"displayName", "x"}}}},
       400,
       "FIELD_REQUIRED"},
      {"contact with a wrong email",
       "POST",
       "/v1/contacts",
       {{"contact", {{"phoneNumber", "+15550006003"}, {"email", "x"}}}},
       400,
       "INVALID_EMAIL"},
      {"contact that exists",
       "POST",
       "/v1/contacts",
       {{"contact", {{"phoneNumber", "+15550006001"}}}},
       409,
       "CONTACT_EXISTS"},
      {"key without a name", "POST", "/v1/apiKeys", json::object(), 400, "FIELD_REQUIRED"},
      {"account that is none",
       "POST",
       "/v1/twilioAccounts",
       {{"accountSid", "AC1"}, {"authToken", "x"}},
       400,
       "INVALID_ACCOUNT_SID"},
      {"log-in without a password",
       "POST",
       "/v1/sessions",
       {{"email", "a@b"}},
       400,
       "FIELD_REQUIRED"},
      {"log-in with a huge password",
       "POST",
       "/v1/sessions",
       {{"email", "a@b"}, {"password", std::string(1'001, 'a')}},
       400,
       "TEXT_TOO_LONG"},
      // The old routes have their own format.
      {"old: no JSON", "POST", "/api/messages", "{", 400, "INVALID_JSON"},
      {"old: wrong type", "POST", "/api/messages", {{"channel_id", 7}}, 400, "INVALID_FIELD"},
      {"old: no channel", "POST", "/api/messages", {{"content", "x"}}, 400, "CHANNEL_MISSING"},
      {"old: unknown number",
       "POST",
       "/api/messages",
       {{"twilio_number", "+15559999999"}, {"content", "x"}},
       404,
       "CHANNEL_NOT_FOUND"},
      {"old: no number",
       "POST",
       "/api/messages",
       {{"channel_id", channel}, {"content", "x"}, {"user_phone_number", "555"}},
       400,
       "INVALID_PHONE_NUMBER"},
      {"old: NUL", "POST", "/api/messages",
       "{\"channel_id\": \"" + channel + "\", \"content\": \"a\\u0000\"}", 400, "INVALID_TEXT"},
      {"old: NUL to be sent", "POST", "/api/messages",
       "{\"channel_id\": \"" + channel + "\", \"content\": \"\\u0000\", \"sender\": \"contact\"}",
       400, "INVALID_TEXT"},
      {"old: too large", "POST", "/api/messages", std::string((1 << 20) + 1, ' '), 413,
       "BODY_TOO_LARGE"},
      {"old: limit", "GET", "/api/messages?channel_id=" + channel + "&limit=0", nullptr, 400,
       "INVALID_FIELD"},
      {"old: before", "GET", "/api/messages?channel_id=" + channel + "&before=soon", nullptr, 400,
       "INVALID_FIELD"},
      {"old: channel of another", "GET", "/api/channels/none", nullptr, 404, "CHANNEL_NOT_FOUND"},
  };
  for (const auto& c : cases) {
    const Answer answer =
        gateway.Http({.method = c.method, .path = c.path, .body = c.body, .token = tenant.api_key});
    EXPECT_EQ(answer.http_status, c.status) << c.label << ": " << answer.body;
    EXPECT_EQ(answer.reason, c.reason) << c.label << ": " << answer.body;
    EXPECT_EQ(gateway.Counts(), before) << c.label << " changed something";
  }
}

TEST_F(BadInputTest, NothingIsServedToWhoShowsNothing) {
  const struct {
    std::string token;
    std::string reason;
  } cases[] = {
      {"", "CREDENTIAL_MISSING"},
      {"x", "CREDENTIAL_INVALID"},
      {"parley_key_x", "CREDENTIAL_INVALID"},
      {"parley_session_x", "CREDENTIAL_INVALID"},
      {std::string(5'000, 'a'), "CREDENTIAL_INVALID"},
      {"' OR '1'='1", "CREDENTIAL_INVALID"},
  };
  for (const char* path : {"/v1/channels", "/api/channels"}) {
    for (const auto& c : cases) {
      const Answer answer = gateway.Http({.method = "GET", .path = path, .token = c.token});
      EXPECT_EQ(answer.http_status, 401) << path << " with " << c.token.substr(0, 20);
      EXPECT_EQ(answer.reason, c.reason) << path << " with " << c.token.substr(0, 20);
    }
  }
}

TEST_F(BadInputTest, TextsAreKeptAsTheyAre) {
  const Tenant tenant = gateway.NewTenant();
  for (const std::string& text :
       {std::string("<Response>&amp;\"'</Response>"), std::string("'; DROP TABLE messages; --"),
        std::string("\xF0\x9F\x99\x82 caf\xC3\xA9"), std::string("line\nbreak\ttab"),
        std::string("\x01\x7f"), std::string("{\"json\": true}"),
        std::string("\\ backslash \\\\")}) {
    const json message = Simulate(tenant, "+15550006005", text);
    EXPECT_EQ(message["body"], text);
    EXPECT_EQ(Ok(Get(tenant, "/v1/messages/" + message["id"].get<std::string>()))["body"], text);
  }
}

TEST_F(BadInputTest, ATruncatedRequestChangesNothing) {
  const Tenant tenant = gateway.NewTenant();
  const std::string before = gateway.Counts();
  const std::string head =
      "POST /v1/contacts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + tenant.api_key +
      "\r\nContent-Length: 200\r\n\r\n";
  const std::string body = R"({"contact": {"phoneNumber": "+15550006009"}})";
  // Who hangs up gets no answer; what matters is that nothing of it was done.
  for (const std::string& request :
       {head + body, head, head.substr(0, 60), std::string("\x16\x03\x01 no HTTP")}) {
    EXPECT_EQ(Raw(request).find("HTTP/1.1 2"), std::string::npos) << request;
  }
  EXPECT_EQ(gateway.Counts(), before);
}

TEST_F(BadInputTest, APostWithoutABodyNeedsNoLength) {
  const Tenant tenant = gateway.NewTenant();
  EXPECT_TRUE(Raw("POST /v1/sessions:createLiveTicket HTTP/1.1\r\nHost: localhost\r\n"
                  "Authorization: Bearer " +
                  tenant.api_key + "\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 200"));
}

// The answer to a body that is too large arrives, and the connection serves the next request.
TEST_F(BadInputTest, AConnectionSurvivesALargeBody) {
  const Tenant tenant = gateway.NewTenant();
  httplib::Client client("127.0.0.1", gateway.http_port());
  client.set_keep_alive(true);
  client.set_bearer_token_auth(tenant.api_key);
  const auto large = client.Post("/v1/messages", std::string((1 << 20) + 1, 'a'), "text/plain");
  ASSERT_TRUE(large);
  EXPECT_EQ(large->status, 413);
  const auto next = client.Get("/v1/organization");
  ASSERT_TRUE(next);
  EXPECT_EQ(next->status, 200);
}

}  // namespace
}  // namespace parley::gateway
