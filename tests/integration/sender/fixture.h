// The sender between real Kafka, PostgreSQL and the simulator. Each test has an account,
// an organization and numbers of its own, so that what others left behind does not matter.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "libs/crypto/seal.h"
#include "libs/kafka/log_reader.h"
#include "libs/kafka/producer.h"
#include "libs/postgres/pool.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/directory.pb.h"
#include "parley/events/v1/send_command.pb.h"
#include "parley/events/v1/send_result.pb.h"
#include "tests/integration/libs/environment.h"
#include "tests/integration/sender/processes.h"

namespace parley::sender {

using events::v1::Send;
using events::v1::SendCommand;
using events::v1::SendOutcome;

// A creation as the simulator noted it.
struct Arrival {
  std::string from;
  std::string to;
  std::string body;
  std::string status_callback;
  std::int64_t at_us = 0;
  std::string sid;
};

class SenderTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  SenderTest();
  ~SenderTest() override;

  // Starts a replica and, unless told otherwise, waits until it is ready.
  std::unique_ptr<Process> StartSender(std::vector<std::string> more_settings = {});

  // Tells the directory of this test's account.
  void PublishAccount();
  // A number that no other test has, with this rate of its own (0: its type's); told to the
  // directory.
  std::string AddNumber(double rate = 0, events::v1::ConsentScope consent_scope =
                                             events::v1::CONSENT_SCOPE_ORGANIZATION);

  // A valid interactive SMS of this test's organization.
  Send MakeSend(const std::string& from, const std::string& to, const std::string& body);
  void Command(const Send& send) { Command(std::vector<Send>{send}); }
  void Command(const std::vector<Send>& sends);
  void Publish(const std::string& topic, const std::string& key, const std::string& value);

  // Control of the simulator.
  void SetFaults(const nlohmann::json& faults);
  // A text that a customer sends to one of this test's numbers, as far as Twilio minds it.
  void Inbound(const std::string& customer, const std::string& number, const std::string& body);
  std::vector<Arrival> Ledger();  // Of this test's account, in order of arrival.
  bool WaitForLedger(std::size_t count);

  // The newest outcome of each message on parley.send-results, and all of them in order.
  const SendOutcome* Outcome(const std::string& message_id);
  bool WaitForOutcome(const std::string& message_id, SendOutcome::State state);
  bool WasAccepted(const std::string& message_id);
  std::vector<SendOutcome::State> StatesOf(const std::string& message_id);

  std::int64_t Count(const std::string& sql);  // One number out of schema sender.
  void Execute(const std::string& sql);
  // Does `what` while a transaction in which `sql` ran is open.
  void HoldWhile(const std::string& sql, const std::function<void()>& what);

  std::string organization_id_;
  std::string account_sid_;
  std::string token_;
  int admin_port_ = 0;  // Of the replica that was started last.

 private:
  void ReadResults();
  nlohmann::json Control(const std::string& method, const std::string& path,
                         const nlohmann::json& body);

  static std::unique_ptr<Process> simulator_;
  static int simulator_port_;
  static std::string key_file_;

  std::unique_ptr<crypto::KeyRing> keys_;
  std::unique_ptr<kafka::Producer> producer_;
  std::unique_ptr<kafka::LogReader> results_;
  std::unique_ptr<postgres::Pool> pool_;
  std::map<std::string, SendOutcome> newest_;
  std::map<std::string, std::vector<SendOutcome::State>> states_;
  std::map<std::string, int> accepted_;
};

}  // namespace parley::sender
