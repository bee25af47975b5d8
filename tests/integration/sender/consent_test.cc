// How far an opt-out reaches, and what of parley.consent is read again.
#include "libs/base/clock.h"
#include "tests/integration/sender/fixture.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;

constexpr char kTo[] = "+15550100001";

class ConsentTest : public SenderTest {
 protected:
  // The customer's word to one of our numbers; later ones are newer. Waits until it is stored.
  void Say(events::v1::Keyword keyword, const std::string& number,
           const std::string& service = "") {
    events::v1::ConsentRecord consent;
    consent.set_customer_number(kTo);
    consent.set_business_number(number);
    consent.set_account_sid(account_sid_);
    consent.set_messaging_service_sid(service);
    consent.set_medium(events::v1::MEDIUM_SMS);
    consent.set_given_at_us(ToMicros(SystemClock().Now()));
    consent.set_keyword(keyword);
    Publish(kafka::kConsentTopic, kTo, consent.SerializeAsString());
    ASSERT_TRUE(Eventually([&] {
      return Count("SELECT count(*) FROM consents WHERE account_sid = '" + account_sid_ +
                   "' AND business_number = '" + number + "' AND stopped = " +
                   (keyword == events::v1::KEYWORD_STOP ? "true" : "false")) == 1;
    }));
  }

  // Whether a message from that number goes.
  bool Goes(const std::string& from, const std::string& service = "") {
    Send send = MakeSend(from, kTo, "hello");
    send.set_messaging_service_sid(service);
    Command(send);
    const SendOutcome* outcome = nullptr;
    EXPECT_TRUE(Eventually([&] {
      outcome = Outcome(send.message_id());
      return outcome != nullptr && (outcome->state() == SendOutcome::STATE_SENT ||
                                    outcome->state() == SendOutcome::STATE_FAILED);
    }));
    if (outcome == nullptr || outcome->state() == SendOutcome::STATE_SENT) return true;
    // With a service that the simulator does not know it fails there, so it went.
    return outcome->reason() != "OPTED_OUT";
  }
};

TEST_F(ConsentTest, ANumberMayKeepOptOutsToItself) {
  PublishAccount();
  const auto scope = events::v1::CONSENT_SCOPE_SENDER;
  const std::string a = AddNumber(0, scope);
  const std::string b = AddNumber(0, scope);
  const std::string wide = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  ASSERT_TRUE(Eventually([&] {
    return Count("SELECT count(*) FROM numbers WHERE account_sid = '" + account_sid_ + "'") == 3;
  }));
  Say(events::v1::KEYWORD_STOP, a);
  EXPECT_FALSE(Goes(a));
  EXPECT_TRUE(Goes(b)) << sender->Output();
  EXPECT_FALSE(Goes(wide)) << "the organization's scope counts every number";
  Say(events::v1::KEYWORD_START, b);
  EXPECT_FALSE(Goes(a)) << "START went to another number";
  EXPECT_TRUE(Goes(wide)) << "the newest word to any number";
  Say(events::v1::KEYWORD_START, a);
  EXPECT_TRUE(Goes(a));
}

TEST_F(ConsentTest, AnOptOutReachesTheMessagingServiceThatItWasGivenTo) {
  PublishAccount();
  const auto scope = events::v1::CONSENT_SCOPE_SENDER;
  const std::string a = AddNumber(0, scope);
  const std::string b = AddNumber(0, scope);
  const std::string service = "MG" + std::string(32, '7');
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  Say(events::v1::KEYWORD_STOP, a, service);
  EXPECT_FALSE(Goes(b, service)) << sender->Output();
  EXPECT_TRUE(Goes(b, "MG" + std::string(32, '8')));
  EXPECT_TRUE(Goes(b));
}

TEST_F(ConsentTest, TheEndOfARepublicationIsNoConsentAndNoFault) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto buried = *kafka::LogReader::Create(
      {Brokers(), "test", std::string(kafka::kConsentTopic) + kafka::kDeadLetterSuffix});
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  events::v1::ConsentRecord end;
  end.set_republication_us(ToMicros(SystemClock().Now()));
  end.set_republication_complete(true);
  Publish(kafka::kConsentTopic, organization_id_, end.SerializeAsString());
  // Something after it in the same partition that is refused.
  const std::string garbage = "no record " + organization_id_;
  Publish(kafka::kConsentTopic, organization_id_, garbage);
  bool found = false;
  EXPECT_TRUE(Eventually([&] {
    const auto records = buried->Poll(1'000, 50ms);
    if (!records.ok()) return false;
    for (const kafka::Record& record : *records) {
      EXPECT_NE(record.value, end.SerializeAsString());
      found |= record.value == garbage;
    }
    return found;
  })) << sender->Output();
}

TEST_F(ConsentTest, AStartReadsOnWhereTheReplicasWere) {
  PublishAccount();
  const std::string from = AddNumber();
  auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  Say(events::v1::KEYWORD_STOP, from);
  sender->Signal(SIGTERM);
  EXPECT_EQ(sender->Wait(), 0);
  // What is stored is not read again, so this row stays away; what came meanwhile is read.
  Execute("DELETE FROM consents WHERE account_sid = '" + account_sid_ + "'");
  events::v1::ConsentRecord other;
  other.set_customer_number("+15550100002");
  other.set_business_number(from);
  other.set_account_sid(account_sid_);
  other.set_given_at_us(ToMicros(SystemClock().Now()));
  other.set_keyword(events::v1::KEYWORD_STOP);
  Publish(kafka::kConsentTopic, kTo, other.SerializeAsString());
  sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const std::string mine =
      "SELECT count(*) FROM consents WHERE account_sid = '" + account_sid_ + "'";
  ASSERT_TRUE(Eventually([&] { return Count(mine) > 0; })) << sender->Output();
  EXPECT_TRUE(Goes(from));
  EXPECT_EQ(Count(mine), 1);
}

TEST_F(ConsentTest, AStartDuringTheRequestCountsAgainstTwiliosRefusal) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  // Twilio knows the customer as opted out, and answers slowly.
  Inbound(kTo, from, "STOP");
  SetFaults({{"latency_ms", 1'500}});
  const Send refused = MakeSend(from, kTo, "refused");
  Command(refused);
  ASSERT_TRUE(WaitForOutcome(refused.message_id(), SendOutcome::STATE_SENDING));
  Say(events::v1::KEYWORD_START, from);
  ASSERT_TRUE(WaitForOutcome(refused.message_id(), SendOutcome::STATE_FAILED)) << sender->Output();
  EXPECT_EQ(Outcome(refused.message_id())->error_code(), 21610);
  SetFaults(nlohmann::json::object());
  Inbound(kTo, from, "START");
  EXPECT_TRUE(Goes(from)) << sender->Output();
}

}  // namespace
}  // namespace parley::sender
