// The organizations' API limits, over a real Redis that also goes away.
#include <google/rpc/error_details.pb.h>

#include <csignal>
#include <thread>

#include "adapters/redis_api_limit.h"
#include "parley/v1/organization.pb.h"
#include "tests/integration/gateway-api/fixture.h"
#include "tests/integration/sender/processes.h"

namespace parley::gateway {
namespace {

using namespace std::chrono_literals;

constexpr int kBurst = 5;
// So slow that no test sees a bucket fill.
constexpr RateLimit kLimit{.per_second = 0.01, .burst = kBurst};

class LimitsTest : public GatewayTest {
 protected:
  LimitsTest() {
    StartRedis();
    authenticator_ = std::make_unique<Authenticator>(gateway.services().worker);
    server_ = std::make_unique<api::Server>(
        api::ServerOptions{
            .http_port = 0, .grpc_port = 0, .http_connections = 4, .api_limit = &limit_},
        gateway.services(), *authenticator_);
    EXPECT_EQ(server_->Start(), absl::OkStatus());
  }
  ~LimitsTest() override { server_->Stop(); }

  void StartRedis() {
    redis_ = std::make_unique<sender::Process>(
        "/usr/bin/redis-server",
        std::vector<std::string>{"--port", std::to_string(port_), "--bind", "127.0.0.1", "--save",
                                 "", "--appendonly", "no"},
        std::vector<std::string>{});
    redis::Client client({.url = Url(), .timeout = 2s});
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (!client.Ping().ok() && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    ASSERT_TRUE(client.Ping().ok());
  }
  std::string Url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

  httplib::Result Call(const Tenant& tenant, const std::string& path = "/v1/organization") {
    httplib::Client client("127.0.0.1", server_->http_port());
    client.set_read_timeout(30);
    return client.Get(path, {{"Authorization", "Bearer " + tenant.api_key}});
  }
  int Status(const Tenant& tenant, const std::string& path = "/v1/organization") {
    const httplib::Result result = Call(tenant, path);
    return result ? result->status : 0;
  }
  // How many of so many calls are let in.
  int Allowed(const Tenant& tenant, int calls) {
    int allowed = 0;
    for (int i = 0; i < calls; ++i) allowed += Status(tenant) == 200 ? 1 : 0;
    return allowed;
  }

  const int port_ = sender::FreePort();
  std::unique_ptr<sender::Process> redis_;
  RedisApiLimit limit_{kLimit, "redis://127.0.0.1:" + std::to_string(port_), SystemClock()};
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<api::Server> server_;
};

TEST_F(LimitsTest, WhoAsksTooMuchIsToldWhenToComeBack) {
  const Tenant tenant = gateway.NewTenant();
  const httplib::Result first = Call(tenant);
  ASSERT_EQ(first->status, 200);
  EXPECT_EQ(first->get_header_value("RateLimit-Limit"), "5");
  EXPECT_EQ(first->get_header_value("RateLimit-Remaining"), "4");
  EXPECT_EQ(first->get_header_value("RateLimit-Reset"), "100");
  EXPECT_FALSE(first->has_header("Retry-After"));
  EXPECT_EQ(Allowed(tenant, 10), kBurst - 1);

  const httplib::Result refused = Call(tenant);
  ASSERT_EQ(refused->status, 429);
  const json error = json::parse(refused->body)["error"];
  EXPECT_EQ(error["status"], "RESOURCE_EXHAUSTED");
  EXPECT_EQ(error["details"][0]["reason"], "RATE_LIMITED");
  EXPECT_EQ(refused->get_header_value("RateLimit-Remaining"), "0");
  EXPECT_EQ(refused->get_header_value_count("RateLimit-Limit"), 1u);
  const int wait = std::stoi(refused->get_header_value("Retry-After"));
  EXPECT_GT(wait, 0);
  EXPECT_LE(wait, 100);
  // The old routes are the same API.
  EXPECT_EQ(Status(tenant, "/api/channels"), 429);
  // Nobody is known without a credential, and nothing is counted.
  EXPECT_EQ(Status({}), 401);
}

TEST_F(LimitsTest, OrganizationsDoNotDisturbEachOther) {
  const Tenant busy = gateway.NewTenant();
  const Tenant calm = gateway.NewTenant();
  EXPECT_EQ(Allowed(busy, 20), kBurst);
  EXPECT_EQ(Allowed(calm, 3), 3);
}

TEST_F(LimitsTest, ReplicasShareOneBucket) {
  const Tenant tenant = gateway.NewTenant();
  EXPECT_EQ(Allowed(tenant, 2), 2);
  RedisApiLimit other(kLimit, Url(), SystemClock());
  EXPECT_EQ(other.Take(tenant.organization_id).remaining, kBurst - 3);
  EXPECT_EQ(Allowed(tenant, 10), kBurst - 3);
}

TEST_F(LimitsTest, ARequestOfTheOldRoutesCountsOnce) {
  const Tenant tenant = gateway.NewTenant();
  // It looks for the channel, then lists its messages.
  const httplib::Result list = Call(tenant, "/api/messages?channel_id=" + tenant.channel_id);
  ASSERT_EQ(list->status, 200) << list->body;
  EXPECT_EQ(list->get_header_value("RateLimit-Remaining"), "4");
  EXPECT_EQ(list->get_header_value_count("RateLimit-Limit"), 1u);
}

TEST_F(LimitsTest, GrpcSaysWhenToRetry) {
  const Tenant tenant = gateway.NewTenant();
  EXPECT_EQ(Allowed(tenant, kBurst), kBurst);
  const Answer answer = Gateway::Grpc(*server_, "parley.v1.OrganizationService.GetOrganization",
                                      v1::GetOrganizationRequest(), tenant.api_key);
  EXPECT_EQ(answer.code, "RESOURCE_EXHAUSTED");
  EXPECT_EQ(answer.reason, "RATE_LIMITED");
  EXPECT_GT(answer.retry_seconds, 0);
  EXPECT_LE(answer.retry_seconds, 100);
  EXPECT_EQ(answer.headers.find("ratelimit-limit")->second, "5");
}

TEST_F(LimitsTest, WithoutRedisEachReplicaCountsByItself) {
  const Tenant tenant = gateway.NewTenant();
  EXPECT_EQ(Allowed(tenant, 2), 2);
  redis_.reset();
  EXPECT_EQ(Allowed(tenant, 20), kBurst) << "from a full bucket on";
  const httplib::Result refused = Call(tenant);
  EXPECT_EQ(refused->status, 429);
  EXPECT_TRUE(refused->has_header("Retry-After"));
  // It is asked again once it is back; there the buckets are full.
  StartRedis();
  const auto until = std::chrono::steady_clock::now() + 30s;
  while (Status(tenant) != 200 && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_EQ(Allowed(tenant, 20), kBurst - 1);
}

TEST_F(LimitsTest, ARedisThatHangsIsNotWaitedFor) {
  const Tenant tenant = gateway.NewTenant();
  EXPECT_EQ(Allowed(tenant, 1), 1);
  redis_->Signal(SIGSTOP);
  EXPECT_EQ(Allowed(tenant, 20), kBurst);
}

}  // namespace
}  // namespace parley::gateway
