// What becomes of sends whose answer was lost: callbacks and Twilio's list of messages, on the real
// tables.
#include <algorithm>
#include <thread>

#include "libs/base/clock.h"
#include "tests/integration/sender/fixture.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using events::v1::Finding;

constexpr char kTo[] = "+15550100001";
const std::vector<std::string> kSettings = {"PARLEY_RATE_LONG_CODE=0", "PARLEY_SEND_TIMEOUT=500ms"};

class EvidenceTest : public SenderTest {
 protected:
  // Sends, and waits until nobody knows what became of it.
  Send Lose(const std::string& from, const std::string& to, const std::string& body) {
    const Send send = MakeSend(from, to, body);
    Command(send);
    EXPECT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_UNCONFIRMED));
    return send;
  }

  bool HasFinding(const std::string& message_id, Finding::Kind kind) {
    const SendOutcome* outcome = Outcome(message_id);
    return outcome != nullptr &&
           std::any_of(outcome->findings().begin(), outcome->findings().end(),
                       [kind](const Finding& finding) { return finding.kind() == kind; });
  }

  std::int64_t CountOf(const Send& send, const std::string& where) {
    return Count("SELECT count(*) FROM deliveries WHERE message_id = '" + send.message_id() +
                 "' AND " + where);
  }
};

TEST_F(EvidenceTest, TheListSettlesWhatItShowsAlsoAfterARestart) {
  PublishAccount();
  const std::string from = AddNumber();
  auto sender = StartSender(kSettings);
  SetFaults({{"accept_then_drop_rate", 1}, {"list_lag_ms", 5'000}});
  const Send send = Lose(from, kTo, "hello");
  EXPECT_GT(Outcome(send.message_id())->look_again_at_us(), 0);
  ASSERT_TRUE(Eventually([&] { return HasFinding(send.message_id(), Finding::KIND_LIST_WITHOUT); }))
      << sender->Output();
  EXPECT_EQ(Outcome(send.message_id())->state(), SendOutcome::STATE_UNCONFIRMED);
  EXPECT_EQ(CountOf(send, "body = 'hello'"), 1) << "it is needed until it is settled";
  sender->Signal(SIGKILL);
  sender->Wait();
  sender = StartSender(kSettings);
  ASSERT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  EXPECT_EQ(Outcome(send.message_id())->reason(), "CONFIRMED_BY_LIST");
  EXPECT_EQ(Outcome(send.message_id())->message_sid(), Ledger()[0].sid);
  EXPECT_EQ(Ledger().size(), 1U);
  EXPECT_EQ(CountOf(send, "body = ''"), 1);
}

TEST_F(EvidenceTest, EqualTextsToOnePersonAreToldApartByCount) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender(kSettings);
  const Send answered = MakeSend(from, kTo, "hi");
  Command(answered);
  ASSERT_TRUE(WaitForOutcome(answered.message_id(), SendOutcome::STATE_SENT));
  SetFaults({{"drop_before_rate", 1}});
  const Send first = Lose(from, kTo, "hi");
  SetFaults({{"accept_then_drop_rate", 1}});
  const Send second = Lose(from, kTo, "hi");
  const auto ledger = Ledger();
  ASSERT_EQ(ledger.size(), 2U);
  ASSERT_TRUE(WaitForOutcome(first.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  EXPECT_EQ(Outcome(first.message_id())->message_sid(), ledger[1].sid);
  EXPECT_EQ(Outcome(answered.message_id())->message_sid(), ledger[0].sid);
  // One was sent, so one stays open, however often it is looked for.
  const std::string looks = "looks >= 2 AND state = 'unconfirmed'";
  EXPECT_TRUE(Eventually([&] { return CountOf(second, looks) == 1; })) << sender->Output();
}

TEST_F(EvidenceTest, LaterMessagesOfTheSenderSpeakAgainstOneThatIsMissing) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender(kSettings);
  SetFaults({{"drop_before_rate", 1}});
  const Send lost = Lose(from, kTo, "lost");
  SetFaults(nlohmann::json::object());
  ASSERT_TRUE(Eventually([&] { return CountOf(lost, "deadline < now() - interval '16 s'") == 1; }));
  EXPECT_FALSE(HasFinding(lost.message_id(), Finding::KIND_LIST_SHOWS_LATER));
  const Send later = MakeSend(from, "+15550100002", "later");
  Command(later);
  ASSERT_TRUE(WaitForOutcome(later.message_id(), SendOutcome::STATE_SENT));
  EXPECT_TRUE(Eventually([&] {
    return HasFinding(lost.message_id(), Finding::KIND_LIST_SHOWS_LATER);
  })) << sender->Output();
  EXPECT_EQ(Outcome(lost.message_id())->state(), SendOutcome::STATE_UNCONFIRMED);
}

TEST_F(EvidenceTest, AListThatCannotBeReadProvesNothingAndIsAskedAgain) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender(kSettings);
  SetFaults({{"accept_then_drop_rate", 1}});
  const Send send = Lose(from, kTo, "hello");
  SetFaults({{"status_5xx_rate", 1}, {"all_requests", true}});
  ASSERT_TRUE(Eventually([&] {
    return HasFinding(send.message_id(), Finding::KIND_LIST_UNREADABLE);
  })) << sender->Output();
  SetFaults(nlohmann::json::object());
  EXPECT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
}

TEST_F(EvidenceTest, WhatIsNotLookedForAnyMoreLosesItsText) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender(kSettings);
  SetFaults({{"drop_before_rate", 1}});
  const Send send = Lose(from, kTo, "hello");
  Execute(
      "UPDATE deliveries SET not_after = now() - interval '2 hours', "
      "deadline = now() - interval '2 hours' WHERE message_id = '" +
      send.message_id() + "'");
  EXPECT_TRUE(Eventually([&] {
    const SendOutcome* outcome = Outcome(send.message_id());
    return outcome->findings_size() == 1 && outcome->look_again_at_us() == 0;
  })) << sender->Output();
  EXPECT_EQ(CountOf(send, "body = '' AND state = 'unconfirmed'"), 1);
}

TEST_F(EvidenceTest, ACallbackWaitsForARowThatIsBeingSettled) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender(kSettings);
  SetFaults({{"drop_before_rate", 1}});
  const Send send = Lose(from, kTo, "hello");
  events::v1::DeliveryStatusRecord report;
  report.set_account_sid(account_sid_);
  report.set_message_sid("SM" + std::string(32, '5'));
  report.set_status("delivered");
  report.set_message_id(send.message_id());
  report.set_attempt(1);
  // As if its outcome were being stored. Nothing else touches the row meanwhile.
  ASSERT_TRUE(Eventually([&] { return CountOf(send, "published_version = version") == 1; }));
  const std::string row = " WHERE message_id = '" + send.message_id() + "'";
  Execute("UPDATE deliveries SET state = 'sending', deadline = now() + interval '1 h'" + row);
  HoldWhile("UPDATE deliveries SET state = 'unconfirmed'" + row, [&] {
    Publish(kafka::kDeliveryStatusTopic, report.message_sid(), report.SerializeAsString());
    // The consumer waits for the lock; one that skips the row would be done.
    EXPECT_TRUE(Eventually([&] {
      return Count(
                 "SELECT count(*) FROM pg_stat_activity WHERE "
                 "application_name = 'sender' AND wait_event_type = 'Lock'") > 0;
    })) << sender->Output();
  });
  EXPECT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  EXPECT_EQ(Outcome(send.message_id())->reason(), "CONFIRMED_BY_CALLBACK");
}

}  // namespace
}  // namespace parley::sender
