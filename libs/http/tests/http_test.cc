#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "libs/base/status.h"
#include "libs/http/admin.h"
#include "libs/http/guarded_client.h"
#include "libs/http/server.h"

namespace parley::http {
namespace {

TEST(Server, RefusesBodiesThatAreTooLargeAndKeepsServing) {
  Server server({.name = "test", .connections_max = 2, .body_bytes_max = 10'000'000});
  server.routes().Post("/", [](const httplib::Request& request, httplib::Response& response,
                               const httplib::ContentReader& reader) {
    const auto body = ReadBody(request, reader, 20'000);
    if (!body.ok()) return RespondError(response, body.status());
    response.set_content(std::to_string(body->size()), "text/plain");
  });
  ASSERT_TRUE(server.Start().ok());
  httplib::Client client("127.0.0.1", server.port());
  client.set_keep_alive(true);
  // 9,000 bytes of a form: more than cpp-httplib itself lets through.
  const auto form = client.Post("/", std::string(9'000, 'a'), "application/x-www-form-urlencoded");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->body, "9000");
  const auto large = client.Post("/", std::string(20'001, 'a'), "text/plain");
  ASSERT_TRUE(large);
  EXPECT_EQ(large->status, 413);
  EXPECT_EQ(nlohmann::json::parse(large->body)["error"]["details"][0]["reason"], "BODY_TOO_LARGE");
  EXPECT_EQ(client.Post("/", "a", "text/plain")->body, "1");
  // So large that it is not read to its end: answered all the same, then the connection closes.
  const auto huge = client.Post("/", std::string(2'000'000, 'a'), "text/plain");
  if (huge) {
    EXPECT_EQ(huge->status, 413);
  }
  EXPECT_EQ(client.Post("/", "ab", "text/plain")->body, "2");
}

TEST(Server, SaysWhenItsPortIsTaken) {
  Server first({.name = "first"});
  ASSERT_TRUE(first.Start().ok());
  Server second({.name = "second", .port = first.port()});
  EXPECT_EQ(ErrorReason(second.Start()), "ADDRESS_IN_USE");
}

TEST(AdminServer, IsReadyOnlyWhenEveryCheckPasses) {
  bool up = false;
  AdminServer admin(
      "127.0.0.1", 0,
      {{"database", [&] { return up ? absl::OkStatus() : Unavailable("DOWN", "It is away."); }}});
  ASSERT_TRUE(admin.Start().ok());
  httplib::Client client("127.0.0.1", admin.port());
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  up = true;
  EXPECT_EQ(client.Get("/readyz")->status, 200);
  EXPECT_NE(client.Get("/metrics")->body.find("process_resident_memory_bytes"), std::string::npos);
}

TEST(IsPublicAddress, KnowsTheSpecialBlocks) {
  for (const char* ip :
       {"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"}) {
    EXPECT_TRUE(IsPublicAddress(ip)) << ip;
  }
  for (const char* ip :
       {"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1",
        "::ffff:127.0.0.1", "2001:db8::1", "2002:7f00:1::", "localhost", ""}) {
    EXPECT_FALSE(IsPublicAddress(ip)) << ip;
  }
}

TEST(GuardedClient, CallsPrivateAddressesOnlyWhenAllowed) {
  Server server({.name = "private"});
  int served = 0;
  server.routes().Get("/", [&](const httplib::Request&, httplib::Response& response) {
    ++served;
    response.set_content("inside", "text/plain");
  });
  ASSERT_TRUE(server.Start().ok());
  const std::string host_port = "127.0.0.1:" + std::to_string(server.port());
  const GuardedClient strict(GuardedClientOptions{});
  EXPECT_EQ(ErrorReason(strict.Call({.url = "http://" + host_port + "/"}).status()),
            "ADDRESS_NOT_PUBLIC");
  EXPECT_EQ(served, 0);
  const GuardedClient lenient(GuardedClientOptions{.allowed = {host_port}});
  EXPECT_EQ(lenient.Call({.url = "http://" + host_port + "/"})->body, "inside");
}

TEST(GuardedClient, ChecksRedirectsAndKeepsCredentialsHome) {
  Server inside({.name = "inside"});
  Server outside({.name = "outside"});
  std::string seen_authorization = "none";
  inside.routes().Get("/", [&](const httplib::Request& request, httplib::Response& response) {
    seen_authorization = request.get_header_value("Authorization");
    response.set_content("reached", "text/plain");
  });
  ASSERT_TRUE(inside.Start().ok());
  const std::string inside_host = "127.0.0.1:" + std::to_string(inside.port());
  outside.routes().Get("/", [&](const httplib::Request&, httplib::Response& response) {
    response.set_redirect("http://" + inside_host + "/");
  });
  ASSERT_TRUE(outside.Start().ok());
  const std::string outside_host = "127.0.0.1:" + std::to_string(outside.port());
  const GuardedRequest request{.url = "http://" + outside_host + "/",
                               .headers = {{"Authorization", "Bearer x"}}};
  EXPECT_EQ(ErrorReason(GuardedClient({.allowed = {outside_host}}).Call(request).status()),
            "ADDRESS_NOT_PUBLIC");
  EXPECT_EQ(GuardedClient({.allowed = {outside_host, inside_host}}).Call(request)->body, "reached");
  EXPECT_EQ(seen_authorization, "");
}

TEST(GuardedClient, EndsACallWhoseTimeIsOverOrThatIsStopped) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::stop_source stop;
  Server server({.name = "slow"});
  server.routes().Get("/(.*)", [&](const httplib::Request& request, httplib::Response& response) {
    response.set_chunked_content_provider(
        "text/plain", [&, stopped = request.path == "/stop"](std::size_t, httplib::DataSink& sink) {
          sink.write("x", 1);  // It begins to answer, and never ends.
          if (stopped) stop.request_stop();
          released.wait();
          sink.done();
          return true;
        });
  });
  ASSERT_TRUE(server.Start().ok());
  const std::string host_port = "127.0.0.1:" + std::to_string(server.port());
  struct Case {
    const char* path;
    std::chrono::milliseconds total_timeout;
  };
  for (const Case& c : {Case{"/time", std::chrono::milliseconds(100)},
                        Case{"/stop", std::chrono::milliseconds(60'000)}}) {
    const GuardedClient client({.allowed = {host_port}, .total_timeout = c.total_timeout});
    const auto began = std::chrono::steady_clock::now();
    const auto answer = client.Call({.url = "http://" + host_port + c.path}, stop.get_token());
    EXPECT_EQ(ErrorReason(answer.status()), "NO_ANSWER") << c.path;
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20)) << c.path;
  }
  release.set_value();
}

TEST(GuardedClient, BoundsAnswersAndRefusesOddUrls) {
  Server server({.name = "big"});
  server.routes().Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(std::string(1000, 'x'), "text/plain");
  });
  ASSERT_TRUE(server.Start().ok());
  const std::string host_port = "127.0.0.1:" + std::to_string(server.port());
  const GuardedClient client({.allowed = {host_port}, .response_bytes_max = 999});
  EXPECT_EQ(ErrorReason(client.Call({.url = "http://" + host_port}).status()),
            "RESPONSE_TOO_LARGE");
  for (const char* url :
       {"", "ftp://example.com/", "http://", "http://user@example.com/", "http://example.com:0/",
        "http://example.com:99999/", "http://a b/", "file:///etc/passwd"}) {
    EXPECT_EQ(ErrorReason(client.Call({.url = url}).status()), "INVALID_URL") << url;
  }
}

}  // namespace
}  // namespace parley::http
