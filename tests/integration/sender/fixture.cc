#include "tests/integration/sender/fixture.h"

#include <httplib.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/crypto/digest.h"
#include "libs/kafka/admin.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

// 32 hexadecimal digits, made up anew.
std::string RandomHex() {
  std::string hex;
  for (const char c : NewId()) {
    if (c != '-') hex.push_back(c);
  }
  return hex;
}

}  // namespace

std::unique_ptr<Process> SenderTest::simulator_;
int SenderTest::simulator_port_ = 0;
std::string SenderTest::key_file_;

void SenderTest::SetUpTestSuite() {
  const absl::Status created = kafka::CreateTopics(Brokers(), kafka::ParleyTopics(12, 1), 30s);
  ASSERT_TRUE(created.ok()) << created;
  key_file_ = testing::TempDir() + "sender-directory-key-" + std::to_string(getpid());
  std::ofstream(key_file_) << "k1:" << crypto::Base64(std::string(32, 'k')) << "\n";
  Process migrate(SenderBinary(), {"migrate"}, {"PARLEY_DATABASE_URL=" + DatabaseUrl()});
  ASSERT_EQ(migrate.Wait(), 0) << migrate.Output();
  simulator_port_ = FreePort();
  simulator_ = std::make_unique<Process>(
      SimulatorBinary(),
      std::vector<std::string>{"--port", std::to_string(simulator_port_), "--admin-free",
                               "--numbers", "+15005550006"},
      std::vector<std::string>{});
  ASSERT_TRUE(Eventually([] {
    httplib::Client client("127.0.0.1", simulator_port_);
    const auto health = client.Get("/simulator/v1/health");
    return health && health->status == 200;
  })) << simulator_->Output();
}

void SenderTest::TearDownTestSuite() {
  simulator_.reset();
  std::remove(key_file_.c_str());
}

SenderTest::SenderTest()
    : organization_id_(NewId()), account_sid_("AC" + RandomHex()), token_(RandomHex()) {
  keys_ = std::make_unique<crypto::KeyRing>(*crypto::KeyRing::FromFile(key_file_));
  producer_ = *kafka::Producer::Create({.brokers = Brokers(), .client_id = "test"});
  results_ = *kafka::LogReader::Create(
      {.brokers = Brokers(), .client_id = "test", .topic = kafka::kSendResultsTopic});
  pool_ = std::make_unique<postgres::Pool>(
      postgres::PoolOptions{.url = DatabaseUrl(), .application_name = "test", .schema = "sender"});
  SetFaults(nlohmann::json::object());
}

SenderTest::~SenderTest() { SetFaults(nlohmann::json::object()); }

std::unique_ptr<Process> SenderTest::StartSender(std::vector<std::string> more_settings) {
  const int admin_port = admin_port_ = FreePort();
  std::vector<std::string> settings = {
      "PARLEY_KAFKA_BROKERS=" + Brokers(), "PARLEY_DATABASE_URL=" + DatabaseUrl(),
      "PARLEY_DIRECTORY_KEY_FILE=" + key_file_, "PARLEY_ADMIN_PORT=" + std::to_string(admin_port),
      "TWILIO_API_BASE_URL=http://127.0.0.1:" + std::to_string(simulator_port_)};
  settings.insert(settings.end(), more_settings.begin(), more_settings.end());
  auto sender =
      std::make_unique<Process>(SenderBinary(), std::vector<std::string>{"serve"}, settings);
  EXPECT_TRUE(Eventually([&] {
    httplib::Client client("127.0.0.1", admin_port);
    const auto ready = client.Get("/readyz");
    return ready && ready->status == 200;
  })) << sender->Output();
  return sender;
}

void SenderTest::PublishAccount() {
  Control("POST", "accounts", {{"sid", account_sid_}, {"auth_token", token_}});
  events::v1::DirectoryRecord record;
  record.set_version(ToMicros(SystemClock().Now()));
  record.mutable_account()->set_account_sid(account_sid_);
  record.mutable_account()->add_organization_ids(organization_id_);
  record.mutable_account()->set_sealed_auth_token(
      keys_->Seal(Secret(token_), {crypto::kTwilioToken, account_sid_}));
  Publish(kafka::kDirectoryTopic, "account/" + account_sid_, record.SerializeAsString());
}

std::string SenderTest::AddNumber(double rate, events::v1::ConsentScope consent_scope) {
  static int numbers = 0;
  const std::string number = "+1555" + std::to_string(2'000'000 + ++numbers);
  Control("POST", "accounts",
          {{"sid", account_sid_}, {"auth_token", token_}, {"numbers", {number}}});
  events::v1::DirectoryRecord record;
  record.set_version(ToMicros(SystemClock().Now()));
  record.mutable_number()->set_account_sid(account_sid_);
  record.mutable_number()->set_number(number);
  record.mutable_number()->set_organization_id(organization_id_);
  record.mutable_number()->set_sms_rate(rate);
  record.mutable_number()->set_consent_scope(consent_scope);
  Publish(kafka::kDirectoryTopic, "number/" + account_sid_ + "/" + number,
          record.SerializeAsString());
  return number;
}

Send SenderTest::MakeSend(const std::string& from, const std::string& to, const std::string& body) {
  Send send;
  send.set_message_id(NewId());
  send.set_account_sid(account_sid_);
  send.set_sender_number(from);
  send.set_customer_number(to);
  send.set_medium(events::v1::MEDIUM_SMS);
  send.set_body(body);
  send.set_priority(events::v1::PRIORITY_INTERACTIVE);
  const Time now = SystemClock().Now();
  send.set_created_at_us(ToMicros(now));
  send.set_not_after_us(ToMicros(now + 1h));
  return send;
}

void SenderTest::Command(const std::vector<Send>& sends) {
  std::vector<kafka::OutRecord> records;
  for (const Send& send : sends) {
    SendCommand command;
    command.set_organization_id(organization_id_);
    *command.mutable_send() = send;
    records.push_back(
        {kafka::kSendCommandsTopic, send.sender_number(), command.SerializeAsString(), {}});
  }
  const absl::Status sent = producer_->ProduceAndWait(records, 30s);
  ASSERT_TRUE(sent.ok()) << sent;
}

void SenderTest::Publish(const std::string& topic, const std::string& key,
                         const std::string& value) {
  const kafka::OutRecord record{topic, key, value, {}};
  const absl::Status sent = producer_->ProduceAndWait({&record, 1}, 30s);
  ASSERT_TRUE(sent.ok()) << sent;
}

nlohmann::json SenderTest::Control(const std::string& method, const std::string& path,
                                   const nlohmann::json& body) {
  httplib::Client client("127.0.0.1", simulator_port_);
  const std::string target = "/simulator/v1/" + path;
  const auto answer = method == "GET"    ? client.Get(target)
                      : method == "POST" ? client.Post(target, body.dump(), "application/json")
                                         : client.Put(target, body.dump(), "application/json");
  if (!answer || answer->status >= 300) {
    ADD_FAILURE() << target << ": " << (answer ? answer->body : "no answer");
    return {};
  }
  return nlohmann::json::parse(answer->body, nullptr, false);
}

void SenderTest::SetFaults(const nlohmann::json& faults) {
  nlohmann::json all = {{"latency_ms", 0},
                        {"status_429_rate", 0},
                        {"status_5xx_rate", 0},
                        {"drop_before_rate", 0},
                        {"accept_then_drop_rate", 0}};
  all.update(faults);
  Control("PUT", "faults", all);
}

void SenderTest::Inbound(const std::string& customer, const std::string& number,
                         const std::string& body) {
  Control("POST", "inbound", {{"from", customer}, {"to", number}, {"body", body}});
}

std::vector<Arrival> SenderTest::Ledger() {
  std::vector<Arrival> arrivals;
  std::int64_t after = 0;
  while (true) {
    const nlohmann::json page = Control("GET", "ledger?after=" + std::to_string(after), {});
    if (!page.is_object() || page["entries"].empty()) return arrivals;
    for (const nlohmann::json& entry : page["entries"]) {
      if (entry["account_sid"] != account_sid_) continue;
      const nlohmann::json& callback = entry["status_callback"];
      arrivals.push_back({entry["from"], entry["to"], entry["body"],
                          callback.is_string() ? callback.get<std::string>() : "",
                          entry["arrived_at_us"], entry["sid"]});
    }
    after = page["next"];
  }
}

bool SenderTest::WaitForLedger(std::size_t count) {
  return Eventually([&] { return Ledger().size() >= count; });
}

void SenderTest::ReadResults() {
  while (true) {
    const auto records = results_->Poll(1'000, 20ms);
    if (!records.ok() || records->empty()) return;
    for (const kafka::Record& record : *records) {
      events::v1::SendResult result;
      // Other programs share these topics, and some of them write what cannot be read on purpose.
      if (!result.ParseFromString(record.value)) continue;
      for (const auto& item : result.accepted().items()) ++accepted_[item.message_id()];
      if (!result.has_outcome()) continue;
      const SendOutcome& outcome = result.outcome();
      SendOutcome& newest = newest_[outcome.message_id()];
      if (outcome.version() <= newest.version()) continue;
      newest = outcome;
      states_[outcome.message_id()].push_back(outcome.state());
    }
  }
}

const SendOutcome* SenderTest::Outcome(const std::string& message_id) {
  ReadResults();
  const auto found = newest_.find(message_id);
  return found == newest_.end() ? nullptr : &found->second;
}

bool SenderTest::WaitForOutcome(const std::string& message_id, SendOutcome::State state) {
  return Eventually([&] {
    const SendOutcome* outcome = Outcome(message_id);
    return outcome != nullptr && outcome->state() == state;
  });
}

bool SenderTest::WasAccepted(const std::string& message_id) {
  ReadResults();
  return accepted_.contains(message_id);
}

std::vector<SendOutcome::State> SenderTest::StatesOf(const std::string& message_id) {
  ReadResults();
  return states_[message_id];
}

std::int64_t SenderTest::Count(const std::string& sql) {
  std::int64_t count = -1;
  const absl::Status status = pool_->Transact([&](pqxx::work& tx) {
    count = tx.exec1(sql)[0].as<std::int64_t>();
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return count;
}

void SenderTest::Execute(const std::string& sql) {
  const absl::Status status = pool_->Transact([&](pqxx::work& tx) {
    tx.exec0(sql);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

void SenderTest::HoldWhile(const std::string& sql, const std::function<void()>& what) {
  const absl::Status status = pool_->Transact([&](pqxx::work& tx) {
    tx.exec(sql);
    what();
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace parley::sender
