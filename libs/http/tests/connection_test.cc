// The limits of a connection, seen from a raw socket: no client library behaves that badly.
#include "libs/http/connection.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "libs/http/server.h"

namespace parley::http {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr milliseconds kTestMax{20'000};  // Only a failing test waits this long.

class RawClient {
 public:
  explicit RawClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False once the other side has closed.
  bool Send(std::string_view text) {
    return ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  void EndSending() { ::shutdown(socket_, SHUT_WR); }

  bool Readable(milliseconds within) {
    pollfd entry{.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, static_cast<int>(within.count())) > 0;
  }
  // What comes until the other side closes, or until `until` is there.
  std::string Read(std::string_view until = "") {
    while (until.empty() || seen_.find(until) == std::string::npos) {
      std::array<char, 4'096> buffer;
      if (!Readable(kTestMax)) return seen_ + "<nothing more>";
      const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (got < 0) return seen_ + "<reset>";
      if (got == 0) return std::exchange(seen_, "") + "<closed>";
      seen_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return std::exchange(seen_, "");
  }

 private:
  const int socket_;
  std::string seen_;
};

class ConnectionTest : public testing::Test {
 protected:
  void Serve(ServerOptions options) {
    options.name = "test";
    server_.emplace(std::move(options));
    server_->routes().Get("/", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("hello", "text/plain");
    });
    server_->routes().Post("/", [](const httplib::Request& request, httplib::Response& response,
                                   const httplib::ContentReader& reader) {
      const auto body = ReadBody(request, reader, 64 << 10);
      if (!body.ok()) return RespondError(response, body.status());
      response.set_content("got " + std::to_string(body->size()), "text/plain");
    });
    ASSERT_TRUE(server_->Start().ok());
  }

  std::optional<Server> server_;
};

TEST_F(ConnectionTest, ServesHttp10And11AndKeepsConnections) {
  Serve({});
  RawClient old_client(server_->port());
  EXPECT_TRUE(old_client.Send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_THAT(old_client.Read(), AllOf(StartsWith("HTTP/1.1 200"), EndsWith("hello<closed>")));
  RawClient client(server_->port());
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_THAT(client.Read("hello"), StartsWith("HTTP/1.1 200"));
  }
  // Several at once, and a body in pieces.
  EXPECT_TRUE(
      client.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\n"
                  "Content-Length: 6\r\n\r\nab"));
  EXPECT_THAT(client.Read("hello"), StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(client.Send("cdef"));
  EXPECT_THAT(client.Read("got 6"), StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(
      client.Send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n0\r\n\r\n"));
  EXPECT_THAT(client.Read("got 3"), StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(
      client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                  "Content-Length: 2\r\n\r\n"));
  EXPECT_THAT(client.Read("\r\n\r\n"), HasSubstr(" 100 "));
  EXPECT_TRUE(client.Send("ab"));
  EXPECT_THAT(client.Read("got 2"), HasSubstr(" 200 "));
}

TEST_F(ConnectionTest, ARequestThatTricklesIsEnded) {
  Serve({.limits = {.head_within = milliseconds(300), .request_within = milliseconds(600)}});
  const struct {
    const char* label;
    const char* begin;
  } cases[] = {
      {"in the request line", "GET /"},
      {"in the headers", "GET / HTTP/1.1\r\nHost: h\r\nX: "},
      {"in the body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n"},
  };
  for (const auto& c : cases) {
    RawClient client(server_->port());
    ASSERT_TRUE(client.Send(c.begin));
    // A byte every 20 ms: never silent, never done.
    const auto deadline = std::chrono::steady_clock::now() + kTestMax;
    while (!client.Readable(milliseconds(20)) && std::chrono::steady_clock::now() < deadline) {
      ASSERT_TRUE(client.Send("a")) << c.label;
    }
    EXPECT_THAT(client.Read(),
                AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("REQUEST_TIMEOUT"), HasSubstr("<")))
        << c.label;
  }
  // Others were served all the time.
  RawClient client(server_->port());
  EXPECT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_THAT(client.Read("hello"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ConnectionTest, WhatIsCutOffIsAnsweredOrClosed) {
  Serve({});
  const struct {
    const char* label;
    const char* text;
    const char* want;
  } cases[] = {
      {"nothing", "", "<closed>"},
      {"in the request line", "GET /", "HTTP/1.1 400"},
      {"in the headers", "GET / HTTP/1.1\r\nHos", "HTTP/1.1 400"},
      {"in the body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 400"},
      {"in a chunk", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
       "HTTP/1.1 400"},
      {"no HTTP", "hello\r\n\r\n", "HTTP/1.1 400"},
      {"whole", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200"},
  };
  for (const auto& c : cases) {
    RawClient client(server_->port());
    EXPECT_TRUE(client.Send(c.text));
    client.EndSending();
    EXPECT_THAT(client.Read(), AllOf(StartsWith(c.want), EndsWith("<closed>"))) << c.label;
  }
}

TEST_F(ConnectionTest, HeadsAreBounded) {
  Serve({.limits = {.target_bytes_max = 1'000, .header_bytes_max = 2'000}});
  const std::string many = [] {
    std::string headers;
    for (int i = 0; i < 200; ++i) headers += "X-" + std::to_string(i) + ": filler\r\n";
    return headers;
  }();
  const struct {
    const char* label;
    std::string text;
    const char* want;
  } cases[] = {
      {"long target", "GET /" + std::string(1'000, 'a') + " HTTP/1.1\r\n\r\n", "HTTP/1.1 414"},
      {"a line without end", std::string(100'000, 'a'), "HTTP/1.1 414"},
      {"one long header", "GET / HTTP/1.1\r\nX: " + std::string(2'000, 'a') + "\r\n\r\n",
       "HTTP/1.1 431"},
      {"many headers", "GET / HTTP/1.1\r\n" + many + "\r\n", "HTTP/1.1 431"},
      {"a header without end", "GET / HTTP/1.1\r\nX: " + std::string(100'000, 'a'), "HTTP/1.1 431"},
  };
  for (const auto& c : cases) {
    RawClient client(server_->port());
    client.Send(c.text);
    EXPECT_THAT(client.Read(), AllOf(StartsWith(c.want), EndsWith("<closed>"))) << c.label;
  }
}

TEST_F(ConnectionTest, NoBodyIsTakenForARequest) {
  Serve({});
  const std::string inner = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string length = "Content-Length: " + std::to_string(inner.size()) + "\r\n";
  const struct {
    const char* label;
    std::string request;
    const char* status;
  } cases[] = {
      {"GET with a body", "GET / HTTP/1.1\r\nHost: h\r\n" + length + "\r\n" + inner, "200"},
      {"OPTIONS with a body", "OPTIONS / HTTP/1.1\r\nHost: h\r\n" + length + "\r\n" + inner, "404"},
      {"length and chunks",
       "POST / HTTP/1.1\r\nHost: h\r\n" + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
           inner,
       "400"},
      {"two lengths",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n" + length + "\r\n" + inner, "400"},
      {"no number", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: abc\r\n\r\n" + inner, "400"},
      {"unknown encoding",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" +
           inner,
       "400"},
      {"endless chunk size",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
           std::string(100'000, '0'),
       "400"},
  };
  for (const auto& c : cases) {
    RawClient client(server_->port());
    client.Send(c.request);
    const std::string answer = client.Read();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::string(c.status))) << c.label;
    EXPECT_THAT(answer, EndsWith("<closed>")) << c.label;
    EXPECT_EQ(answer.find("HTTP/1.1 ", 1), std::string::npos) << c.label << ": " << answer;
  }
}

TEST_F(ConnectionTest, OneAddressGetsItsShareOnly) {
  Serve({.connections_max = 8, .connections_per_address = 2});
  std::optional<RawClient> first(std::in_place, server_->port());
  RawClient second(server_->port());
  for (RawClient* client : {&*first, &second}) {
    EXPECT_TRUE(client->Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_THAT(client->Read("hello"), StartsWith("HTTP/1.1 200"));
  }
  RawClient third(server_->port());
  EXPECT_THAT(third.Read(), AllOf(StartsWith("HTTP/1.1 429"), HasSubstr("TOO_MANY_CONNECTIONS")));
  // Room again once one has gone.
  first.reset();
  const auto deadline = std::chrono::steady_clock::now() + kTestMax;
  std::string answer;
  while (answer.rfind("HTTP/1.1 200", 0) != 0 && std::chrono::steady_clock::now() < deadline) {
    RawClient client(server_->port());
    client.Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    answer = client.Read();
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
}

TEST_F(ConnectionTest, ATrustedProxyHasNoShare) {
  Serve({.connections_max = 8,
         .connections_per_address = 1,
         .proxies = *TrustedProxies::Parse("127.0.0.1")});
  RawClient first(server_->port());
  RawClient second(server_->port());
  for (RawClient* client : {&first, &second}) {
    EXPECT_TRUE(client->Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_THAT(client->Read("hello"), StartsWith("HTTP/1.1 200"));
  }
}

TEST_F(ConnectionTest, IdleConnectionsMakeRoom) {
  Serve({.connections_max = 1, .keep_alive = kTestMax});
  RawClient idle(server_->port());
  EXPECT_TRUE(idle.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_THAT(idle.Read("hello"), StartsWith("HTTP/1.1 200"));
  RawClient next(server_->port());
  EXPECT_TRUE(next.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_THAT(next.Read("hello"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ConnectionTest, ARefusedBodyClosesWithItsAnswer) {
  Serve({});
  RawClient client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n" +
              std::string(10'000, 'a'));
  EXPECT_THAT(client.Read(), AllOf(StartsWith("HTTP/1.1 413"), EndsWith("<closed>")));
}

TEST_F(ConnectionTest, StoppingEndsIdleConnections) {
  Serve({.keep_alive = kTestMax});
  RawClient idle(server_->port());
  EXPECT_TRUE(idle.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_THAT(idle.Read("hello"), StartsWith("HTTP/1.1 200"));
  server_->Stop();
  EXPECT_EQ(idle.Read(), "<closed>");
}

}  // namespace
}  // namespace parley::http
