// The shipped binary while Kafka stands still and while it is killed: what was answered 2xx is in
// Kafka afterwards, in order. Needs PARLEY_TEST_KAFKA_PID, a broker of this test's own account.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "fakes/fakes.h"
#include "libs/base/id.h"
#include "libs/base/shutdown.h"
#include "libs/http/server.h"
#include "libs/kafka/admin.h"
#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"
#include "parley/events/v1/inbound.pb.h"
#include "tests/integration/libs/environment.h"
#include "tests/integration/sender/processes.h"

namespace parley::ingest {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;
constexpr int kCustomers = 8;

std::string RandomHex() {
  std::string digits;
  for (const char c : NewId() + NewId()) {
    if (c != '-' && digits.size() < 32) digits.push_back(c);
  }
  return {digits.rbegin(), digits.rend()};
}

// Kafka in its tracks, for as long as this lives.
class KafkaPaused {
 public:
  explicit KafkaPaused(int pid) : pid_(pid) { kill(pid_, SIGSTOP); }
  ~KafkaPaused() { kill(pid_, SIGCONT); }
  KafkaPaused(const KafkaPaused&) = delete;
  KafkaPaused& operator=(const KafkaPaused&) = delete;

 private:
  const int pid_;
};

class OutageTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* pid = std::getenv("PARLEY_TEST_KAFKA_PID");
    ASSERT_NE(pid, nullptr) << "PARLEY_TEST_KAFKA_PID must name the broker's process.";
    kafka_pid_ = std::atoi(pid);
    ASSERT_GT(kafka_pid_, 1);
    ASSERT_TRUE(kafka::CreateTopics(Brokers(), kafka::ParleyTopics(12, 1), kPatience).ok());
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/keys") << "test:" << crypto::Base64(std::string(32, 'k')) << "\n";
    const auto producer = *kafka::Producer::Create({.brokers = Brokers(), .client_id = "test"});
    const auto put = [&](const std::string& key, const events::v1::DirectoryRecord& record) {
      const kafka::OutRecord out{kafka::kDirectoryTopic, key, record.SerializeAsString(), {}};
      ASSERT_TRUE(producer->ProduceAndWait({&out, 1}, kPatience).ok());
    };
    put("account/" + account_, AccountRecord(TestKeys(), account_, kTokenA));
    put("number/" + account_ + kNumberA, NumberRecord(account_, kNumberA));
    put("complete", CompleteRecord(ToMicros(SystemClock().Now())));
  }
  void TearDown() override {
    process_.reset();
    std::filesystem::remove_all(folder_);
  }

  void StartService() {
    const char* bin = std::getenv("PARLEY_TEST_BIN_DIR");
    process_.emplace(
        std::string(bin == nullptr ? "." : bin) + "/webhook-ingest", std::vector<std::string>{},
        std::vector<std::string>{
            "PARLEY_KAFKA_BROKERS=" + Brokers(), "PARLEY_DIRECTORY_KEY_FILE=" + folder_ + "/keys",
            "PARLEY_DATA_DIR=" + folder_ + "/data", "PARLEY_HTTP_PORT=" + std::to_string(port_),
            "PARLEY_ADMIN_PORT=" + std::to_string(admin_port_),
            "PARLEY_WEBHOOK_ACKNOWLEDGE_WITHIN=300ms", std::string("SERVER_URL=") + kServerUrl});
    ASSERT_TRUE(Eventually([&] { return Admin("/readyz").first == 200; })) << process_->Output();
  }
  void KillService() {
    process_->Signal(SIGKILL);
    process_->Wait();
    process_.reset();
  }
  std::pair<int, std::string> Admin(const std::string& path) const {
    httplib::Client client("127.0.0.1", admin_port_);
    const auto answer = client.Get(path);
    if (!answer) return {0, ""};
    return {answer->status, answer->body};
  }
  double Metric(const std::string& name) const {
    const std::string all = "\n" + Admin("/metrics").second;
    const auto at = all.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::atof(all.c_str() + at + name.size() + 2);
  }

  // One customer writes one text after the other, whatever the answers are.
  void Write(int customer, const std::stop_token& stop) {
    const std::string from = "+1500555100" + std::to_string(customer);
    std::optional<httplib::Client> client;
    for (int n = 0; !stop.stop_requested(); ++n) {
      if (!client) {
        client.emplace("127.0.0.1", port_);
        client->set_keep_alive(true);
        client->set_tcp_nodelay(true);
      }
      const std::string sid = "SM" + RandomHex();
      const SignedWebhook webhook = SignedPost(kMessageTarget,
                                               {{"MessageSid", sid},
                                                {"AccountSid", account_},
                                                {"From", from},
                                                {"To", kNumberA},
                                                {"Body", std::to_string(n)},
                                                {"NumMedia", "0"}},
                                               kTokenA);
      const auto answer = client->Post(webhook.target, {{"X-Twilio-Signature", webhook.signature}},
                                       webhook.body, webhook.content_type);
      if (answer && answer->status == 200) {
        acknowledged_[static_cast<std::size_t>(customer)].push_back(n);
        ++total_;
      } else {
        client.reset();
        std::this_thread::yield();
      }
    }
  }
  // So many more.
  bool Acknowledges(int count) {
    const int wanted = total_ + count;
    return Eventually([&] { return total_ >= wanted; });
  }

  // What each customer wrote, as Kafka has it; repeats left out.
  std::map<std::string, std::vector<int>> ReadAll() const {
    std::map<std::string, std::vector<int>> found;
    const auto reader = *kafka::LogReader::Create(
        {.brokers = Brokers(), .client_id = "test", .topic = kafka::kInboundTopic});
    EXPECT_TRUE(Eventually([&] {
      const auto records = reader->Poll(1'000, 200ms);
      if (!records.ok()) return false;
      for (const kafka::Record& record : *records) {
        events::v1::InboundRecord parsed;
        if (!parsed.ParseFromString(record.value) || parsed.account_sid() != account_) continue;
        std::vector<int>& texts = found[parsed.customer_number()];
        const int n = std::atoi(parsed.message().body().c_str());
        if (std::find(texts.begin(), texts.end(), n) == texts.end()) texts.push_back(n);
      }
      return reader->ReachedStartEnd();
    }));
    return found;
  }

  int kafka_pid_ = 0;
  const std::string account_ = "AC" + RandomHex();
  const std::string folder_ = testing::TempDir() + "/parley-outage-" + NewId();
  const int port_ = sender::FreePort();
  const int admin_port_ = sender::FreePort();
  std::optional<sender::Process> process_;
  std::vector<int> acknowledged_[kCustomers];
  std::atomic<int> total_{0};
};

TEST_F(OutageTest, WhatWasAnswered2xxIsInKafkaInOrder) {
  ASSERT_NO_FATAL_FAILURE(StartService());
  {
    std::vector<std::jthread> customers;
    for (int i = 0; i < kCustomers; ++i) {
      customers.emplace_back([this, i](const std::stop_token& stop) { Write(i, stop); });
    }
    ASSERT_TRUE(Acknowledges(100));
    {
      const KafkaPaused paused(kafka_pid_);
      ASSERT_TRUE(Acknowledges(300));
      EXPECT_GT(Metric("parley_webhook_ingest_spool_records"), 0);
      EXPECT_EQ(Metric("parley_webhook_ingest_kafka_away"), 1);
      EXPECT_EQ(Admin("/readyz").first, 200);
      KillService();
      ASSERT_NO_FATAL_FAILURE(StartService());  // Kafka is still away.
      ASSERT_TRUE(Acknowledges(300));
    }
    ASSERT_TRUE(Acknowledges(100));
    KillService();  // With some luck in the middle of the replay.
    ASSERT_NO_FATAL_FAILURE(StartService());
    ASSERT_TRUE(Acknowledges(100));
  }
  ASSERT_TRUE(Eventually([&] { return Metric("parley_webhook_ingest_spool_records") == 0; }))
      << Metric("parley_webhook_ingest_spool_records") << " left\n"
      << process_->Output();
  const auto found = ReadAll();
  for (int i = 0; i < kCustomers; ++i) {
    const std::vector<int>& acknowledged = acknowledged_[i];
    std::vector<int> texts = found.at("+1500555100" + std::to_string(i));
    // What was not acknowledged may be there, too.
    std::erase_if(texts, [&](int n) {
      return !std::binary_search(acknowledged.begin(), acknowledged.end(), n);
    });
    EXPECT_EQ(texts, acknowledged) << "customer " << i;
  }
  EXPECT_EQ(process_->Output().find("\"level\":\"error\""), std::string::npos)
      << process_->Output();
}

}  // namespace
}  // namespace parley::ingest
