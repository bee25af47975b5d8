// A database of its own for the program, an organization of its own for each test, and short ways
// to say what comes out of Kafka and what the store holds.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dispatcher/dispatcher.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/crypto/seal.h"
#include "libs/kafka/producer.h"
#include "libs/kafka/record.h"
#include "libs/postgres/pool.h"
#include "parley/events/v1/conversation_event.pb.h"
#include "parley/events/v1/inbound.pb.h"
#include "parley/events/v1/reply.pb.h"
#include "parley/events/v1/send_command.pb.h"
#include "projector/projector.h"

namespace parley::gateway {

// Of the environment; the test fails with a hint where it is missing.
std::string KafkaBrokers();
std::string RedisUrl();
// A fresh database with the gateway's schema, dropped when the program ends.
std::string DatabaseUrl();
// Creates Kafka's topics once.
void MakeTopics();

postgres::PoolOptions PoolOf(const char* role, int connections = 4);

// As `gateway_worker`, shared by all tests.
postgres::Pool& Worker();
kafka::Producer& TestProducer();
const crypto::KeyRing& MasterKeys();
const crypto::KeyRing& DirectoryKeys();

// Rows of a query, columns joined with "|".
std::vector<std::string> Query(const std::string& sql);
// The only value of the only row; "" if there is none.
std::string Value(const std::string& sql);
void Execute(const std::string& sql);

// What a test's organization is made of.
struct TestChannel {
  bool ai_enabled = true;
  int ai_delay_ms = 2000;
};

class PipelineTest : public testing::Test {
 protected:
  PipelineTest();

  // One account, one channel with one claimed number.
  void MakeOrganization(const TestChannel& channel = {});

  projector::ProjectorOptions ProjectorSettings() const;
  std::unique_ptr<projector::Projector> MakeProjector();
  std::unique_ptr<dispatcher::Dispatcher> MakeDispatcher();

  // A text from `customer_`, as the record that webhook-ingest would publish.
  events::v1::InboundRecord Text(const std::string& body);
  kafka::Record InRecord(const events::v1::InboundRecord& record);
  kafka::Record ReplyRecord(const std::string& turn_id, const std::string& body);
  template <class Event>
  kafka::Record ToRecord(const char* topic, const Event& event) {
    kafka::Record record;
    record.topic = topic;
    record.offset = ++offset_;
    record.value = event.SerializeAsString();
    return record;
  }

  // The organization's rows waiting for a topic, oldest first.
  std::vector<events::v1::ConversationEvent> Turns();
  std::vector<events::v1::SendCommand> Sends();

  // "WHERE organization_id = …" of this test, and values of its only conversation.
  std::string Own() const { return " organization_id = '" + organization_id_ + "' "; }
  std::string Conversation(const std::string& column);

  SimulatedClock clock_{FromMicros(1'800'000'000'000'000)};
  std::string organization_id_;
  std::string channel_id_;
  std::string account_sid_;
  std::string number_;
  std::string customer_;
  std::int64_t offset_ = 0;
  int sids_ = 0;
};

}  // namespace parley::gateway
