// The shipped ai-responder against a real Kafka (PARLEY_KAFKA_BROKERS): what must hold whenever
// it is killed, stopped or fed with garbage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>

#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/http/server.h"
#include "libs/kafka/admin.h"
#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"
#include "parley/events/v1/conversation_event.pb.h"
#include "parley/events/v1/reply.pb.h"
#include "tests/integration/ai-responder/service_process.h"

namespace parley::ai {
namespace {

using namespace std::chrono_literals;
using events::v1::ConversationEvent;
using events::v1::ReplyRecord;
using testing::ElementsAre;
using testing::HasSubstr;

std::string Brokers() {
  const char* brokers = std::getenv("PARLEY_KAFKA_BROKERS");
  return brokers == nullptr ? "localhost:19092" : brokers;
}

// A chat-completion endpoint that may keep its callers waiting.
class Endpoint {
 public:
  Endpoint() : server_({.name = "endpoint"}) {
    server_.routes().Post(".*", [this](const httplib::Request&, httplib::Response& response) {
      std::unique_lock lock(mutex_);
      ++asked_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return !held_; });
      response.set_content(R"({"choices":[{"message":{"content":"from the endpoint"}}]})",
                           "application/json");
    });
    EXPECT_TRUE(server_.Start().ok());
  }
  ~Endpoint() { Hold(false); }

  void Hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  bool WaitUntilAsked(int times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [&] { return asked_ >= times; });
  }
  std::string host_port() const { return "127.0.0.1:" + std::to_string(server_.port()); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int asked_ = 0;
  bool held_ = false;
  http::Server server_;  // Last: its threads use all of the above.
};

class AiResponderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const absl::Status created = kafka::CreateTopics(Brokers(), kafka::ParleyTopics(12, 1), 30s);
    ASSERT_TRUE(created.ok()) << created;
  }

  AiResponderTest() {
    producer_ = *kafka::Producer::Create({.brokers = Brokers(), .client_id = "test"});
    replies_ = *kafka::LogReader::Create(
        {.brokers = Brokers(), .client_id = "test", .topic = kafka::kRepliesTopic});
    std::ofstream(key_file_) << "k1:"
                             << "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U="
                             << "\n";
  }
  ~AiResponderTest() override { std::remove(key_file_.c_str()); }

  std::unique_ptr<ServiceProcess> Start(const std::string& brokers = Brokers()) {
    return std::make_unique<ServiceProcess>(std::vector<std::string>{
        "PARLEY_KAFKA_BROKERS=" + brokers, "PARLEY_DIRECTORY_KEY_FILE=" + key_file_,
        "PARLEY_ADMIN_PORT=0", "PARLEY_AI_BASE_URL=http://" + endpoint_.host_port(),
        "PARLEY_OUTBOUND_ALLOW=" + endpoint_.host_port()});
  }

  ConversationEvent MakeTurn(const std::string& conversation_id, const std::string& text,
                             const std::string& provider = "mock") {
    ConversationEvent event;
    event.set_organization_id(NewId());
    event.set_conversation_id(conversation_id);
    events::v1::TurnReady& turn = *event.mutable_turn_ready();
    turn.set_turn_id(NewId());
    turn.set_first_seq(1);
    turn.set_last_seq(1);
    turn.set_deadline_us(ToMicros(SystemClock().Now() + 5min));
    turn.mutable_settings()->set_provider(provider);
    events::v1::HistoryMessage& message = *turn.add_history();
    message.set_seq(1);
    message.set_author(events::v1::HistoryMessage::AUTHOR_CUSTOMER);
    message.set_text(text);
    return event;
  }

  void Send(const std::string& key, const std::string& value) {
    const kafka::OutRecord record{kafka::kConversationEventsTopic, key, value, {}};
    const absl::Status sent = producer_->ProduceAndWait({&record, 1}, 30s);
    ASSERT_TRUE(sent.ok()) << sent;
  }
  void Send(const ConversationEvent& event) {
    Send(event.conversation_id(), event.SerializeAsString());
  }

  // Reads replies until one of the turn is there; all that were read are kept in seen_.
  bool WaitForReply(const ConversationEvent& turn) {
    const auto deadline = std::chrono::steady_clock::now() + 40s;
    while (RepliesTo(turn).empty() && std::chrono::steady_clock::now() < deadline) {
      ReadReplies();
    }
    return !RepliesTo(turn).empty();
  }

  std::vector<ReplyRecord> RepliesTo(const ConversationEvent& turn) {
    std::vector<ReplyRecord> found;
    for (const ReplyRecord& reply : seen_) {
      if (reply.turn_id() == turn.turn_ready().turn_id()) found.push_back(reply);
    }
    return found;
  }

  void ReadReplies() {
    auto records = replies_->Poll(1000, 200ms);
    if (!records.ok()) return;
    for (const kafka::Record& record : *records) {
      ReplyRecord reply;
      if (!reply.ParseFromString(record.value)) continue;
      EXPECT_EQ(record.key, reply.conversation_id());
      EXPECT_EQ(record.Header(kafka::kTypeHeader), "parley.events.v1.ReplyRecord");
      seen_.push_back(reply);
    }
  }

  Endpoint endpoint_;
  const std::string key_file_ = testing::TempDir() + "directory-key-" + NewId();
  std::unique_ptr<kafka::Producer> producer_;
  std::unique_ptr<kafka::LogReader> replies_;
  std::vector<ReplyRecord> seen_;
};

TEST_F(AiResponderTest, ATurnGetsItsReply) {
  const auto service = Start();
  const ConversationEvent turn = MakeTurn(NewId(), "hello");
  Send(turn);
  ASSERT_TRUE(WaitForReply(turn)) << service->Output();
  const ReplyRecord reply = RepliesTo(turn)[0];
  EXPECT_EQ(reply.organization_id(), turn.organization_id());
  EXPECT_EQ(reply.conversation_id(), turn.conversation_id());
  EXPECT_EQ(reply.text().body(), "Hello there! How can we help you today?");
}

TEST_F(AiResponderTest, ATurnPastItsDeadlineIsClosed) {
  const auto service = Start();
  ConversationEvent turn = MakeTurn(NewId(), "hello");
  turn.mutable_turn_ready()->set_deadline_us(ToMicros(SystemClock().Now() - 1s));
  Send(turn);
  ASSERT_TRUE(WaitForReply(turn)) << service->Output();
  EXPECT_EQ(RepliesTo(turn)[0].failure().reason(), "TURN_EXPIRED");
}

TEST_F(AiResponderTest, GarbageGoesToTheDeadLettersAndTheNextFlows) {
  auto dead = *kafka::LogReader::Create(
      {.brokers = Brokers(),
       .client_id = "test",
       .topic = std::string(kafka::kConversationEventsTopic) + kafka::kDeadLetterSuffix});
  const auto service = Start();
  const std::string conversation = NewId();  // One key, so that all go to one partition.
  const std::string garbage = "\xff not protobuf " + NewId();
  Send(conversation, garbage);
  Send(conversation, "");
  const ConversationEvent turn = MakeTurn(conversation, "hello");
  Send(turn);
  ASSERT_TRUE(WaitForReply(turn)) << service->Output();

  const auto deadline = std::chrono::steady_clock::now() + 20s;
  bool found = false;
  while (!found && std::chrono::steady_clock::now() < deadline) {
    auto records = dead->Poll(100, 200ms);
    if (!records.ok()) continue;
    for (const kafka::Record& record : *records) {
      if (record.value != garbage) continue;
      found = true;
      EXPECT_EQ(record.key, conversation);
      EXPECT_EQ(record.Header("parley-reason"), "MALFORMED_EVENT");
      EXPECT_THAT(record.Header("parley-origin"), HasSubstr("parley.conversation-events/"));
    }
  }
  EXPECT_TRUE(found);
  EXPECT_THAT(service->Output(), Not(HasSubstr("not protobuf"))) << "a log holds message text";
}

TEST_F(AiResponderTest, ConversationsDoNotHoldEachOtherBackAndKeepTheirOrder) {
  endpoint_.Hold(true);
  const auto service = Start();
  const std::string conversation = NewId();
  const ConversationEvent slow = MakeTurn(conversation, "slow", "openai");
  const ConversationEvent after = MakeTurn(conversation, "after");
  Send(slow);
  Send(after);
  ASSERT_TRUE(endpoint_.WaitUntilAsked(1)) << service->Output();
  // 40 conversations over 12 partitions: some are behind the slow one in its partition.
  for (int i = 0; i < 40; ++i) {
    const ConversationEvent other = MakeTurn(NewId(), "hello");
    Send(other);
    ASSERT_TRUE(WaitForReply(other)) << service->Output();
  }
  EXPECT_TRUE(RepliesTo(after).empty()) << "it overtook an earlier turn of its conversation";
  endpoint_.Hold(false);
  ASSERT_TRUE(WaitForReply(after)) << service->Output();
  EXPECT_EQ(RepliesTo(slow).size(), 1U) << "it comes before the one after it";
}

TEST_F(AiResponderTest, KilledWhileItAsksItAnswersAfterItsRestart) {
  endpoint_.Hold(true);
  auto service = Start();
  const ConversationEvent turn = MakeTurn(NewId(), "question", "openai");
  Send(turn);
  ASSERT_TRUE(endpoint_.WaitUntilAsked(1)) << service->Output();
  service->Signal(SIGKILL);
  EXPECT_EQ(service->Wait(), 128 + SIGKILL);
  endpoint_.Hold(false);
  service = Start();
  ASSERT_TRUE(WaitForReply(turn)) << service->Output();
  EXPECT_EQ(RepliesTo(turn)[0].text().body(), "from the endpoint");
}

TEST_F(AiResponderTest, KilledAfterItsReplyItMayRepeatItUnderTheSameTurnOnly) {
  auto service = Start();
  const ConversationEvent turn = MakeTurn(NewId(), "hello");
  Send(turn);
  ASSERT_TRUE(WaitForReply(turn)) << service->Output();
  service->Signal(SIGKILL);  // Offsets are committed once a second: most likely not this one.
  service->Wait();
  service = Start();
  const ConversationEvent next = MakeTurn(turn.conversation_id(), "hello");
  Send(next);
  ASSERT_TRUE(WaitForReply(next)) << service->Output();
  for (const ReplyRecord& reply : RepliesTo(turn)) {
    EXPECT_EQ(reply.text().body(), RepliesTo(turn)[0].text().body());
  }
}

TEST_F(AiResponderTest, StoppedItFinishesCommitsAndRepeatsNothing) {
  endpoint_.Hold(true);
  auto service = Start();
  const ConversationEvent turn = MakeTurn(NewId(), "question", "openai");
  Send(turn);
  ASSERT_TRUE(endpoint_.WaitUntilAsked(1)) << service->Output();
  service->Signal(SIGTERM);
  endpoint_.Hold(false);
  EXPECT_EQ(service->Wait(), 0) << service->Output();
  service = Start();
  const ConversationEvent next = MakeTurn(turn.conversation_id(), "hello");
  Send(next);
  ASSERT_TRUE(WaitForReply(next)) << service->Output();
  EXPECT_EQ(RepliesTo(turn).size(), 1U);
}

TEST_F(AiResponderTest, ReadinessTellsWhetherKafkaAnswers) {
  struct Case {
    const char* label;
    std::string brokers;
    int want;
  };
  const Case cases[] = {{"there", Brokers(), 200}, {"away", "127.0.0.1:1", 503}};
  for (const Case& c : cases) {
    const auto service = Start(c.brokers);
    httplib::Client admin("127.0.0.1", service->AdminPort());
    const auto ready = admin.Get("/readyz");
    ASSERT_TRUE(ready) << c.label;
    EXPECT_EQ(ready->status, c.want) << c.label << ": " << ready->body;
    EXPECT_EQ(admin.Get("/healthz")->status, 200) << c.label;
    EXPECT_THAT(admin.Get("/metrics")->body, HasSubstr("# HELP parley_ai_responder_")) << c.label;
    service->Signal(SIGTERM);
    EXPECT_EQ(service->Wait(), 0) << c.label << ": " << service->Output();
  }
}

}  // namespace
}  // namespace parley::ai
