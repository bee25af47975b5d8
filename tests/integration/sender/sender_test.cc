// The shipped sender against real Kafka, PostgreSQL and the simulator: what must hold whenever it
// is killed, doubled or fed with garbage.
#include <signal.h>

#include <algorithm>

#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "tests/integration/sender/fixture.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kTo[] = "+15550100001";

std::vector<std::string> Bodies(const std::vector<Arrival>& ledger) {
  std::vector<std::string> bodies;
  for (const Arrival& arrival : ledger) bodies.push_back(arrival.body);
  return bodies;
}

TEST_F(SenderTest, SendsOnceAndTellsEachStep) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"SERVER_URL=http://127.0.0.1:1", "PARLEY_RATE_LONG_CODE=0"});
  const Send send = MakeSend(from, kTo, "hello");
  Command({send, send});
  ASSERT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  // That it was under way is told only when it takes a while.
  EXPECT_THAT(StatesOf(send.message_id()), ElementsAre(SendOutcome::STATE_SENT));
  EXPECT_TRUE(WasAccepted(send.message_id()));
  EXPECT_THAT(Outcome(send.message_id())->message_sid(), StartsWith("SM"));
  EXPECT_EQ(Outcome(send.message_id())->attempt(), 1);
  Command(send);  // Again, after it was settled: nothing but an answer.
  const Send next = MakeSend(from, kTo, "next");
  Command(next);
  ASSERT_TRUE(WaitForOutcome(next.message_id(), SendOutcome::STATE_SENT));
  SetFaults({{"latency_ms", 1'000}});
  const Send slow = MakeSend(from, kTo, "slow");
  Command(slow);
  ASSERT_TRUE(WaitForOutcome(slow.message_id(), SendOutcome::STATE_SENT));
  EXPECT_THAT(StatesOf(slow.message_id()),
              ElementsAre(SendOutcome::STATE_SENDING, SendOutcome::STATE_SENT));
  const auto ledger = Ledger();
  EXPECT_THAT(Bodies(ledger), ElementsAre("hello", "next", "slow"));
  EXPECT_EQ(ledger[0].status_callback, "http://127.0.0.1:1/webhooks/twilio/status?message_id=" +
                                           send.message_id() + "&attempt=1#rc=5&rp=all");
  EXPECT_EQ(Count("SELECT count(*) FROM deliveries WHERE body <> '' AND state = 'sent'"), 0);
  sender->Signal(SIGTERM);
  EXPECT_EQ(sender->Wait(), 0);
  const std::string log = sender->Output();
  EXPECT_THAT(log, HasSubstr("\"event\":\"sent\""));
  EXPECT_THAT(log, Not(HasSubstr("hello")));
  EXPECT_THAT(log, Not(HasSubstr(kTo)));
  EXPECT_EQ(Count("SELECT count(*) FROM shards WHERE owner IS NOT NULL"), 0);
}

TEST_F(SenderTest, AnOperatorSeesWhatWaitsAndWhatNobodyKnows) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  SetFaults({{"accept_then_drop_rate", 1}, {"list_lag_ms", 600'000}});
  const Send lost = MakeSend(from, kTo, "of unknown fate");
  Command(lost);
  ASSERT_TRUE(WaitForOutcome(lost.message_id(), SendOutcome::STATE_UNCONFIRMED));
  SetFaults({{"accept_then_drop_rate", 0}});
  Send later = MakeSend(from, kTo, "later");
  later.set_not_before_us(ToMicros(SystemClock().Now()) + 600'000'000);
  Command(later);
  ASSERT_TRUE(Eventually([&] { return WasAccepted(later.message_id()); }));
  const auto ask = [](std::vector<std::string> arguments) {
    Process operator_command(SenderBinary(), std::move(arguments),
                             {"PARLEY_DATABASE_URL=" + DatabaseUrl()});
    EXPECT_EQ(operator_command.Wait(), 0) << operator_command.Output();
    return operator_command.Output();
  };
  const auto find = [](const std::string& output, const char* key, const std::string& value) {
    for (const auto& row : nlohmann::json::parse(output)) {
      if (row.at(key) == value) return row;
    }
    return nlohmann::json();
  };
  const std::string unconfirmed = ask({"unconfirmed", "--json", "--limit", "10000"});
  const auto row = find(unconfirmed, "message", lost.message_id());
  ASSERT_FALSE(row.is_null()) << unconfirmed;
  EXPECT_EQ(row["attempt"], "1");
  EXPECT_EQ(row["number"], from);
  EXPECT_THAT(unconfirmed, Not(HasSubstr(kTo)));
  EXPECT_THAT(unconfirmed, Not(HasSubstr("of unknown fate")));
  const auto queue = find(ask({"queues", "--json", "--limit", "10000"}), "number", from);
  ASSERT_FALSE(queue.is_null());
  EXPECT_EQ(queue["queued"], "1");
  EXPECT_EQ(queue["due"], "0");
  const std::string shards = ask({"shards"});
  EXPECT_THAT(shards, HasSubstr("256"));
  Process misused(SenderBinary(), {"queues", "--limit", "0"},
                  {"PARLEY_DATABASE_URL=" + DatabaseUrl()});
  EXPECT_EQ(misused.Wait(), 2);
}

TEST_F(SenderTest, WhatCannotBeReadIsBuriedAndTheNextFlows) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const auto buried = *kafka::LogReader::Create(
      {Brokers(), "test", std::string(kafka::kSendCommandsTopic) + kafka::kDeadLetterSuffix});
  const std::string garbage = "\xff\xff" + organization_id_;
  Publish(kafka::kSendCommandsTopic, from, garbage);
  Send endless = MakeSend(from, kTo, "endless");
  endless.clear_not_after_us();
  const Send good = MakeSend(from, kTo, "good");
  Command({endless, good});
  ASSERT_TRUE(WaitForOutcome(good.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  EXPECT_THAT(Bodies(Ledger()), ElementsAre("good"));
  int found = 0;
  EXPECT_TRUE(Eventually([&] {
    const auto records = buried->Poll(1'000, 50ms);
    if (!records.ok()) return false;
    for (const kafka::Record& record : *records) {
      if (record.value == garbage || record.value.find(endless.message_id()) != std::string::npos) {
        ++found;
        EXPECT_NE(record.Header("parley-reason"), "");
      }
    }
    return found == 2;
  }));
}

TEST_F(SenderTest, ANumberNeverExceedsItsRate) {
  PublishAccount();
  const std::string from = AddNumber(20);
  const auto sender = StartSender();
  std::vector<Send> sends;
  for (int i = 0; i < 40; ++i) sends.push_back(MakeSend(from, kTo, std::to_string(i)));
  Command(sends);
  ASSERT_TRUE(WaitForLedger(40)) << sender->Output();
  const auto ledger = Ledger();
  ASSERT_EQ(ledger.size(), 40U);
  for (std::size_t first = 0, last = 0; last < ledger.size(); ++last) {
    while (ledger[last].at_us - ledger[first].at_us >= 950'000) ++first;  // 50 ms tolerance.
    EXPECT_LE(last - first + 1, 21U) << last;
  }
  const double seconds = static_cast<double>(ledger.back().at_us - ledger.front().at_us) / 1e6;
  EXPECT_GE(seconds, 39 / 20.0 - 0.05);
}

TEST_F(SenderTest, AConversationKeepsItsOrderThroughRetries) {
  PublishAccount();
  const std::string from = AddNumber();
  SetFaults({{"latency_ms", 5}, {"status_429_rate", 0.3}});
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const std::string conversation = NewId();
  std::vector<Send> sends;
  std::vector<std::string> bodies;
  for (int i = 1; i <= 12; ++i) {
    bodies.push_back(std::to_string(i));
    sends.push_back(MakeSend(from, kTo, bodies.back()));
    sends.back().set_conversation_id(conversation);
    sends.back().set_conversation_seq(i);
  }
  Command(sends);
  ASSERT_TRUE(WaitForOutcome(sends.back().message_id(), SendOutcome::STATE_SENT))
      << sender->Output();
  EXPECT_EQ(Bodies(Ledger()), bodies);
}

TEST_F(SenderTest, KilledWithRequestsOnTheirWayItNeverSendsTwice) {
  PublishAccount();
  const std::string from = AddNumber();
  SetFaults({{"latency_ms", 1'500}, {"list_lag_ms", 3'600'000}});
  const std::vector<std::string> settings = {"PARLEY_RATE_LONG_CODE=0", "PARLEY_SEND_TIMEOUT=2s"};
  auto sender = StartSender(settings);
  std::vector<Send> sends;
  for (int i = 0; i < 10; ++i) sends.push_back(MakeSend(from, kTo, std::to_string(i)));
  Command(sends);
  const std::string mine = " FROM deliveries WHERE organization_id = '" + organization_id_ + "'";
  ASSERT_TRUE(Eventually([&] {
    return Count("SELECT count(*)" + mine + " AND state = 'sending'") == 10;
  })) << sender->Output();
  sender->Signal(SIGKILL);
  EXPECT_EQ(sender->Wait(), 128 + SIGKILL);
  sender = StartSender(settings);
  for (const Send& send : sends) {
    EXPECT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_UNCONFIRMED));
  }
  EXPECT_EQ(Outcome(sends[0].message_id())->reason(), "UNCONFIRMED_TIMEOUT");
  EXPECT_NE(Outcome(sends[0].message_id())->message(), "");
  std::map<std::string, int> arrived;
  for (const Arrival& arrival : Ledger()) ++arrived[arrival.body];
  for (const auto& [body, times] : arrived) EXPECT_EQ(times, 1) << body;

  // A callback that names message and attempt settles it; another account's does not.
  events::v1::DeliveryStatusRecord report;
  report.set_account_sid("AC" + std::string(32, '9'));
  report.set_message_sid("SM" + std::string(32, '5'));
  report.set_status("delivered");
  report.set_message_id(sends[1].message_id());
  report.set_attempt(1);
  Publish(kafka::kDeliveryStatusTopic, report.message_sid(), report.SerializeAsString());
  report.set_account_sid(account_sid_);
  report.set_message_id(sends[0].message_id());
  Publish(kafka::kDeliveryStatusTopic, report.message_sid(), report.SerializeAsString());
  EXPECT_TRUE(WaitForOutcome(sends[0].message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  EXPECT_EQ(Outcome(sends[0].message_id())->message_sid(), report.message_sid());
  EXPECT_EQ(Outcome(sends[1].message_id())->state(), SendOutcome::STATE_UNCONFIRMED);
}

TEST_F(SenderTest, ReplicasShareAndTakeOver) {
  PublishAccount();
  std::vector<std::string> numbers;
  for (int i = 0; i < 8; ++i) numbers.push_back(AddNumber());
  const auto first = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  ASSERT_TRUE(Eventually(
      [&] { return Count("SELECT count(*) FROM shards WHERE lease_until > now()") == 256; }));
  const auto second = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  ASSERT_TRUE(Eventually([&] {
    return Count(
               "SELECT count(*) FROM (SELECT owner FROM shards WHERE lease_until > now() "
               "GROUP BY owner HAVING count(*) = 128) halves") == 2;
  })) << first->Output()
      << second->Output();
  std::vector<Send> sends;
  for (int i = 0; i < 80; ++i) {
    sends.push_back(MakeSend(numbers[static_cast<std::size_t>(i) % numbers.size()], kTo,
                             "before " + std::to_string(i)));
  }
  Command(sends);
  ASSERT_TRUE(WaitForLedger(80)) << first->Output() << second->Output();
  first->Signal(SIGKILL);
  first->Wait();
  sends.clear();
  for (int i = 0; i < 80; ++i) {
    sends.push_back(MakeSend(numbers[static_cast<std::size_t>(i) % numbers.size()], kTo,
                             "after " + std::to_string(i)));
  }
  Command(sends);
  for (const Send& send : sends) {
    EXPECT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_SENT));
  }
  std::map<std::string, int> arrived;
  for (const Arrival& arrival : Ledger()) ++arrived[arrival.body];
  EXPECT_EQ(arrived.size(), 160U);
  for (const auto& [body, times] : arrived) EXPECT_EQ(times, 1) << body;
}

// Each number changes hands: one replica comes, and the one that had it leaves. By the times at
// which the requests arrived.
TEST_F(SenderTest, ABacklogUsesTheRateWhileReplicasComeAndGo) {
  constexpr double kRate = 2;
  constexpr std::size_t kMessages = 24;
  PublishAccount();
  const std::string from = AddNumber(kRate);
  std::vector<std::unique_ptr<Process>> replicas;
  replicas.push_back(StartSender());
  std::vector<Send> sends;
  for (std::size_t i = 0; i < kMessages; ++i) {
    sends.push_back(MakeSend(from, kTo, std::to_string(i)));
  }
  Command(sends);
  for (const std::size_t arrived : {4U, 12U}) {
    ASSERT_TRUE(WaitForLedger(arrived));
    replicas.push_back(StartSender());
    ASSERT_TRUE(WaitForLedger(arrived + 4));
    Process& leaving = *replicas[replicas.size() - 2];
    leaving.Signal(SIGTERM);
    EXPECT_EQ(leaving.Wait(), 0) << leaving.Output();
  }
  ASSERT_TRUE(WaitForLedger(kMessages)) << replicas.back()->Output();
  const auto ledger = Ledger();
  ASSERT_EQ(ledger.size(), kMessages);
  const double taken_s = static_cast<double>(ledger.back().at_us - ledger.front().at_us) / 1e6;
  const double used = static_cast<double>(kMessages - 1) / (kRate * taken_s);
  EXPECT_GE(used, 0.98);
  EXPECT_LE(used, 1.01) << "nor is it exceeded";
}

TEST_F(SenderTest, AProcessThatWasPausedPastItsLeaseDies) {
  const auto sender = StartSender();
  ASSERT_TRUE(Eventually(
      [&] { return Count("SELECT count(*) FROM shards WHERE lease_until > now()") == 256; }));
  sender->Signal(SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return sender->HasEnded(); })) << "the kernel's timer kills it";
  EXPECT_EQ(sender->Wait(), 128 + SIGKILL);
}

TEST_F(SenderTest, CommandsOfAnUnknownAccountWait) {
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const std::string from = "+15559990001";
  const Send send = MakeSend(from, kTo, "early");
  Command(send);
  ASSERT_TRUE(Eventually([&] { return WasAccepted(send.message_id()); })) << sender->Output();
  EXPECT_EQ(Outcome(send.message_id()), nullptr);
  PublishAccount();
  // The number is not this account's at Twilio: its answer shows that the request was made.
  EXPECT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_FAILED)) << sender->Output();
  EXPECT_GT(Outcome(send.message_id())->error_code(), 0);
}

TEST_F(SenderTest, ANewGenerationReplacesOneThatStillWaits) {
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const std::string from = AddNumber();
  Send send = MakeSend(from, kTo, "first");
  Command(send);
  send.set_generation(1);
  send.set_body("second");
  Command(send);
  const std::string rows =
      "SELECT count(*) FROM deliveries WHERE message_id = '" + send.message_id() + "' AND state = ";
  ASSERT_TRUE(Eventually([&] { return Count(rows + "'queued'") == 2; })) << sender->Output();
  PublishAccount();  // Until now both waited for it.
  ASSERT_TRUE(Eventually([&] { return Count(rows + "'sent'") == 1; })) << sender->Output();
  EXPECT_TRUE(Eventually([&] { return Count(rows + "'canceled'") == 1; })) << sender->Output();
  EXPECT_THAT(Bodies(Ledger()), ElementsAre("second"));
}

TEST_F(SenderTest, NothingGoesToWhomOptedOut) {
  PublishAccount();
  const std::string from = AddNumber();
  const std::string other_number = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  events::v1::ConsentRecord consent;
  consent.set_customer_number(kTo);
  consent.set_business_number(other_number);
  consent.set_account_sid(account_sid_);
  consent.set_medium(events::v1::MEDIUM_SMS);
  consent.set_given_at_us(ToMicros(SystemClock().Now()));
  consent.set_keyword(events::v1::KEYWORD_STOP);
  Publish(kafka::kConsentTopic, kTo, "no record");
  Publish(kafka::kConsentTopic, kTo, consent.SerializeAsString());
  const std::string rows =
      "SELECT count(*) FROM consents WHERE account_sid = '" + account_sid_ + "' AND stopped = ";
  ASSERT_TRUE(Eventually([&] { return Count(rows + "true") == 1; })) << sender->Output();
  const Send stopped = MakeSend(from, kTo, "unwanted");
  Command(stopped);
  ASSERT_TRUE(WaitForOutcome(stopped.message_id(), SendOutcome::STATE_FAILED))
      << "a STOP to one number holds for the organization";
  EXPECT_EQ(Outcome(stopped.message_id())->reason(), "OPTED_OUT");
  const Send elsewhere = MakeSend(from, "+15550100002", "to another customer");
  Command(elsewhere);
  ASSERT_TRUE(WaitForOutcome(elsewhere.message_id(), SendOutcome::STATE_SENT));
  // An older START changes nothing, a newer one lifts it.
  consent.set_keyword(events::v1::KEYWORD_START);
  consent.set_given_at_us(consent.given_at_us() - 1'000'000);
  Publish(kafka::kConsentTopic, kTo, consent.SerializeAsString());
  consent.set_given_at_us(consent.given_at_us() + 2'000'000);
  consent.set_business_number(from);
  Publish(kafka::kConsentTopic, kTo, consent.SerializeAsString());
  ASSERT_TRUE(Eventually([&] { return Count(rows + "false") == 1; }));
  EXPECT_EQ(Count(rows + "true"), 1);
  const Send welcome = MakeSend(from, kTo, "welcome");
  Command(welcome);
  EXPECT_TRUE(WaitForOutcome(welcome.message_id(), SendOutcome::STATE_SENT));
  EXPECT_THAT(Bodies(Ledger()), ElementsAre("to another customer", "welcome"));
}

TEST_F(SenderTest, CampaignsPauseRunAndEndAndMessagesAreCanceled) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const std::string campaign_id = NewId();
  const auto set_campaign = [&](std::int64_t version, events::v1::CampaignState::State state) {
    SendCommand command;
    command.set_organization_id(organization_id_);
    command.mutable_campaign()->set_campaign_id(campaign_id);
    command.mutable_campaign()->set_version(version);
    command.mutable_campaign()->set_state(state);
    Publish(kafka::kSendCommandsTopic, campaign_id, command.SerializeAsString());
    ASSERT_TRUE(Eventually([&] {
      return Count("SELECT coalesce(max(version), 0) FROM campaigns WHERE campaign_id = '" +
                   campaign_id + "'") >= version;
    }));
  };
  const auto make = [&](const std::string& body) {
    Send send = MakeSend(from, kTo, body);
    send.set_campaign_id(campaign_id);
    send.set_priority(events::v1::PRIORITY_BULK);
    return send;
  };
  set_campaign(2, events::v1::CampaignState::STATE_PAUSED);
  const Send held = make("held");
  const Send canceled = make("canceled");
  Command({held, canceled});
  ASSERT_TRUE(WaitForOutcome(held.message_id(), SendOutcome::STATE_QUEUED)) << sender->Output();
  EXPECT_EQ(Outcome(held.message_id())->reason(), "CAMPAIGN_PAUSED");
  SendCommand cancel;
  cancel.set_organization_id(organization_id_);
  cancel.mutable_cancel()->set_message_id(canceled.message_id());
  Publish(kafka::kSendCommandsTopic, from, cancel.SerializeAsString());
  ASSERT_TRUE(WaitForOutcome(canceled.message_id(), SendOutcome::STATE_CANCELED));
  set_campaign(3, events::v1::CampaignState::STATE_RUNNING);
  ASSERT_TRUE(WaitForOutcome(held.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  set_campaign(4, events::v1::CampaignState::STATE_CANCELED);
  const Send late = make("late");
  Command(late);
  ASSERT_TRUE(WaitForOutcome(late.message_id(), SendOutcome::STATE_CANCELED));
  EXPECT_THAT(Bodies(Ledger()), ElementsAre("held"));
}

TEST_F(SenderTest, AnswersOfTwilioBecomeOutcomes) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0", "PARLEY_SEND_TIMEOUT=500ms"});
  Send expired = MakeSend(from, kTo, "expired");
  expired.set_not_after_us(ToMicros(SystemClock().Now() - 1s));
  Command(expired);
  EXPECT_TRUE(WaitForOutcome(expired.message_id(), SendOutcome::STATE_EXPIRED));

  SetFaults({{"status_5xx_rate", 1.0}});
  const Send theirs = MakeSend(from, kTo, "their fault");
  Command(theirs);
  EXPECT_TRUE(WaitForOutcome(theirs.message_id(), SendOutcome::STATE_UNCONFIRMED));
  EXPECT_EQ(Outcome(theirs.message_id())->reason(), "UNCONFIRMED_SERVER_ERROR");

  SetFaults({{"latency_ms", 2'000}, {"list_lag_ms", 3'600'000}});
  const Send slow = MakeSend(from, kTo, "slow");
  Command(slow);
  EXPECT_TRUE(WaitForOutcome(slow.message_id(), SendOutcome::STATE_UNCONFIRMED));
  EXPECT_EQ(Outcome(slow.message_id())->reason(), "UNCONFIRMED_NO_ANSWER");

  SetFaults(nlohmann::json::object());
  const Send wrong = MakeSend("+15559990002", kTo, "not our number");
  Command(wrong);
  EXPECT_TRUE(WaitForOutcome(wrong.message_id(), SendOutcome::STATE_FAILED)) << sender->Output();
  EXPECT_GT(Outcome(wrong.message_id())->error_code(), 0);
  EXPECT_NE(Outcome(wrong.message_id())->message(), "");
  EXPECT_EQ(Count("SELECT count(*) FROM deliveries WHERE body <> '' AND state IN ('failed', "
                  "'expired') AND organization_id = '" +
                  organization_id_ + "'"),
            0);
}

}  // namespace
}  // namespace parley::sender
