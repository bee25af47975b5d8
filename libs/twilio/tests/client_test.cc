#include "libs/twilio/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "libs/base/status.h"
#include "libs/twilio/form.h"
#include "libs/twilio/tests/scripted_server.h"

namespace parley::twilio {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

const std::string kSid = "SM" + std::string(32, 'a');
const Account kAccount("AC" + std::string(32, '1'), Secret("token"));
const NewMessage kMessage{.to = "+15005550010",
                          .from = "+15005550006",
                          .messaging_service_sid = "",
                          .body = "Hi & bye é",
                          .media_urls = {},
                          .content_sid = "",
                          .content_variables = "",
                          .status_callback = "https://h.example/s?m=1&a=1#rc=5&rp=all",
                          .validity_period = std::nullopt};

std::string Http(std::string_view status, std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

std::string Created() {
  return Http("201 CREATED",
              R"({"sid":")" + kSid + R"(","status":"queued","num_segments":"1","from":null})");
}

std::unique_ptr<Client> MakeClient(TransportOptions options) {
  auto client = Client::Create(std::move(options));
  EXPECT_TRUE(client.ok()) << client.status();
  return std::move(client).value();
}

std::unique_ptr<Client> MakeClient(const ScriptedServer& server) {
  TransportOptions options;
  options.base_url = server.url();
  return MakeClient(options);
}

// Answers every request of every connection alike.
auto Always(std::string answer) {
  return [answer](Peer& peer, int) {
    while (!peer.ReadRequest().empty()) peer.Write(answer);
  };
}

TEST(CreateMessage, WritesTheWholeRequestAndReadsTheSid) {
  std::string request;
  ScriptedServer server([&request](Peer& peer, int) {
    request = peer.ReadRequest();
    peer.Write(Created());
    peer.WaitForEnd();
  });
  std::vector<std::string> media = {"https://h.example/a.png", "https://h.example/b.png"};
  NewMessage message = kMessage;
  message.media_urls = media;
  const SendOutcome outcome = MakeClient(server)->CreateMessage(kAccount, message);
  const auto* accepted = std::get_if<Accepted>(&outcome);
  ASSERT_NE(accepted, nullptr);
  EXPECT_EQ(accepted->sid, kSid);
  EXPECT_EQ(accepted->status, MessageStatus::kQueued);
  EXPECT_EQ(accepted->segments, 1);
  EXPECT_THAT(request,
              HasSubstr("POST /2010-04-01/Accounts/" + kAccount.sid() + "/Messages.json HTTP/1.1"));
  EXPECT_THAT(request, HasSubstr("\r\nAuthorization: Basic QUMxMTEx"));  // "AC1111…"
  const auto form = ParseForm(request.substr(request.find("\r\n\r\n") + 4));
  ASSERT_TRUE(form.ok());
  EXPECT_EQ(form->Get("To"), kMessage.to);
  EXPECT_EQ(form->Get("From"), kMessage.from);
  EXPECT_EQ(form->Get("Body"), kMessage.body);
  EXPECT_EQ(form->Get("StatusCallback"), kMessage.status_callback);
  EXPECT_EQ(form->All("MediaUrl").size(), 2u);
  EXPECT_FALSE(form->Has("ContentSid"));
}

TEST(CreateMessage, RefusalsCarryTheCodeAndWhenToComeBack) {
  ScriptedServer server([](Peer& peer, int) {
    peer.ReadRequest();
    peer.Write(Http("429 TOO MANY", R"({"code":20429,"message":"Too Many Requests"})",
                    "Retry-After: 7\r\n"));
    peer.ReadRequest();
    peer.Write(Http("400 BAD REQUEST", "<html>no json</html>"));
    peer.WaitForEnd();
  });
  const auto client = MakeClient(server);
  const SendOutcome busy = client->CreateMessage(kAccount, kMessage);
  const auto* refused = std::get_if<Refused>(&busy);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->http_status, 429);
  EXPECT_EQ(refused->code, 20429);
  EXPECT_EQ(refused->retry_after, std::chrono::seconds(7));
  const SendOutcome plain = client->CreateMessage(kAccount, kMessage);
  refused = std::get_if<Refused>(&plain);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->http_status, 400);
  EXPECT_EQ(refused->code, 0);
}

TEST(CreateMessage, IsUnknownOnceTheRequestMayHaveBeenTaken) {
  const struct {
    const char* label;
    std::function<void(Peer&)> answer;
    int http_status;
  } cases[] = {
      {"closed without an answer", [](Peer&) {}, 0},
      {"reset without an answer", [](Peer& peer) { peer.Reset(); }, 0},
      {"500", [](Peer& peer) { peer.Write(Http("500 X", R"({"code":20500})")); }, 500},
      {"503", [](Peer& peer) { peer.Write(Http("503 X", R"({"code":20503})")); }, 503},
      {"408", [](Peer& peer) { peer.Write(Http("408 X", "")); }, 408},
      {"302", [](Peer& peer) { peer.Write(Http("302 X", "")); }, 302},
      {"2xx that is no JSON", [](Peer& peer) { peer.Write(Http("201 X", "ok")); }, 201},
      {"2xx without a SID", [](Peer& peer) { peer.Write(Http("201 X", "{}")); }, 201},
      {"cut in the headers", [](Peer& peer) { peer.Write("HTTP/1.1 201 X\r\nConte"); }, 0},
      {"cut in the body",
       [](Peer& peer) { peer.Write("HTTP/1.1 201 X\r\nContent-Length: 99\r\n\r\n{}"); }, 0},
      {"no HTTP", [](Peer& peer) { peer.Write("SSH-2.0-x\r\n\r\n\r\n"); }, 0},
      {"no answer in time", [](Peer& peer) { peer.WaitForEnd(); }, 0},
      {"endless, without a length",
       [](Peer& peer) { peer.Write("HTTP/1.1 201 X\r\n\r\n" + std::string(5000, ' ')); }, 0},
      {"larger than the bound",
       [](Peer& peer) { peer.Write(Http("201 X", std::string(5000, ' '))); }, 0},
  };
  for (const auto& c : cases) {
    ScriptedServer server([&c](Peer& peer, int) {
      peer.ReadRequest();
      c.answer(peer);
    });
    TransportOptions options;
    options.base_url = server.url();
    options.answer_timeout = milliseconds(200);
    options.answer_bytes_max = 4096;
    const SendOutcome outcome = MakeClient(options)->CreateMessage(kAccount, kMessage);
    const auto* unknown = std::get_if<Unknown>(&outcome);
    ASSERT_NE(unknown, nullptr) << c.label;
    EXPECT_EQ(unknown->http_status, c.http_status) << c.label;
    // It was tried once: an unknown outcome is never repeated.
    EXPECT_EQ(server.connections(), 1) << c.label;
  }
}

TEST(CreateMessage, IsNotWrittenWhenNobodyListens) {
  std::string url;
  {
    const ScriptedServer gone([](Peer&, int) {});
    url = gone.url();
  }
  TransportOptions options;
  options.base_url = url;
  const SendOutcome outcome = MakeClient(options)->CreateMessage(kAccount, kMessage);
  const auto* not_written = std::get_if<NotWritten>(&outcome);
  ASSERT_NE(not_written, nullptr);
  EXPECT_FALSE(not_written->too_late);
}

TEST(CreateMessage, IsNotWrittenWhenTheNameDoesNotResolve) {
  TransportOptions options;
  options.base_url = "http://nobody.invalid";
  const SendOutcome outcome = MakeClient(options)->CreateMessage(kAccount, kMessage);
  EXPECT_NE(std::get_if<NotWritten>(&outcome), nullptr);
}

TEST(CreateMessage, IsNotWrittenWhenTlsFails) {
  // A plain server: the TLS handshake breaks before any byte of the request.
  ScriptedServer server([](Peer& peer, int) { peer.Write("HTTP/1.1 400 no\r\n\r\n"); });
  TransportOptions options;
  options.base_url = "https" + server.url().substr(4);
  const SendOutcome outcome = MakeClient(options)->CreateMessage(kAccount, kMessage);
  EXPECT_NE(std::get_if<NotWritten>(&outcome), nullptr);
}

TEST(CreateMessage, IsAbandonedWhenItsTimeToBeginHasPassed) {
  std::atomic<int> requests{0};
  ScriptedServer server([&requests](Peer& peer, int) {
    while (!peer.ReadRequest().empty()) {
      ++requests;
      peer.Write(Created());
    }
  });
  const auto client = MakeClient(server);
  const SendOutcome outcome =
      client->CreateMessage(kAccount, kMessage, std::chrono::steady_clock::now() - milliseconds(1));
  const auto* not_written = std::get_if<NotWritten>(&outcome);
  ASSERT_NE(not_written, nullptr);
  EXPECT_TRUE(not_written->too_late);
  const SendOutcome in_time = client->CreateMessage(
      kAccount, kMessage, std::chrono::steady_clock::now() + std::chrono::seconds(10));
  EXPECT_NE(std::get_if<Accepted>(&in_time), nullptr);
  // Nor on a connection that stands already.
  const SendOutcome kept =
      client->CreateMessage(kAccount, kMessage, std::chrono::steady_clock::now() - milliseconds(1));
  EXPECT_NE(std::get_if<NotWritten>(&kept), nullptr);
  EXPECT_EQ(requests, 1);
}

TEST(CreateMessage, IsAcceptedInAStateThatIsNotKnownHere) {
  ScriptedServer server(Always(Http("201 X", R"({"sid":")" + kSid + R"(","status":"pondering"})")));
  const SendOutcome outcome = MakeClient(server)->CreateMessage(kAccount, kMessage);
  const auto* accepted = std::get_if<Accepted>(&outcome);
  ASSERT_NE(accepted, nullptr);
  EXPECT_EQ(accepted->sid, kSid);
}

// Whose queue of connections is full, until it begins to accept: so long connecting hangs.
class BusyServer {
 public:
  BusyServer() {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address_);
    bind(listener_, reinterpret_cast<sockaddr*>(&address_), bytes);
    listen(listener_, 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &bytes);
    filler_ = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(filler_, reinterpret_cast<sockaddr*>(&address_), bytes), 0);
  }
  ~BusyServer() {
    shutdown(listener_, SHUT_RDWR);
    close(filler_);
    threads_.clear();
    close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }

  void AcceptAfter(SteadyTime time) {
    threads_.emplace_back([this, time] {
      while (std::chrono::steady_clock::now() < time) std::this_thread::yield();
      for (int fd = accept(listener_, nullptr, nullptr); fd >= 0;
           fd = accept(listener_, nullptr, nullptr)) {
        ++accepted;
        serving_.emplace_back([fd] {
          Peer peer(fd);
          while (!peer.ReadRequest().empty()) peer.Write(Created());
          close(fd);
        });
      }
    });
  }

  std::atomic<int> accepted{0};  // The filler is one of them.

 private:
  sockaddr_in address_{};
  int listener_;
  int filler_;
  std::vector<std::jthread> serving_;
  std::vector<std::jthread> threads_;
};

TEST(Transport, AConnectionThatIsNotMadeIsNoLatenessOfOurs) {
  BusyServer server;
  TransportOptions options;
  options.base_url = server.url();
  options.connect_timeout = milliseconds(200);
  const SendOutcome outcome = MakeClient(options)->CreateMessage(
      kAccount, kMessage, std::chrono::steady_clock::now() + milliseconds(50));
  const auto* not_written = std::get_if<NotWritten>(&outcome);
  ASSERT_NE(not_written, nullptr);
  EXPECT_FALSE(not_written->too_late);
}

TEST(Transport, AConnectionThatStandsTooLateIsForTheNextRequest) {
  BusyServer server;
  TransportOptions options;
  options.base_url = server.url();
  options.connect_timeout = std::chrono::seconds(20);
  options.idle_max = std::chrono::seconds(20);
  const auto client = MakeClient(options);
  const auto write_by = std::chrono::steady_clock::now() + milliseconds(50);
  server.AcceptAfter(write_by);
  const SendOutcome late = client->CreateMessage(kAccount, kMessage, write_by);
  const auto* not_written = std::get_if<NotWritten>(&late);
  ASSERT_NE(not_written, nullptr);
  EXPECT_TRUE(not_written->too_late);
  const SendOutcome next = client->CreateMessage(kAccount, kMessage);
  EXPECT_NE(std::get_if<Accepted>(&next), nullptr);
  EXPECT_EQ(server.accepted, 2);
}

TEST(Transport, AConnectionThatWasNotUsedDoesNotGetYounger) {
  ScriptedServer server(Always(Created()));
  TransportOptions options;
  options.base_url = server.url();
  options.idle_max = milliseconds(100);
  const auto client = MakeClient(options);
  const SendOutcome first = client->CreateMessage(kAccount, kMessage);
  EXPECT_NE(std::get_if<Accepted>(&first), nullptr);
  const auto idle_until = std::chrono::steady_clock::now() + milliseconds(100);
  while (std::chrono::steady_clock::now() < idle_until) {
    client->CreateMessage(kAccount, kMessage, std::nullopt,
                          [](SteadyTime) { return std::chrono::microseconds(-1); });
  }
  const SendOutcome last = client->CreateMessage(kAccount, kMessage);
  EXPECT_NE(std::get_if<Accepted>(&last), nullptr);
  EXPECT_EQ(server.connections(), 2);
}

TEST(Transport, KeepsAConnectionBetweenRequests) {
  ScriptedServer server(Always(Created()));
  const auto client = MakeClient(server);
  for (int i = 0; i < 5; ++i) {
    const SendOutcome outcome = client->CreateMessage(kAccount, kMessage);
    ASSERT_NE(std::get_if<Accepted>(&outcome), nullptr) << i;
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(Transport, ClosesWhatTheServerWillClose) {
  ScriptedServer server(Always(
      Http("201 X", R"({"sid":")" + kSid + R"(","status":"queued"})", "Connection: close\r\n")));
  const auto client = MakeClient(server);
  for (int i = 0; i < 3; ++i) {
    const SendOutcome outcome = client->CreateMessage(kAccount, kMessage);
    ASSERT_NE(std::get_if<Accepted>(&outcome), nullptr) << i;
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST(Transport, DoesNotUseAConnectionThatIdledTooLong) {
  ScriptedServer server(Always(Created()));
  TransportOptions options;
  options.base_url = server.url();
  options.idle_max = milliseconds(0);
  const auto client = MakeClient(options);
  for (int i = 0; i < 3; ++i) {
    const SendOutcome outcome = client->CreateMessage(kAccount, kMessage);
    ASSERT_NE(std::get_if<Accepted>(&outcome), nullptr) << i;
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST(Transport, NoticesThatAKeptConnectionWasClosed) {
  // Each connection serves one request, and ends without having said so.
  for (const bool reset : {false, true}) {
    ScriptedServer server([reset](Peer& peer, int) {
      peer.ReadRequest();
      peer.Write(Created());
      if (reset) peer.Reset();
    });
    const auto client = MakeClient(server);
    for (int i = 0; i < 5; ++i) {
      const SendOutcome outcome = client->CreateMessage(kAccount, kMessage);
      EXPECT_NE(std::get_if<Accepted>(&outcome), nullptr) << i;
      server.WaitForEnded(i + 1);
    }
    EXPECT_EQ(server.connections(), 5);
  }
}

TEST(Transport, ReadsChunkedAndInterimAnswers) {
  const std::string body = R"({"sid":")" + kSid + R"(","status":"queued"})";
  ScriptedServer server([&body](Peer& peer, int) {
    peer.ReadRequest();
    peer.Write("HTTP/1.1 100 Continue\r\n\r\n");
    peer.Write("HTTP/1.1 201 CREATED\r\ntransfer-encoding: chunked\r\n\r\na;x=y\r\n");
    peer.Write(body.substr(0, 10));
    char size[16];
    snprintf(size, sizeof(size), "\r\n%zx\r\n", body.size() - 10);
    peer.Write(size);
    peer.Write(body.substr(10));
    peer.Write("\r\n0\r\n");
    peer.Write("\r\n");
    peer.ReadRequest();
    peer.Write(Created());
    peer.WaitForEnd();
  });
  const auto client = MakeClient(server);
  for (int i = 0; i < 2; ++i) {
    const SendOutcome outcome = client->CreateMessage(kAccount, kMessage);
    ASSERT_NE(std::get_if<Accepted>(&outcome), nullptr) << i;
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(Transport, ServesManyThreadsAtOnce) {
  ScriptedServer server(Always(Created()));
  const auto client = MakeClient(server);
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const SendOutcome outcome = client->CreateMessage(kAccount, kMessage);
        if (std::get_if<Accepted>(&outcome) != nullptr) ++accepted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(accepted, 16 * 50);
  EXPECT_LE(server.connections(), 16);
}

TEST(Client, ReadsTheAccount) {
  std::string request;
  ScriptedServer server([&request](Peer& peer, int) {
    request = peer.ReadRequest();
    peer.Write(Http("200 OK", R"({"sid":")" + kAccount.sid() +
                                  R"(","status":"active","type":"Full","friendly_name":"x"})"));
    peer.WaitForEnd();
  });
  const auto account = MakeClient(server)->FetchAccount(kAccount);
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ(account->status, "active");
  EXPECT_THAT(request, HasSubstr("GET /2010-04-01/Accounts/" + kAccount.sid() + ".json HTTP/1.1"));
}

TEST(Client, TranslatesErrorsOnce) {
  const struct {
    const char* answer;
    absl::StatusCode code;
    int twilio_code;
  } cases[] = {
      {"401 {\"code\":20003}", absl::StatusCode::kUnauthenticated, 20003},
      {"403 {\"code\":20008}", absl::StatusCode::kPermissionDenied, 20008},
      {"404 {\"code\":20404}", absl::StatusCode::kNotFound, 20404},
      {"429 {\"code\":20429}", absl::StatusCode::kResourceExhausted, 20429},
      {"503 oops", absl::StatusCode::kUnavailable, 0},
      {"400 {\"code\":21211}", absl::StatusCode::kInvalidArgument, 21211},
  };
  for (const auto& c : cases) {
    const std::string text = c.answer;
    ScriptedServer server(Always(Http(text.substr(0, 3) + " X", text.substr(4))));
    const absl::Status status = MakeClient(server)->FetchAccount(kAccount).status();
    EXPECT_EQ(status.code(), c.code) << c.answer;
    EXPECT_EQ(TwilioCode(status), c.twilio_code) << c.answer;
  }
}

TEST(Client, FiltersAndFollowsPagesOfItsOwnAccountOnly) {
  std::vector<std::string> targets;
  const std::string next = kAccount.messages_path() + "?PageToken=PA1";
  ScriptedServer server([&](Peer& peer, int) {
    for (std::string text = peer.ReadRequest(); !text.empty(); text = peer.ReadRequest()) {
      targets.push_back(text.substr(0, text.find(" HTTP")));
      peer.Write(Http("200 OK", R"({"messages":[],"next_page_uri":")" + next + R"("})"));
    }
  });
  const auto client = MakeClient(server);
  const auto page = client->ListMessages(kAccount, {.to = "+15005550010",
                                                    .from = "+15005550006",
                                                    .sent_from = *ParseTime("2023-08-24T05:01:45Z"),
                                                    .sent_until = std::nullopt,
                                                    .page_size = 100});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_TRUE(client->ListMessagesAt(kAccount, page->next_page_uri).ok());
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0], "GET " + kAccount.messages_path() +
                            "?To=%2B15005550010&From=%2B15005550006&"
                            "DateSent%3E=2023-08-24T05%3A01%3A45Z&PageSize=100");
  EXPECT_EQ(targets[1], "GET " + next);
  const std::string foreign = "/2010-04-01/Accounts/AC" + std::string(32, '2') + "/Messages.json";
  EXPECT_FALSE(client->ListMessagesAt(kAccount, foreign).ok());
  EXPECT_FALSE(client->ListMessagesAt(kAccount, next + " HTTP/1.1\r\nX: y").ok());
  EXPECT_EQ(targets.size(), 2u);
}

TEST(Client, PointsANumberAtItsWebhooks) {
  std::string request;
  ScriptedServer server([&request](Peer& peer, int) {
    request = peer.ReadRequest();
    peer.Write(Http("200 OK", R"({"sid":"PN1","phone_number":"+15005550006"})"));
    peer.WaitForEnd();
  });
  NumberWebhooks webhooks;
  webhooks.sms_url = "https://h.example/webhooks/twilio/message#rc=5&rp=all";
  const std::string sid = "PN" + std::string(32, '1');
  EXPECT_TRUE(MakeClient(server)->UpdateIncomingPhoneNumber(kAccount, sid, webhooks).ok());
  const auto form = ParseForm(request.substr(request.find("\r\n\r\n") + 4));
  ASSERT_TRUE(form.ok());
  EXPECT_EQ(form->Get("SmsUrl"), webhooks.sms_url);
  EXPECT_EQ(form->Get("SmsMethod"), "POST");
  EXPECT_FALSE(form->Has("VoiceUrl"));
}

}  // namespace
}  // namespace parley::twilio
