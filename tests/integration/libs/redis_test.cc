// libs/redis against a real server (PARLEY_REDIS_URL).
#include "libs/redis/redis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "libs/base/id.h"
#include "tests/integration/libs/environment.h"

namespace parley::redis {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Pair;

constexpr char kAwayUrl[] = "redis://127.0.0.1:1";

Options Here() { return {.url = RedisUrl(), .timeout = 2s}; }

TEST(RedisClient, AnswersAsText) {
  Client client(Here());
  const std::string key = NewId();
  const std::string bytes("a\0b \xff", 5);
  struct Case {
    std::vector<std::string> command;
    std::optional<std::string> want;
  };
  const Case cases[] = {{{"GET", key}, std::nullopt},   {{"SET", key, bytes}, "OK"},
                        {{"GET", key}, bytes},          {{"DEL", key}, "1"},
                        {{"INCR", key}, "1"},           {{"INCRBY", key, "41"}, "42"},
                        {{"PEXPIRE", key, "1000"}, "1"}};
  for (const Case& c : cases) {
    const auto reply = client.Command(c.command);
    ASSERT_TRUE(reply.ok()) << c.command[0] << ": " << reply.status();
    EXPECT_EQ(*reply, c.want) << c.command[0];
  }
  EXPECT_TRUE(absl::IsInternal(client.Command({"NO SUCH COMMAND"}).status()));
  EXPECT_TRUE(client.Ping().ok()) << "an error reply does not break the connection";
}

TEST(RedisClient, UsesTheDatabaseOfItsAddress) {
  Client zero({.url = RedisUrl() + "/0", .timeout = 2s});
  Client three({.url = RedisUrl() + "/3", .timeout = 2s});
  const std::string key = NewId();
  ASSERT_TRUE(three.Command({"SET", key, "v", "EX", "60"}).ok());
  EXPECT_EQ(*zero.Command({"GET", key}), std::nullopt);
  EXPECT_EQ(*three.Command({"GET", key}), "v");
}

TEST(RedisClient, ComesBackAfterItsConnectionBroke) {
  Client client(Here());
  Client other(Here());
  const auto id = client.Command({"CLIENT", "ID"});
  ASSERT_TRUE(id.ok());
  ASSERT_TRUE(other.Command({"CLIENT", "KILL", "ID", id->value()}).ok());
  EXPECT_TRUE(Eventually([&] { return client.Ping().ok(); }));
}

TEST(RedisClient, SaysAtOnceThatRedisIsAway) {
  Client client({.url = kAwayUrl});
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(absl::IsUnavailable(client.Ping()));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 1s);
}

TEST(RedisPublisher, NeverBlocksAndNeverGrows) {
  Publisher publisher({.url = kAwayUrl, .queued_max = 10});
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 10'000; ++i) publisher.Publish("channel", "message");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 1s);
}

// What a subscriber heard.
class Heard {
 public:
  Subscriber::OnMessage listener() {
    return [this](std::string_view channel, std::string_view message) {
      const std::lock_guard lock(mutex_);
      messages_.emplace_back(channel, message);
    };
  }
  std::vector<std::pair<std::string, std::string>> messages() {
    const std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> messages_;
};

TEST(RedisSubscriber, HearsItsPatternInOrder) {
  const std::string prefix = NewId();
  Heard heard;
  std::atomic<int> connected{0};
  Subscriber subscriber(Here(), prefix + ":*", heard.listener(), [&] { ++connected; });
  ASSERT_TRUE(Eventually([&] { return connected == 1; }));
  Publisher publisher(Here());
  publisher.Publish(prefix + ":a", "1");
  publisher.Publish("other:a", "x");
  publisher.Publish(prefix + ":b", std::string("2\0", 2));
  publisher.Publish(prefix + ":a", "");
  ASSERT_TRUE(Eventually([&] { return heard.messages().size() >= 3; }));
  EXPECT_THAT(heard.messages(),
              ElementsAre(Pair(prefix + ":a", "1"), Pair(prefix + ":b", std::string("2\0", 2)),
                          Pair(prefix + ":a", "")));
}

TEST(RedisSubscriber, ComesBackAndSaysSo) {
  const std::string prefix = NewId();
  Heard heard;
  std::atomic<int> connected{0};
  Subscriber subscriber(Here(), prefix + ":*", heard.listener(), [&] { ++connected; });
  ASSERT_TRUE(Eventually([&] { return connected == 1; }));
  Client client(Here());
  ASSERT_TRUE(client.Command({"CLIENT", "KILL", "TYPE", "pubsub"}).ok());
  ASSERT_TRUE(Eventually([&] { return connected == 2; }));
  Publisher publisher(Here());
  publisher.Publish(prefix + ":a", "after");
  EXPECT_TRUE(Eventually([&] { return heard.messages().size() == 1; }));
}

TEST(RedisSubscriber, EndsSoonWhileItIdlesOrRedisIsAway) {
  for (const std::string& url : {RedisUrl(), std::string(kAwayUrl)}) {
    const auto began = std::chrono::steady_clock::now();
    {
      Subscriber subscriber(
          {.url = url, .timeout = 200ms}, "none:*", [](auto, auto) {}, [] {});
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, 3s) << url;
  }
}

}  // namespace
}  // namespace parley::redis
