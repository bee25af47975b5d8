// Two replicas that share an account's parallel requests through a Redis that goes away.
#include "adapters/redis_limits.h"
#include "libs/base/status.h"
#include "pipeline/account_limits.h"
#include "tests/integration/sender/fixture.h"

namespace parley::sender {
namespace {

const std::string kAccount = "AC" + std::string(32, '1');

class FakeBrake final : public Brake {
 public:
  void PauseLane(std::int64_t, SteadyTime) override {}
  void PauseAccount(const std::string&, SteadyTime) override {}
  void LimitAccount(const std::string&, int limit) override { now = limit; }
  int now = 0;
};

// One replica that uses as many requests at once as it may.
struct Replica {
  Replica(const std::string& redis_url, const std::string& name, int limit)
      : exchange(redis_url, name), limits(exchange, brake, name, limit) {}
  void Round() {
    limits.Round({[this] {
                    return AccountUses{{kAccount, {.peak = brake.now, .adapted = adapted}}};
                  },
                  [this](const std::string&, int use) { others_use = use; }});
  }
  FakeBrake brake;
  RedisLimits exchange;
  AccountLimits limits;
  int adapted = 0;
  int others_use = 0;
};

class LimitsTest : public testing::Test {
 protected:
  LimitsTest() { StartRedis(); }

  void StartRedis() {
    redis_ = std::make_unique<Process>(
        "/usr/bin/redis-server",
        std::vector<std::string>{"--port", std::to_string(port_), "--bind", "127.0.0.1", "--save",
                                 "", "--appendonly", "no"},
        std::vector<std::string>{});
    ASSERT_TRUE(Eventually([&] { return redis::Client({.url = url_}).Ping().ok(); }));
  }

  const int port_ = FreePort();
  const std::string url_ = "redis://127.0.0.1:" + std::to_string(port_);
  std::unique_ptr<Process> redis_;
};

TEST_F(LimitsTest, ReplicasShareALimitAndFallBackWithoutRedis) {
  Replica a(url_, "boot/pid:[1]/1/1", 10);
  Replica b(url_, "boot/pid:[1]/2/1", 10);
  const auto both = [&](int of_a, int of_b) {
    return Eventually([&] {
      a.Round();
      b.Round();
      return a.brake.now == of_a && b.brake.now == of_b;
    });
  };
  a.Round();
  EXPECT_EQ(a.brake.now, 10) << "it is alone";
  a.Round();
  b.Round();
  EXPECT_EQ(b.brake.now, 1) << "all of it is in use";
  EXPECT_TRUE(both(5, 5));
  b.Round();
  a.Round();
  EXPECT_EQ(a.others_use, 5);
  // What 429 taught one counts for both.
  b.adapted = 6;
  EXPECT_TRUE(both(3, 3));
  b.adapted = 0;
  EXPECT_TRUE(both(5, 5));

  redis_.reset();
  a.Round();
  EXPECT_EQ(a.brake.now, 5) << "an even part of the replicas that it knew";
  EXPECT_TRUE(both(5, 5));
  StartRedis();
  EXPECT_TRUE(both(5, 5));
  // One that says nothing any more is forgotten.
  EXPECT_TRUE(Eventually([&] {
    a.Round();
    return a.brake.now == 10;
  }));
}

TEST_F(LimitsTest, WhatOthersWroteThereDoesNoHarm) {
  redis::Client client({.url = url_});
  ASSERT_TRUE(client
                  .Command({"HSET", "parley:sender:limits", "x", "no time", "y", "1 old", "z",
                            "99999999999999 late"})
                  .ok());
  Replica a(url_, "a", 10);
  a.Round();
  EXPECT_EQ(a.brake.now, 10);
  EXPECT_EQ(*client.Command({"HLEN", "parley:sender:limits"}), "1");
  ASSERT_TRUE(client.Command({"SET", "parley:sender:limits", "no hash"}).ok());
  a.Round();
  EXPECT_EQ(a.brake.now, 10);
}

}  // namespace
}  // namespace parley::sender
