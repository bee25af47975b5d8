#include "fixture.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "libs/kafka/admin.h"
#include "libs/postgres/array.h"
#include "libs/postgres/migrate.h"

namespace parley::gateway {

const std::vector<postgres::Migration>& Migrations();  // Embedded by CMake.

namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) {
    std::fprintf(stderr, "%s is not set: run ./test integration, or scripts/infra up.\n", name);
    std::exit(1);
  }
  return value;
}

std::string KeyRingText(char byte) {
  // 32 equal bytes in base64 are 42 letters, one more, and the padding.
  return std::string(1, byte) + "1:" + std::string(42, byte) + "A=\n";
}

const crypto::KeyRing& Keys(char byte) {
  static const crypto::KeyRing master = *crypto::KeyRing::Parse(KeyRingText('A'));
  static const crypto::KeyRing directory = *crypto::KeyRing::Parse(KeyRingText('B'));
  return byte == 'A' ? master : directory;
}

// The database lives as long as the program.
class Database {
 public:
  Database() : server_(Environment("PARLEY_DATABASE_URL")) {
    name_ = "pipelines_" + std::to_string(getpid());
    Admin("CREATE DATABASE " + name_);
    url_ = server_.substr(0, server_.rfind('/') + 1) + name_;
    const absl::Status migrated = postgres::Migrate(url_, "gateway", Migrations());
    if (!migrated.ok()) {
      std::fprintf(stderr, "%s\n", std::string(migrated.message()).c_str());
      std::exit(1);
    }
  }
  ~Database() { Admin("DROP DATABASE " + name_ + " WITH (FORCE)"); }
  const std::string& url() const { return url_; }

 private:
  void Admin(const std::string& sql) {
    const auto connection = postgres::Connect({.url = server_});
    if (!connection.ok()) return;
    pqxx::nontransaction tx(**connection);
    tx.exec(sql);
  }
  std::string server_;
  std::string name_;
  std::string url_;
};

std::string Digits(int count) {
  static std::atomic<int> next{static_cast<int>(getpid()) % 1000 * 1000};
  std::string digits = std::to_string(++next);
  return std::string(static_cast<std::size_t>(count) - digits.size(), '0') + digits;
}

}  // namespace

std::string KafkaBrokers() { return Environment("PARLEY_KAFKA_BROKERS"); }
std::string RedisUrl() { return Environment("PARLEY_REDIS_URL"); }

std::string DatabaseUrl() {
  static const Database database;
  return database.url();
}

void MakeTopics() {
  static const bool made =
      kafka::CreateTopics(KafkaBrokers(), kafka::ParleyTopics(3, 1), std::chrono::seconds(30)).ok();
  ASSERT_TRUE(made);
}

postgres::PoolOptions PoolOf(const char* role, int connections) {
  return {.url = DatabaseUrl(),
          .application_name = "pipelines-test",
          .role = role,
          .schema = "gateway",
          .connections_max = connections};
}

postgres::Pool& Worker() {
  static postgres::Pool pool(PoolOf("gateway_worker", 16));
  return pool;
}

kafka::Producer& TestProducer() {
  static const std::unique_ptr<kafka::Producer> producer =
      *kafka::Producer::Create({.brokers = KafkaBrokers(), .client_id = "pipelines-test"});
  return *producer;
}

const crypto::KeyRing& MasterKeys() { return Keys('A'); }
const crypto::KeyRing& DirectoryKeys() { return Keys('B'); }

std::vector<std::string> Query(const std::string& sql) {
  std::vector<std::string> lines;
  const absl::Status status = Worker().Transact([&](pqxx::work& tx) -> absl::Status {
    lines.clear();
    for (const pqxx::row& row : tx.exec(sql)) {
      std::string line;
      for (const pqxx::field& field : row) {
        line += (field.num() == 0 ? "" : "|") + std::string(field.c_str());
      }
      lines.push_back(line);
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status << "\n" << sql;
  return lines;
}

std::string Value(const std::string& sql) {
  const std::vector<std::string> lines = Query(sql);
  return lines.empty() ? "" : lines.front();
}

void Execute(const std::string& sql) { Query(sql); }

PipelineTest::PipelineTest() {
  // What earlier tests left to do is not this one's.
  Execute("DELETE FROM outbox");
  Execute("DELETE FROM live_outbox");
  Execute("UPDATE messages SET emit_again_at = NULL");
  Execute("UPDATE conversations SET pending_due_at = NULL, open_turn_id = NULL");
  MakeOrganization();
}

void PipelineTest::MakeOrganization(const TestChannel& channel) {
  organization_id_ = NewId();
  channel_id_ = NewId();
  const std::string digits = Digits(8);
  account_sid_ = "AC" + std::string(24, 'a') + digits;
  number_ = "+1555" + digits.substr(1);
  customer_ = "+15005" + digits.substr(2);
  Execute("INSERT INTO organizations (id, display_name) VALUES ('" + organization_id_ +
          "', 'Test shop')");
  const std::string sealed = MasterKeys().Seal(
      Secret("token-" + digits), {.purpose = crypto::kTwilioToken, .subject = account_sid_});
  Execute(
      "INSERT INTO account_credentials (account_sid, sealed_auth_token, kind, verified_at) "
      "VALUES ('" +
      account_sid_ + "', '" + postgres::Bytea(sealed) + "', 'full', now())");
  Execute("INSERT INTO account_links VALUES ('" + account_sid_ + "', '" + organization_id_ + "')");
  Execute(
      "INSERT INTO channels (organization_id, id, display_name, account_sid, phone_number, media, "
      "ai_enabled, ai_delay_ms, ai_provider) VALUES ('" +
      organization_id_ + "', '" + channel_id_ + "', 'Front desk', '" + account_sid_ + "', '" +
      number_ + "', '{sms,whatsapp,voice}', " + (channel.ai_enabled ? "true" : "false") + ", " +
      std::to_string(channel.ai_delay_ms) + ", 'mock')");
  Execute("INSERT INTO number_claims VALUES ('" + account_sid_ + "', '" + number_ + "', '" +
          organization_id_ + "', '" + channel_id_ + "')");
}

projector::ProjectorOptions PipelineTest::ProjectorSettings() const {
  projector::ProjectorOptions options;
  options.brokers = KafkaBrokers();
  options.group = "test-" + NewId();
  options.append.turn_keys = {&MasterKeys(), &DirectoryKeys()};
  return options;
}

std::unique_ptr<projector::Projector> PipelineTest::MakeProjector() {
  return std::make_unique<projector::Projector>(ProjectorSettings(), Worker(), TestProducer(),
                                                clock_);
}

std::unique_ptr<dispatcher::Dispatcher> PipelineTest::MakeDispatcher() {
  dispatcher::DispatcherOptions options;
  options.database = PoolOf("gateway_worker");
  options.append.turn_keys = {&MasterKeys(), &DirectoryKeys()};
  // No relay empties the outbox here.
  options.outbox_stuck_after = std::chrono::hours(1);
  return std::make_unique<dispatcher::Dispatcher>(options, Worker(), clock_);
}

events::v1::InboundRecord PipelineTest::Text(const std::string& body) {
  events::v1::InboundRecord record;
  record.set_account_sid(account_sid_);
  record.set_business_number(number_);
  record.set_customer_number(customer_);
  record.set_medium(events::v1::MEDIUM_SMS);
  record.set_received_at_us(ToMicros(clock_.Now()));
  record.mutable_message()->set_message_sid("SM-" + std::to_string(++sids_));
  record.mutable_message()->set_body(body);
  return record;
}

kafka::Record PipelineTest::InRecord(const events::v1::InboundRecord& record) {
  return ToRecord(kafka::kInboundTopic, record);
}

kafka::Record PipelineTest::ReplyRecord(const std::string& turn_id, const std::string& body) {
  events::v1::ReplyRecord record;
  record.set_organization_id(organization_id_);
  record.set_conversation_id(Conversation("id"));
  record.set_turn_id(turn_id);
  record.mutable_text()->set_body(body);
  return ToRecord(kafka::kRepliesTopic, record);
}

namespace {

template <class Event>
std::vector<Event> OutboxOf(const std::string& own, const char* topic) {
  std::vector<Event> events;
  for (const std::string& value :
       Query("SELECT value FROM outbox WHERE" + own + "AND topic = '" + topic + "' ORDER BY id")) {
    Event event;
    EXPECT_TRUE(event.ParseFromString(postgres::FromBytea(value)));
    events.push_back(event);
  }
  return events;
}

}  // namespace

std::vector<events::v1::ConversationEvent> PipelineTest::Turns() {
  return OutboxOf<events::v1::ConversationEvent>(Own(), kafka::kConversationEventsTopic);
}

std::vector<events::v1::SendCommand> PipelineTest::Sends() {
  return OutboxOf<events::v1::SendCommand>(Own(), kafka::kSendCommandsTopic);
}

std::string PipelineTest::Conversation(const std::string& column) {
  return Value("SELECT " + column + " FROM conversations WHERE" + Own());
}

}  // namespace parley::gateway
