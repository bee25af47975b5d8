// The live port over real servers: order, resume, Redis away, and who may listen.
#include <httplib.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "fixture.h"
#include "libs/base/status.h"
#include "libs/redis/redis.h"
#include "live/events.h"
#include "live/server.h"
#include "relay/relay.h"
#include "store/live_json.h"

namespace parley::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

// One client: collects what it is sent, on a thread of its own.
class Client {
 public:
  Client(int port, std::string path, httplib::Headers headers)
      : http_("127.0.0.1", port), thread_([this, path, headers] {
          http_.set_read_timeout(seconds(30));
          const auto result = http_.Get(
              path.c_str(), headers,
              [this](const httplib::Response& response) {
                const std::lock_guard lock(mutex_);
                status_ = response.status;
                headers_ = response.headers;
                changed_.notify_all();
                return true;
              },
              [this](const char* data, std::size_t bytes) {
                const std::lock_guard lock(mutex_);
                text_.append(data, bytes);
                changed_.notify_all();
                return true;
              });
          const std::lock_guard lock(mutex_);
          ended_ = true;
          changed_.notify_all();
        }) {}
  ~Client() { http_.stop(); }

  // Waits until the text contains `part`; what was received.
  std::string WaitFor(const std::string& part) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, seconds(20),
                      [&] { return ended_ || text_.find(part) != std::string::npos; });
    return text_;
  }
  bool WaitForEnd() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(20), [&] { return ended_; });
  }
  int status() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, seconds(20), [&] { return ended_ || status_ != 0; });
    return status_;
  }
  std::string Header(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto at = headers_.find(name);
    return at == headers_.end() ? "" : at->second;
  }
  // The numbers of the events, in the order in which they came.
  std::vector<std::string> Numbers() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> numbers;
    std::size_t at = 0;
    while ((at = text_.find("id: ", at)) != std::string::npos) {
      at += 4;
      numbers.push_back(text_.substr(at, text_.find('\n', at) - at));
    }
    return numbers;
  }

 private:
  httplib::Client http_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  httplib::Headers headers_;
  int status_ = 0;
  bool ended_ = false;
  std::jthread thread_;
};

class LiveTest : public PipelineTest {
 protected:
  LiveTest() {
    options_.port = 0;
    options_.redis.url = RedisUrl();
    options_.look_every = milliseconds(100);
  }

  void Serve() {
    server_ = std::make_unique<live::Server>(
        options_,
        [this](const live::Credential& credential) -> absl::StatusOr<live::Admission> {
          live::Admission admission(organization_id_);
          admission.behind_ticket = "a session";
          if (credential.ticket == "once") return admission;
          const bool known = credential.token == "good" || credential.behind_ticket == "a session";
          if (known && !revoked_) return organization_id_;
          return ErrorStatus(absl::StatusCode::kUnauthenticated, "CREDENTIAL_INVALID", "No.");
        },
        events_, SystemClock());
    ASSERT_EQ(server_->Start(), absl::OkStatus());
  }

  std::unique_ptr<Client> Connect(const std::string& path = "/v1/live",
                                  httplib::Headers headers = {{"Authorization", "Bearer good"}}) {
    return std::make_unique<Client>(server_->port(), path, std::move(headers));
  }

  // Events that the relay has numbered, from the last one on.
  void Store(int count) {
    for (int i = 0; i < count; ++i) {
      ++last_;
      Execute("INSERT INTO live_events (organization_id, number, events, data) VALUES ('" +
              organization_id_ + "', " + std::to_string(last_) + ", 1, 'message " + Data(last_) +
              "')");
    }
    Execute("INSERT INTO live_counters VALUES ('" + organization_id_ + "', " +
            std::to_string(last_) +
            ") ON CONFLICT (organization_id) DO UPDATE SET last_number = " + std::to_string(last_));
  }

  void Publish(std::int64_t number) {
    publisher_.Publish(relay::kLivePrefix + organization_id_,
                       std::to_string(number) + "\nmessage\n" +
                           store::NumberedLiveEvent(number, SystemClock().Now(), Data(number)));
  }

  static std::string Data(std::int64_t number) {
    return "{\"message\":{\"body\":\"text " + std::to_string(number) + "\"}}";
  }
  static std::string Mark(std::int64_t number) {
    return "\"body\":\"text " + std::to_string(number) + "\"";
  }

  live::ServerOptions options_;
  live::StoredEvents events_{Worker()};
  std::unique_ptr<live::Server> server_;
  redis::Publisher publisher_{{.url = RedisUrl()}};
  std::atomic<bool> revoked_ = false;
  std::int64_t last_ = 0;
};

TEST_F(LiveTest, EventsComeThroughRedis) {
  options_.look_every = seconds(60);  // So that only Redis can bring them.
  Serve();
  const auto client = Connect();
  client->WaitFor(": live");
  EXPECT_EQ(client->status(), 200);
  EXPECT_EQ(client->Header("Content-Type"), "text/event-stream");
  // The subscription and the topic are ready a moment after the head of the response.
  for (int i = 0; i < 200 && client->Numbers().empty(); ++i) {
    Publish(1);
    std::this_thread::sleep_for(milliseconds(10));
  }
  Publish(2);
  const std::string text = client->WaitFor(Mark(2));
  EXPECT_THAT(text, HasSubstr("id: 1\nevent: message\ndata: {\"number\":\"1\",\"time\":\""));
  EXPECT_THAT(client->Numbers(), ElementsAre("1", "2"));
}

TEST_F(LiveTest, ResumesAfterTheLastEventId) {
  Store(700);  // More than one page.
  Serve();
  const auto client =
      Connect("/v1/live", {{"Authorization", "Bearer good"}, {"Last-Event-ID", "3"}});
  client->WaitFor(Mark(700));
  const std::vector<std::string> numbers = client->Numbers();
  ASSERT_EQ(numbers.size(), 697u);
  for (std::size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], std::to_string(i + 4));
  // New ones follow without a hole.
  Store(1);
  client->WaitFor(Mark(701));
  EXPECT_EQ(client->Numbers().back(), "701");
  EXPECT_EQ(client->Numbers().size(), 698u);
}

TEST_F(LiveTest, ANewClientGetsOnlyWhatIsNew) {
  Store(5);
  Serve();
  const auto client = Connect();
  client->WaitFor(": live");
  const auto other = Connect("/v1/live?after=4");
  other->WaitFor(Mark(5));
  Store(1);
  client->WaitFor(Mark(6));
  EXPECT_EQ(client->Numbers().back(), "6");
  EXPECT_THAT(other->Numbers().front(), "5");
}

TEST_F(LiveTest, WithoutRedisEventsComeFromTheStore) {
  options_.redis.url = "redis://127.0.0.1:1";
  Serve();
  const auto client = Connect("/v1/live?after=0");
  client->WaitFor(": live");
  Store(3);
  client->WaitFor(Mark(3));
  EXPECT_THAT(client->Numbers(), ElementsAre("1", "2", "3"));
}

TEST_F(LiveTest, AGapIsReadFromTheStore) {
  options_.look_every = seconds(60);
  Serve();
  const auto client = Connect("/v1/live?after=0");
  client->WaitFor(": live");
  Store(4);
  for (int i = 0; i < 200 && client->Numbers().empty(); ++i) {
    Publish(4);
    std::this_thread::sleep_for(milliseconds(10));
  }
  client->WaitFor(Mark(4));
  EXPECT_THAT(client->Numbers(), ElementsAre("1", "2", "3", "4"));
}

TEST_F(LiveTest, ResumesInTheMiddleOfWhatOneTransactionSaid) {
  std::string lines;
  for (int i = 1; i <= 40; ++i) store::AppendLiveLine(lines, "message", Data(i));
  Execute("INSERT INTO live_events (organization_id, number, events, data) VALUES ('" +
          organization_id_ + "', 40, 40, '" + lines + "')");
  Execute("INSERT INTO live_counters VALUES ('" + organization_id_ + "', 40)");
  last_ = 40;
  Store(2);
  Serve();
  const auto client = Connect("/v1/live?after=37");
  EXPECT_THAT(client->WaitFor("text 42"), HasSubstr("text 38"));
  EXPECT_THAT(client->Numbers(), ElementsAre("38", "39", "40", "41", "42"));
}

TEST_F(LiveTest, WhatIsTooOldIsAnsweredWithAReset) {
  Store(10);
  Execute("DELETE FROM live_events WHERE" + Own() + "AND number < 6");
  Serve();
  const auto client = Connect("/v1/live?after=2");
  const std::string text = client->WaitFor("event: reset");
  EXPECT_THAT(text, HasSubstr("id: 10\nevent: reset\n"));
  EXPECT_THAT(text, HasSubstr("\"reset\":{\"after\":\"10\"}"));
  Store(1);
  client->WaitFor(Mark(11));
  EXPECT_THAT(client->Numbers(), ElementsAre("10", "11"));
}

TEST_F(LiveTest, AnotherOrganizationsEventsAreNotHeard) {
  Serve();
  const auto client = Connect("/v1/live?after=0");
  client->WaitFor(": live");
  const std::string own = organization_id_;
  MakeOrganization();
  Store(3);
  Publish(1);
  organization_id_ = own;
  last_ = 0;
  Store(1);
  client->WaitFor(Mark(1));
  EXPECT_THAT(client->Numbers(), ElementsAre("1"));
}

TEST_F(LiveTest, OnlyThoseWithACredentialListen) {
  options_.allowed_origins = {"https://app.example.com"};
  Serve();
  struct Case {
    const char* label;
    std::string path;
    httplib::Headers headers;
    int want;
  };
  const Case cases[] = {
      {"none", "/v1/live", {}, 401},
      {"wrong token", "/v1/live", {{"Authorization", "Bearer bad"}}, 401},
      {"wrong ticket", "/v1/live?ticket=twice", {}, 401},
      {"ticket", "/v1/live?ticket=once", {}, 200},
      {"cookie", "/v1/live", {{"Cookie", "a=b; parley_session=good"}}, 200},
      {"cookie of a foreign page",
       "/v1/live",
       {{"Cookie", "parley_session=good"}, {"Origin", "https://evil.example.com"}},
       401},
      {"cookie of a listed page",
       "/v1/live",
       {{"Cookie", "parley_session=good"}, {"Origin", "https://app.example.com"}},
       200},
      {"another route", "/v1/messages", {{"Authorization", "Bearer good"}}, 404},
      {"too much", "/v1/live", {{"X-Long", std::string(9000, 'x')}}, 413},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Connect(c.path, c.headers)->status(), c.want) << c.label;
  }
  const auto listed = Connect(
      "/v1/live", {{"Authorization", "Bearer good"}, {"Origin", "https://app.example.com"}});
  listed->WaitFor(": live");
  EXPECT_EQ(listed->Header("Access-Control-Allow-Origin"), "https://app.example.com");
  const auto foreign = Connect(
      "/v1/live", {{"Authorization", "Bearer good"}, {"Origin", "https://evil.example.com"}});
  foreign->WaitFor(": live");
  EXPECT_EQ(foreign->Header("Access-Control-Allow-Origin"), "");
}

TEST_F(LiveTest, ARevokedCredentialEndsItsConnection) {
  options_.recheck_every = milliseconds(10);
  Serve();
  const auto client = Connect();
  client->WaitFor(": live");
  revoked_ = true;
  EXPECT_TRUE(client->WaitForEnd());
}

TEST_F(LiveTest, WhatIsBehindATicketEndsItsConnectionToo) {
  options_.recheck_every = milliseconds(10);
  Serve();
  const auto client = Connect("/v1/live?ticket=once&after=0", {});
  client->WaitFor(": live");
  Store(1);
  EXPECT_THAT(client->WaitFor(Mark(1)), HasSubstr(Mark(1))) << "checked again, and still good";
  revoked_ = true;
  EXPECT_TRUE(client->WaitForEnd());
}

TEST_F(LiveTest, IdleConnectionsHearAHeartbeat) {
  options_.heartbeat = milliseconds(100);
  Serve();
  const auto client = Connect();
  EXPECT_THAT(client->WaitFor("\n\n:\n\n"), HasSubstr("\n\n:\n\n"));
}

TEST_F(LiveTest, BeyondTheLimitConnectionsAreTurnedAway) {
  options_.connections_max = 1;
  Serve();
  const auto first = Connect();
  first->WaitFor(": live");
  EXPECT_EQ(Connect()->status(), 503);
}

TEST_F(LiveTest, StoppingEndsEveryConnection) {
  Serve();
  const auto client = Connect();
  client->WaitFor(": live");
  server_->Stop();
  EXPECT_TRUE(client->WaitForEnd());
}

}  // namespace
}  // namespace parley::gateway
