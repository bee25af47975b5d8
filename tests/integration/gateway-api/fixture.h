// The role "api" in this process, on real PostgreSQL: a database of its own for each test program,
// organizations as tests need them, and clients for HTTP and gRPC.
#pragma once

#include <gtest/gtest.h>
#include <httplib.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/server.h"
#include "fake_twilio.h"

namespace parley::gateway {

using nlohmann::json;

// An answer of either transport. `code` is the name of the gRPC code ("OK", "NOT_FOUND").
struct Answer {
  int http_status = 0;
  std::string code;
  std::string reason;
  json body;
  httplib::Headers headers;  // Of gRPC, the trailing metadata.
  double retry_seconds = 0;  // Of gRPC, in RetryInfo.
};

// A made-up SID: "AC" and 32 times `digit`.
std::string MadeUpSid(char digit);

// What a test's organization has.
struct Tenant {
  std::string organization_id;
  std::string email;
  std::string password;
  std::string api_key;  // Of an admin.
  std::string account_sid;
  std::string phone_number;
  std::string channel_id;
};

// Started once for the program; tests add organizations and leave each other's alone.
class Gateway {
 public:
  static Gateway& Get();
  ~Gateway();

  // HTTP. A body that is a string is sent as it is, anything else as JSON.
  struct Request {
    std::string method;
    std::string path;
    json body = nullptr;
    std::string token;
    httplib::Headers headers = {};
  };
  Answer Http(const Request& request);

  // gRPC, by the method's full name; request and response are JSON.
  Answer Grpc(const std::string& method, const json& request, const std::string& token,
              const std::map<std::string, std::string>& metadata = {});
  // For what JSON cannot say.
  Answer Grpc(const std::string& method, const rpc::Message& request, const std::string& token,
              const std::map<std::string, std::string>& metadata = {}) {
    return Grpc(*server_, method, request, token, metadata);
  }
  static Answer Grpc(const api::Server& server, const std::string& method,
                     const rpc::Message& request, const std::string& token,
                     const std::map<std::string, std::string>& metadata = {});

  // A new organization with an owner, an API key, an account and a channel for SMS and WhatsApp.
  Tenant NewTenant();
  // A session of a new user with this role.
  std::string NewSession(const Tenant& tenant, const std::string& role);

  // SQL as gateway_worker: the first column of the first row, or empty.
  std::string Query(const std::string& sql, const std::vector<std::string>& parameters = {});
  // Everything that is stored of an organization, to see that nothing changed.
  std::string Snapshot(const std::string& organization_id);
  // Rows of all tables, counted.
  std::string Counts();

  FakeTwilio twilio;
  api::Services& services() { return *services_; }
  const rpc::MethodTable& methods() const { return server_->methods(); }
  int http_port() const { return server_->http_port(); }
  const std::string& database_url() const { return database_url_; }

 private:
  Gateway();

  std::string admin_url_;
  std::string database_;
  std::string database_url_;
  std::unique_ptr<crypto::KeyRing> keys_;
  std::unique_ptr<postgres::Pool> database_pool_;
  std::unique_ptr<postgres::Pool> worker_pool_;
  LoginThrottle login_throttle_;
  std::unique_ptr<api::Services> services_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<api::Server> server_;
  int tenants_ = 0;
};

// Each test talks to the same gateway.
class GatewayTest : public testing::Test {
 protected:
  Gateway& gateway = Gateway::Get();

  Answer Get(const Tenant& tenant, const std::string& path) {
    return gateway.Http({.method = "GET", .path = path, .token = tenant.api_key});
  }
  Answer Post(const Tenant& tenant, const std::string& path, json body = json::object(),
              httplib::Headers headers = {}) {
    return gateway.Http({.method = "POST",
                         .path = path,
                         .body = std::move(body),
                         .token = tenant.api_key,
                         .headers = std::move(headers)});
  }
  Answer Patch(const Tenant& tenant, const std::string& path, json body) {
    return gateway.Http(
        {.method = "PATCH", .path = path, .body = std::move(body), .token = tenant.api_key});
  }
  Answer Delete(const Tenant& tenant, const std::string& path) {
    return gateway.Http({.method = "DELETE", .path = path, .token = tenant.api_key});
  }
  // The answer's body; the test fails if it was refused.
  json Ok(const Answer& answer) {
    EXPECT_LT(answer.http_status, 300) << answer.body.dump();
    return answer.body;
  }
  json Simulate(const Tenant& tenant, const std::string& from, const std::string& body) {
    return Ok(Post(tenant, "/v1/messages:simulateInbound",
                   {{"channelId", tenant.channel_id}, {"from", from}, {"body", body}}));
  }
};

}  // namespace parley::gateway
