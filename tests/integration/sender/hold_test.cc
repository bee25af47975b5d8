// Sends that are held after a restore, or by hand: nothing leaves until every suppression was told
// again.
#include <signal.h>

#include "adapters/postgres_hold.h"
#include "adapters/postgres_store.h"
#include "libs/base/clock.h"
#include "tests/integration/sender/fixture.h"

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr char kTo[] = "+15550100001";
constexpr char kOther[] = "+15550100002";

class HoldTest : public SenderTest {
 protected:
  ~HoldTest() override { Execute("UPDATE installation SET held_by = NULL, forced = true"); }

  static std::int64_t NowUs() { return ToMicros(SystemClock().Now()); }
  bool IsHeld() { return Count("SELECT count(*) FROM installation WHERE held_by IS NOT NULL") > 0; }
  // As if another server stood there from now on.
  void Restore() { Execute("UPDATE installation SET timeline_id = timeline_id + 1"); }

  // A request of the sender for suppressions, made for a hold that began at `from_us` or later.
  bool WaitForRequest(std::int64_t from_us) {
    return Eventually([&] {
      const auto records = requests_->Poll(1'000, 20ms);
      if (records.ok()) {
        for (const kafka::Record& record : *records) {
          events::v1::SendResult result;
          if (!result.ParseFromString(record.value)) continue;
          requested_us_ = std::max(requested_us_, result.consent_request().at_us());
        }
      }
      return requested_us_ >= from_us;
    });
  }

  // One record of a run of the gateway: an opt-out.
  void Republish(std::int64_t run, const std::string& customer) {
    events::v1::ConsentRecord consent;
    consent.set_customer_number(customer);
    consent.set_organization_id(organization_id_);
    consent.set_given_at_us(run - 3'600'000'000);
    consent.set_keyword(events::v1::KEYWORD_STOP);
    consent.set_republication_us(run);
    Publish(kafka::kConsentTopic, customer, consent.SerializeAsString());
    ASSERT_TRUE(Eventually([&] {
      return Count("SELECT count(*) FROM consents WHERE organization_id = '" + organization_id_ +
                   "' AND customer_number = '" + customer + "'") == 1;
    }));
  }
  void EndRun(std::int64_t run, std::int64_t records) {
    events::v1::ConsentRecord end;
    end.set_republication_us(run);
    end.set_republication_complete(true);
    end.set_republication_records(records);
    Publish(kafka::kConsentTopic, "", end.SerializeAsString());
  }

  Send Queue(const std::string& from, const std::string& to) {
    const Send send = MakeSend(from, to, "to " + to);
    Command(send);
    EXPECT_TRUE(Eventually([&] { return WasAccepted(send.message_id()); }));
    return send;
  }

  void Operate(std::vector<std::string> arguments, const std::string& answer) {
    Process command(SenderBinary(), std::move(arguments), {"PARLEY_DATABASE_URL=" + DatabaseUrl()});
    EXPECT_EQ(command.Wait(), 0) << command.Output();
    EXPECT_THAT(command.Output(), HasSubstr(answer));
  }

  std::unique_ptr<kafka::LogReader> requests_ =
      *kafka::LogReader::Create({Brokers(), "test", kafka::kSendResultsTopic});
  std::int64_t requested_us_ = 0;
};

TEST_F(HoldTest, ARestoreHoldsAllReplicasUntilEverySuppressionIsTold) {
  PublishAccount();
  const std::string from = AddNumber();
  auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const Send before = Queue(from, kOther);
  ASSERT_TRUE(WaitForOutcome(before.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  sender->Signal(SIGTERM);
  EXPECT_EQ(sender->Wait(), 0);

  const std::int64_t restored_us = NowUs();
  Restore();
  sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});  // It is ready, too.
  const auto another = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  EXPECT_TRUE(IsHeld());
  ASSERT_TRUE(WaitForRequest(restored_us)) << sender->Output();
  EXPECT_THAT(sender->Output(), HasSubstr("\"event\":\"held\""));
  const Send to_suppressed = Queue(from, kTo);
  const Send to_other = Queue(from, kOther);
  // One that began too early, and one that broke off.
  EndRun(requested_us_ - 1, 0);
  const std::int64_t run = NowUs();
  Republish(run, kTo);
  EXPECT_TRUE(IsHeld());
  Republish(run + 1, kTo);
  Republish(run + 1, "+15550100003");
  EXPECT_EQ(Count("SELECT count(*) FROM shards WHERE owner IS NOT NULL"), 0);
  EXPECT_EQ(Ledger().size(), 1U);
  EXPECT_TRUE(IsHeld());
  const std::int64_t ended_us = NowUs();
  EndRun(run + 1, 2);
  ASSERT_TRUE(WaitForOutcome(to_other.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  ASSERT_TRUE(WaitForOutcome(to_suppressed.message_id(), SendOutcome::STATE_FAILED));
  EXPECT_EQ(Outcome(to_suppressed.message_id())->reason(), "OPTED_OUT");
  const auto ledger = Ledger();
  ASSERT_EQ(ledger.size(), 2U);
  EXPECT_EQ(ledger[1].to, kOther);
  EXPECT_GE(ledger[1].at_us, ended_us);
  EXPECT_FALSE(IsHeld());
}

TEST_F(HoldTest, NothingIsJournalledInADatabaseThatNobodyLookedAt) {
  const postgres::PoolOptions options{
      .url = DatabaseUrl(), .role = "sender_worker", .schema = "sender"};
  postgres::Pool pool(options);
  PostgresHold hold(pool);
  ASSERT_TRUE(hold.Look().ok());
  Restore();
  postgres::Pool new_connections(options);
  PostgresStore store(new_connections);
  const auto refused = store.Journal({.replica = "r"});
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  const auto looked = hold.Look();
  ASSERT_TRUE(looked.ok()) << looked.status();
  EXPECT_EQ(looked->held_by, HeldBy::kRestore);
  EXPECT_TRUE(store.Journal({.replica = "r"}).ok()) << "the leases decide from here on";
  PostgresLeases leases(pool);
  const auto held = leases.Renew("r", 1s);
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_TRUE(held->owned.empty());
  // Another hold is not lifted by who answers the first.
  EXPECT_TRUE(hold.Lift(looked->number - 1, *looked->lifts_from_us).ok());
  EXPECT_TRUE(hold.Lift(looked->number, *looked->lifts_from_us - 1).ok());
  EXPECT_TRUE(IsHeld());
  EXPECT_TRUE(hold.Lift(looked->number, *looked->lifts_from_us).ok());
  EXPECT_FALSE(IsHeld());
  EXPECT_EQ(leases.Renew("r", 1s)->owned.size(), 256U);
  EXPECT_TRUE(leases.Release("r", ShardSet().set(), {}).ok());
  EXPECT_TRUE(leases.Leave("r").ok());
}

TEST_F(HoldTest, ADatabaseThatChangesUnderARunningReplicaHoldsIt) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  ASSERT_TRUE(WaitForOutcome(Queue(from, kOther).message_id(), SendOutcome::STATE_SENT));
  // Kafka has an opt-out that the database lost; the replica that read it once reads it again.
  const std::int64_t restored_us = NowUs();
  Republish(restored_us - 1, kTo);
  Execute("DELETE FROM consents WHERE organization_id = '" + organization_id_ + "'");
  Restore();
  ASSERT_TRUE(WaitForRequest(restored_us)) << sender->Output();
  const Send send = Queue(from, kTo);
  EXPECT_TRUE(IsHeld());
  EndRun(NowUs(), 0);
  ASSERT_TRUE(WaitForOutcome(send.message_id(), SendOutcome::STATE_FAILED)) << sender->Output();
  EXPECT_EQ(Outcome(send.message_id())->reason(), "OPTED_OUT");
  EXPECT_EQ(Ledger().size(), 1U);
}

TEST_F(HoldTest, ByHandItLastsUntilTheRelease) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  ASSERT_TRUE(WaitForOutcome(Queue(from, kOther).message_id(), SendOutcome::STATE_SENT));
  Operate({"hold", "--reason", "a test"}, "All sends are held");
  ASSERT_TRUE(Eventually([&] {
    return sender->Output().find("\"event\":\"held\"") != std::string::npos;
  })) << sender->Output();
  EXPECT_THAT(sender->Output(), HasSubstr("a test"));
  const Send held = Queue(from, kTo);
  EndRun(NowUs(), 0);
  EXPECT_TRUE(IsHeld()) << "it waits for the release";
  const std::int64_t released_us = NowUs();
  Operate({"release"}, "once the gateway has republished");
  ASSERT_TRUE(WaitForRequest(released_us)) << sender->Output();
  EXPECT_EQ(Ledger().size(), 1U);
  EndRun(NowUs(), 0);
  ASSERT_TRUE(WaitForOutcome(held.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
  EXPECT_GE(Ledger().back().at_us, released_us);

  Operate({"hold"}, "All sends are held");
  const Send again = Queue(from, kTo);
  EXPECT_TRUE(IsHeld());
  Operate({"release", "--now"}, "Sends are not held.");
  ASSERT_TRUE(WaitForOutcome(again.message_id(), SendOutcome::STATE_SENT)) << sender->Output();
}

}  // namespace
}  // namespace parley::sender
