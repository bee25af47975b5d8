// What becomes of outgoing messages, over a real PostgreSQL: evidence, decisions, plans, and what
// leaves for the sender.
#include "fixture.h"
#include "libs/base/status.h"
#include "libs/kafka/consumer.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/send_result.pb.h"
#include "relay/consents.h"
#include "store/consent.h"
#include "store/decisions.h"
#include "store/inbox.h"

namespace parley::gateway {
namespace {

using events::v1::Finding;
using events::v1::SendOutcome;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DeliveryTest : public PipelineTest {
 protected:
  DeliveryTest() {
    MakeOrganization();
    projector_ = MakeProjector();
    dispatcher_ = MakeDispatcher();
  }

  store::NewMessage Outgoing(const std::string& body = "Good morning") {
    store::NewMessage message;
    message.organization_id = organization_id_;
    message.message_id = NewId();
    message.channel_id = channel_id_;
    message.customer_number = customer_;
    message.direction = v1::Message::DIRECTION_OUTBOUND;
    message.author = v1::Message::AUTHOR_AGENT;
    message.body = body;
    message.received_at = clock_.Now();
    return message;
  }
  std::string Send(const store::NewMessage& message) {
    store::AppendPolicy policy;
    policy.now = clock_.Now();
    const absl::Status stored = Worker().Transact([&](pqxx::work& tx) {
      return store::Append(tx, {&message, 1}, policy).status();
    });
    EXPECT_TRUE(stored.ok()) << stored;
    return message.message_id;
  }

  SendOutcome Outcome(const std::string& id, SendOutcome::State state, std::int64_t version,
                      int attempt, const std::string& sid = "", int generation = 0) {
    SendOutcome outcome;
    outcome.set_organization_id(organization_id_);
    outcome.set_message_id(id);
    outcome.set_generation(generation);
    outcome.set_version(version);
    outcome.set_state(state);
    outcome.set_attempt(attempt);
    outcome.set_account_sid(account_sid_);
    outcome.set_message_sid(sid);
    outcome.set_at_us(ToMicros(clock_.Now()));
    return outcome;
  }
  void Apply(const SendOutcome& outcome) {
    events::v1::SendResult result;
    *result.mutable_outcome() = outcome;
    const absl::Status applied =
        projector_->HandleSendResults({ToRecord(kafka::kSendResultsTopic, result)});
    EXPECT_TRUE(applied.ok()) << applied;
  }
  void Report(const std::string& id, int attempt, const std::string& status,
              const std::string& sid) {
    events::v1::DeliveryStatusRecord record;
    record.set_account_sid(account_sid_);
    record.set_message_sid(sid);
    record.set_status(status);
    record.set_received_at_us(ToMicros(clock_.Now()));
    record.set_message_id(id);
    record.set_attempt(attempt);
    record.set_business_number(number_);
    record.set_customer_number(customer_);
    const absl::Status applied =
        projector_->HandleDeliveryStatus({ToRecord(kafka::kDeliveryStatusTopic, record)});
    EXPECT_TRUE(applied.ok()) << applied;
  }

  // A message whose answer was lost, in its first attempt.
  std::string Unconfirmed(Finding::Kind kind = Finding::KIND_LIST_WITHOUT) {
    const std::string id = Send(Outgoing());
    Apply(Outcome(id, SendOutcome::STATE_SENDING, 1, 1));
    SendOutcome lost = Outcome(id, SendOutcome::STATE_UNCONFIRMED, 2, 1);
    lost.set_reason("UNCONFIRMED_NO_ANSWER");
    lost.set_message("Twilio's answer was lost; the message may have been sent.");
    Finding& finding = *lost.add_findings();
    finding.set_kind(kind);
    finding.set_at_us(ToMicros(clock_.Now()));
    finding.set_looks(3);
    Apply(lost);
    EXPECT_EQ(Of(id, "status"), "unconfirmed");
    clock_.Advance(seconds(1));
    return id;
  }
  absl::Status Decide(const std::string& id, store::Decision decision, bool failed_too = false) {
    absl::Status answer = Internal("no answer");
    const absl::Status done = Worker().Transact([&](pqxx::work& tx) -> absl::Status {
      PARLEY_ASSIGN_OR_RETURN(
          const auto answers,
          store::Decide(tx, organization_id_, {id}, decision, {.source = "api", .actor = "user:1"},
                        {.now = clock_.Now(), .failed_too = failed_too}));
      answer = answers.at(id);
      return absl::OkStatus();
    });
    EXPECT_TRUE(done.ok()) << done;
    clock_.Advance(seconds(1));
    return answer;
  }

  absl::StatusOr<bool> Cancel(const std::string& id) {
    absl::StatusOr<bool> canceled = Internal("not run");
    EXPECT_TRUE(Worker()
                    .Transact([&](pqxx::work& tx) {
                      canceled = store::Cancel(tx, organization_id_, id,
                                               {.source = "api", .actor = "user:1"}, clock_.Now());
                      return absl::OkStatus();
                    })
                    .ok());
    return canceled;
  }
  void Accept(const std::string& id, int generation = 0) {
    events::v1::SendResult result;
    events::v1::AcceptedBatch::Item& item = *result.mutable_accepted()->add_items();
    item.set_organization_id(organization_id_);
    item.set_message_id(id);
    item.set_generation(generation);
    EXPECT_EQ(projector_->HandleSendResults({ToRecord(kafka::kSendResultsTopic, result)}),
              absl::OkStatus());
  }
  // A message that is to leave in an hour.
  std::string Scheduled() {
    store::NewMessage later = Outgoing();
    later.send_at = clock_.Now() + hours(1);
    later.expires_at = later.send_at + hours(1);
    return Send(later);
  }

  std::string Of(const std::string& id, const std::string& columns) {
    return Value("SELECT " + columns + " FROM messages WHERE" + Own() + "AND id = '" + id + "'");
  }
  std::vector<std::string> History(const std::string& id) {
    return Query("SELECT status, source, reason FROM message_status_changes WHERE" + Own() +
                 "AND message_id = '" + id + "' ORDER BY id");
  }
  std::string LastLive() {
    return Value("SELECT data FROM live_outbox WHERE" + Own() + "ORDER BY id DESC LIMIT 1");
  }

  std::unique_ptr<projector::Projector> projector_;
  std::unique_ptr<dispatcher::Dispatcher> dispatcher_;
};

TEST_F(DeliveryTest, WhatWasFoundIsShownUntilItIsSettled) {
  const std::string id = Unconfirmed();
  EXPECT_THAT(LastLive(), HasSubstr("does not show it"));
  EXPECT_EQ(Of(id, "unconfirmed_at IS NOT NULL AND NOT refuted"), "t");
  SendOutcome more = Outcome(id, SendOutcome::STATE_UNCONFIRMED, 3, 1);
  more.add_findings()->set_kind(Finding::KIND_LIST_SHOWS_LATER);
  Apply(more);
  EXPECT_THAT(LastLive(), HasSubstr("VERDICT_PROBABLY_NOT_SENT"));
  EXPECT_EQ(Of(id, "refuted"), "t");
  Report(id, 1, "delivered", "SM-late");
  EXPECT_EQ(Of(id, "concat(status, unconfirmed_at IS NULL, findings, refuted, error_message)"),
            "deliveredtf");
  EXPECT_THAT(History(id),
              ElementsAre("sending|sender|", "unconfirmed|sender|UNCONFIRMED_NO_ANSWER",
                          "delivered|twilio|"));
}

TEST_F(DeliveryTest, EvidenceOverrulesAPerson) {
  for (const bool by_sender : {false, true}) {
    const std::string id = Unconfirmed();
    ASSERT_EQ(Decide(id, store::Decision::kMarkFailed), absl::OkStatus());
    EXPECT_EQ(Of(id, "status || ' ' || error_reason"), "failed MARKED_FAILED");
    // That nobody knows is no evidence.
    Apply(Outcome(id, SendOutcome::STATE_UNCONFIRMED, 3, 1));
    EXPECT_EQ(Of(id, "status || ' ' || error_reason"), "failed MARKED_FAILED");
    if (by_sender) {
      Apply(Outcome(id, SendOutcome::STATE_SENT, 4, 1, "SM-found" + id));
    } else {
      Report(id, 1, "sent", "SM-found" + id);
    }
    EXPECT_EQ(Of(id, "status || error_reason || error_message"), "sent") << by_sender;
    EXPECT_EQ(Decide(id, store::Decision::kMarkFailed).code(),
              absl::StatusCode::kFailedPrecondition);
  }
}

TEST_F(DeliveryTest, SendAgainIsANewGenerationOnce) {
  const std::string id = Unconfirmed();
  ASSERT_EQ(Decide(id, store::Decision::kSendAgain), absl::OkStatus());
  EXPECT_EQ(ErrorReason(Decide(id, store::Decision::kSendAgain)), "NOT_UNCONFIRMED");
  ASSERT_THAT(Sends(), SizeIs(2));
  EXPECT_EQ(Sends()[1].send().generation(), 1);
  EXPECT_EQ(Sends()[1].send().body(), "Good morning");
  EXPECT_EQ(Of(id, "concat(status, generation, emit_again_at IS NOT NULL, unconfirmed_at IS NULL)"),
            "queued1tt");
  Apply(Outcome(id, SendOutcome::STATE_SENDING, 1, 2, "", 1));
  Apply(Outcome(id, SendOutcome::STATE_SENT, 2, 2, "SM-second", 1));
  EXPECT_EQ(Of(id, "status || message_sid || copies"), "sentSM-second1");
}

TEST_F(DeliveryTest, WhatTurnsOutToHaveArrivedIsRecalledInTime) {
  const std::string id = Unconfirmed();
  ASSERT_EQ(Decide(id, store::Decision::kSendAgain), absl::OkStatus());
  Report(id, 1, "sent", "SM-first");
  EXPECT_EQ(Of(id, "status || ' ' || earlier_status || ' ' || attempt_status"), "sent sent queued");
  ASSERT_THAT(Sends(), SizeIs(3));
  EXPECT_TRUE(Sends()[2].has_cancel());
  EXPECT_EQ(Sends()[2].cancel().generation(), 1);
  Apply(Outcome(id, SendOutcome::STATE_CANCELED, 1, 1, "", 1));
  EXPECT_EQ(Of(id, "status"), "sent");
  Report(id, 1, "delivered", "SM-first");
  EXPECT_EQ(Of(id, "status || copies"), "delivered1");
}

TEST_F(DeliveryTest, TwoThatArrivedAreShownAsTwo) {
  const std::string id = Unconfirmed();
  ASSERT_EQ(Decide(id, store::Decision::kSendAgain), absl::OkStatus());
  Apply(Outcome(id, SendOutcome::STATE_SENDING, 1, 2, "", 1));
  // The sender found the first one, which it knows by its old generation.
  Apply(Outcome(id, SendOutcome::STATE_SENT, 3, 1, "SM-first"));
  EXPECT_EQ(Of(id, "status || copies"), "sent1");
  Apply(Outcome(id, SendOutcome::STATE_SENT, 2, 2, "SM-second", 1));
  Report(id, 2, "undelivered", "SM-second");
  EXPECT_EQ(Of(id, "status || copies"), "sent1") << "one of two arrived";
  Report(id, 1, "delivered", "SM-first");
  EXPECT_EQ(Of(id, "status || copies"), "delivered1");

  const std::string twice = Unconfirmed();
  ASSERT_EQ(Decide(twice, store::Decision::kSendAgain), absl::OkStatus());
  Apply(Outcome(twice, SendOutcome::STATE_SENT, 2, 2, "SM-b", 1));
  Report(twice, 2, "delivered", "SM-b");
  Report(twice, 1, "delivered", "SM-a");
  EXPECT_EQ(Of(twice, "status || copies"), "delivered2");
  EXPECT_THAT(LastLive(), HasSubstr("\"copies\":2"));
}

TEST_F(DeliveryTest, AnEarlierOneThatFailedLaterDoesNotCount) {
  const std::string id = Unconfirmed();
  ASSERT_EQ(Decide(id, store::Decision::kSendAgain), absl::OkStatus());
  Apply(Outcome(id, SendOutcome::STATE_SENDING, 1, 2, "", 1));
  Report(id, 1, "sent", "SM-first");
  EXPECT_EQ(Of(id, "status"), "sent");
  Report(id, 1, "undelivered", "SM-first");
  Report(id, 1, "sent", "SM-first");  // Late.
  EXPECT_EQ(Of(id, "status"), "sending");
  Apply(Outcome(id, SendOutcome::STATE_SENT, 2, 2, "SM-second", 1));
  EXPECT_EQ(Of(id, "status || copies"), "sent1");
}

TEST_F(DeliveryTest, WhoOptedOutIsNotSentAgain) {
  const std::string id = Unconfirmed();
  Execute(
      "INSERT INTO suppressions (organization_id, customer_number, opted_out, given_at, source) "
      "VALUES ('" +
      organization_id_ + "', '" + customer_ + "', true, now(), 'keyword')");
  EXPECT_EQ(ErrorReason(Decide(id, store::Decision::kSendAgain)), "OPTED_OUT");
  EXPECT_EQ(Of(id, "status"), "unconfirmed");
  EXPECT_EQ(Decide(id, store::Decision::kMarkFailed), absl::OkStatus());
}

TEST_F(DeliveryTest, ThePolicySendsAgainOnlyWhatEvidenceSpeaksAgainst) {
  const std::string open = Unconfirmed();
  const std::string refuted = Unconfirmed(Finding::KIND_LIST_SHOWS_LATER);
  clock_.Advance(minutes(31));
  EXPECT_EQ(dispatcher_->ApplyPolicies().value(), 0) << "the default is to ask";
  Execute(
      "UPDATE organizations SET unconfirmed_policy = 'resend', unconfirmed_after_minutes = 40 "
      "WHERE id = '" +
      organization_id_ + "'");
  EXPECT_EQ(dispatcher_->ApplyPolicies().value(), 0) << "its time has not come";
  clock_.Advance(minutes(10));
  EXPECT_EQ(dispatcher_->ApplyPolicies().value(), 1);
  EXPECT_EQ(Of(open, "status"), "unconfirmed");
  EXPECT_EQ(Of(refuted, "status || generation"), "queued1");
  EXPECT_THAT(History(refuted).back(), HasSubstr("queued|policy|SENT_AGAIN"));
  // Not for ever: a person decides in the end.
  for (int generation = 1; generation <= 2; ++generation) {
    SendOutcome lost =
        Outcome(refuted, SendOutcome::STATE_UNCONFIRMED, 2, generation + 1, "", generation);
    lost.add_findings()->set_kind(Finding::KIND_LIST_SHOWS_LATER);
    Apply(lost);
    clock_.Advance(minutes(41));
    EXPECT_EQ(dispatcher_->ApplyPolicies().value(), generation == 1 ? 1 : 0);
  }
  EXPECT_EQ(Of(refuted, "status"), "unconfirmed");
}

TEST_F(DeliveryTest, AScheduledMessageLeavesAtItsTime) {
  store::NewMessage later = Outgoing();
  later.send_at = clock_.Now() + hours(30);
  later.expires_at = later.send_at + hours(1);
  const std::string id = Send(later);
  EXPECT_EQ(Of(id, "status"), "scheduled");
  EXPECT_THAT(Sends(), IsEmpty());
  clock_.Advance(hours(30) - seconds(1));
  EXPECT_EQ(dispatcher_->EmitPlanned().value(), 0);
  clock_.Advance(seconds(1));
  EXPECT_EQ(dispatcher_->EmitPlanned().value(), 1);
  ASSERT_THAT(Sends(), SizeIs(1));
  EXPECT_EQ(Sends()[0].send().not_before_us(), ToMicros(later.send_at));
  EXPECT_EQ(Sends()[0].send().not_after_us(), ToMicros(later.expires_at));
  EXPECT_EQ(Of(id, "concat(status, plan_at IS NULL)"), "queuedt");
}

TEST_F(DeliveryTest, AScheduledMessageOfWhoOptedOutDoesNotLeave) {
  const std::string id = Scheduled();
  const absl::Status stopped = Worker().Transact([&](pqxx::work& tx) {
    return store::SetConsent(tx, {.organization_id = organization_id_,
                                  .customer_number = customer_,
                                  .business_number = number_,
                                  .opted_out = true,
                                  .given_at = clock_.Now(),
                                  .source = "keyword"})
        .status();
  });
  ASSERT_EQ(stopped, absl::OkStatus());
  clock_.Advance(hours(1));
  EXPECT_EQ(dispatcher_->EmitPlanned().value(), 1);
  EXPECT_THAT(Sends(), IsEmpty());
  EXPECT_EQ(Of(id, "concat(status, ' ', error_reason, plan_at IS NULL)"), "failed OPTED_OUTt");
  EXPECT_THAT(LastLive(), HasSubstr("opted out"));
}

TEST_F(DeliveryTest, AScheduledMessageOfADeletedChannelDoesNotLeave) {
  const std::string id = Scheduled();
  Execute("UPDATE channels SET deleted_at = now() WHERE" + Own());
  clock_.Advance(hours(1));
  EXPECT_EQ(dispatcher_->EmitPlanned().value(), 1);
  EXPECT_THAT(Sends(), IsEmpty());
  EXPECT_EQ(Of(id, "status || ' ' || error_reason"), "failed CHANNEL_DELETED");
}

TEST_F(DeliveryTest, WhatCannotBeWrittenToIsNotSentAgain) {
  store::NewMessage message = Outgoing();
  message.customer_number = "12345";
  const std::string id = Send(message);
  EXPECT_EQ(Of(id, "status || ' ' || error_reason"), "failed RECIPIENT_NOT_SENDABLE");
  EXPECT_EQ(ErrorReason(Decide(id, store::Decision::kSendAgain, /*failed_too=*/true)),
            "RECIPIENT_NOT_SENDABLE");
  EXPECT_THAT(Sends(), IsEmpty());
}

TEST_F(DeliveryTest, ACancelOutlivesTheCommandThatItCameTooLateFor) {
  const auto expires_late = [&] {
    store::NewMessage patient = Outgoing();
    patient.expires_at = clock_.Now() + hours(60);
    return Send(patient);
  };
  const std::string id = expires_late();
  EXPECT_FALSE(Cancel(id).value());
  clock_.Advance(hours(24));
  Apply(Outcome(id, SendOutcome::STATE_EXPIRED, 1, 0));
  EXPECT_EQ(Of(id, "concat(status, ' ', error_reason, error_message, generation)"), "canceled 0");
  EXPECT_EQ(dispatcher_->EmitPlanned().value(), 0);
  EXPECT_THAT(History(id).back(), HasSubstr("canceled|policy"));

  // It was planned again already, before the cancel was known.
  const std::string planned = Scheduled();
  Execute("UPDATE messages SET cancel_asked_at = now() WHERE id = '" + planned + "'");
  clock_.Advance(hours(1));
  EXPECT_EQ(dispatcher_->EmitPlanned().value(), 1);
  EXPECT_EQ(Of(planned, "status"), "canceled");

  // Who sends it again wants it sent.
  const std::string wanted = expires_late();
  EXPECT_FALSE(Cancel(wanted).value());
  Apply(Outcome(wanted, SendOutcome::STATE_UNCONFIRMED, 1, 1));
  ASSERT_EQ(Decide(wanted, store::Decision::kSendAgain), absl::OkStatus());
  clock_.Advance(hours(24));
  Apply(Outcome(wanted, SendOutcome::STATE_EXPIRED, 1, 2, "", 1));
  EXPECT_EQ(Of(wanted, "status"), "scheduled");
}

TEST_F(DeliveryTest, ThePolicyDoesNotRepeatWhatSomebodyWantedCanceled) {
  Execute("UPDATE organizations SET unconfirmed_policy = 'resend' WHERE id = '" + organization_id_ +
          "'");
  const std::string id = Send(Outgoing());
  EXPECT_FALSE(Cancel(id).value());
  SendOutcome lost = Outcome(id, SendOutcome::STATE_UNCONFIRMED, 1, 1);
  lost.add_findings()->set_kind(Finding::KIND_LIST_SHOWS_LATER);
  Apply(lost);
  clock_.Advance(minutes(31));
  EXPECT_EQ(dispatcher_->ApplyPolicies().value(), 0);
  EXPECT_EQ(Of(id, "status"), "unconfirmed");
}

TEST_F(DeliveryTest, WhatTheSenderAcceptedAndLostIsUnconfirmedInTheEnd) {
  const std::string waiting = Send(Outgoing());
  const std::string begun = Send(Outgoing());
  const std::string sent = Send(Outgoing());
  for (const std::string& id : {waiting, begun, sent}) Accept(id);
  Apply(Outcome(begun, SendOutcome::STATE_SENDING, 1, 1));
  Apply(Outcome(sent, SendOutcome::STATE_SENT, 1, 1, "SM-sent"));
  EXPECT_EQ(Of(sent, "emit_again_at IS NULL"), "t");
  clock_.Advance(seconds(31));
  EXPECT_EQ(dispatcher_->PutOffAccepted().value(), 2);
  EXPECT_EQ(dispatcher_->PutOffAccepted().value(), 0);
  clock_.Advance(hours(24));
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 0) << "the sender may still say something";
  clock_.Advance(hours(2));
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 2);
  EXPECT_THAT(Sends(), SizeIs(3)) << "nothing was emitted again";
  for (const std::string& id : {waiting, begun}) {
    EXPECT_EQ(Of(id, "concat(status, ' ', error_reason, unconfirmed_at IS NOT NULL)"),
              "unconfirmed NO_OUTCOMEt");
    EXPECT_THAT(History(id).back(), HasSubstr("unconfirmed|policy|NO_OUTCOME"));
  }
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 0);
  // What is sent again waits to be accepted anew.
  ASSERT_EQ(Decide(waiting, store::Decision::kSendAgain), absl::OkStatus());
  clock_.Advance(seconds(31));
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 1);
  Accept(waiting, 1);
  Apply(Outcome(begun, SendOutcome::STATE_SENT, 2, 1, "SM-late"));
  EXPECT_EQ(Of(begun, "status"), "sent") << "evidence counts whenever it comes";
}

TEST_F(DeliveryTest, WhatExpiredIsPlannedAgainWhileTheMessageLasts) {
  store::NewMessage patient = Outgoing();
  patient.expires_at = clock_.Now() + hours(30);
  const std::string id = Send(patient);
  clock_.Advance(hours(24));
  Apply(Outcome(id, SendOutcome::STATE_EXPIRED, 1, 0));
  EXPECT_EQ(Of(id, "status || generation"), "scheduled1");
  EXPECT_EQ(dispatcher_->EmitPlanned().value(), 1);
  ASSERT_THAT(Sends(), SizeIs(2));
  EXPECT_EQ(Sends()[1].send().generation(), 1);
  EXPECT_EQ(Sends()[1].send().not_after_us(), ToMicros(patient.expires_at));
  clock_.Advance(hours(6));
  Apply(Outcome(id, SendOutcome::STATE_EXPIRED, 1, 0, "", 1));
  EXPECT_EQ(Of(id, "status || ' ' || error_reason"), "failed EXPIRED");
}

TEST_F(DeliveryTest, ACancelIsAtOnceOrTheSenders) {
  const auto cancel = [&](const std::string& id) { return Cancel(id); };
  store::NewMessage later = Outgoing();
  later.send_at = clock_.Now() + hours(1);
  const std::string planned = Send(later);
  EXPECT_TRUE(cancel(planned).value());
  EXPECT_EQ(Of(planned, "concat(status, plan_at IS NULL)"), "canceledt");
  clock_.Advance(hours(2));
  EXPECT_EQ(dispatcher_->EmitPlanned().value(), 0);
  EXPECT_THAT(Sends(), IsEmpty());

  const std::string queued = Send(Outgoing());
  EXPECT_FALSE(cancel(queued).value());
  ASSERT_THAT(Sends(), SizeIs(2));
  EXPECT_EQ(Sends()[1].cancel().message_id(), queued);
  EXPECT_EQ(Of(queued, "status"), "queued") << "the sender's result decides";
  Apply(Outcome(queued, SendOutcome::STATE_CANCELED, 1, 0));
  EXPECT_EQ(Of(queued, "status"), "canceled");

  EXPECT_EQ(ErrorReason(cancel(Unconfirmed()).status()), "UNCONFIRMED");
  const std::string sent = Send(Outgoing());
  Apply(Outcome(sent, SendOutcome::STATE_SENT, 1, 1, "SM-sent"));
  EXPECT_EQ(ErrorReason(cancel(sent).status()), "TOO_LATE_TO_CANCEL");
}

TEST_F(DeliveryTest, ADeadSenderIsNotFlooded) {
  const std::string id = Send(Outgoing());
  for (int second = 0; second < 3600; second += 10) {
    clock_.Advance(seconds(10));
    ASSERT_TRUE(dispatcher_->EmitSendsAgain().ok());
  }
  EXPECT_GE(Sends().size(), 4u);
  EXPECT_LE(Sends().size(), 9u);
}

TEST_F(DeliveryTest, NothingIsEmittedAgainWhileKafkaTakesNothing) {
  Send(Outgoing());
  Execute("UPDATE outbox SET created_at = now() - interval '2 hours' WHERE" + Own());
  for (int i = 0; i < 60; ++i) {
    clock_.Advance(minutes(1));
    ASSERT_EQ(dispatcher_->EmitSendsAgain().value(), 0);
  }
  EXPECT_THAT(Sends(), SizeIs(1));
  // Kafka is back; the sender gets its time to accept.
  Execute("UPDATE outbox SET created_at = now() WHERE" + Own());
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 0);
  clock_.Advance(seconds(31));
  EXPECT_GE(dispatcher_->EmitSendsAgain().value(), 1);
  EXPECT_THAT(Sends(), SizeIs(2));
}

TEST_F(DeliveryTest, AllSuppressionsAreRepublishedWithAMarkWhenASenderAsks) {
  MakeTopics();
  // Kafka may hold an earlier run of this test, which is another run of the relay too.
  clock_.Advance(std::chrono::microseconds(ToMicros(SystemClock().Now()) % 1'000'000'000));
  Execute(
      "INSERT INTO suppressions (organization_id, customer_number, business_number, opted_out, "
      "given_at, source) SELECT '" +
      organization_id_ +
      "', '+1500555' || lpad(n::text, 4, '0'), "
      "'" +
      number_ + "', true, now(), 'keyword' FROM generate_series(1, 25) n");
  Execute("UPDATE consent_republication SET requested_at = NULL, started_at = '" +
          FormatTime(clock_.Now()) + "', finished_at = '" + FormatTime(clock_.Now()) + "'");
  const auto due = [&] {
    auto connection = postgres::Connect(PoolOf("gateway_worker"));
    EXPECT_TRUE(connection.ok());
    return relay::ConsentsDue(**connection, hours(24), clock_.Now()).value();
  };
  EXPECT_FALSE(due());
  clock_.Advance(seconds(5));
  events::v1::SendResult asked;
  asked.mutable_consent_request()->set_at_us(ToMicros(clock_.Now()));
  clock_.Advance(seconds(1));
  ASSERT_EQ(projector_->HandleSendResults({ToRecord(kafka::kSendResultsTopic, asked)}),
            absl::OkStatus());
  EXPECT_TRUE(due());

  auto connection = postgres::Connect(PoolOf("gateway_worker"));
  ASSERT_TRUE(connection.ok()) << connection.status();
  const std::int64_t run = ToMicros(clock_.Now());
  const auto records = relay::RepublishConsents(**connection, TestProducer(), /*batch_max=*/10,
                                                clock_, std::stop_token());
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_GE(*records, 25);
  EXPECT_FALSE(due());

  kafka::ConsumerOptions options;
  options.brokers = KafkaBrokers();
  options.group = "test." + NewId();
  options.topics = {kafka::kConsentTopic};
  auto consumer = kafka::Consumer::Create(options);
  ASSERT_TRUE(consumer.ok()) << consumer.status();
  std::int64_t seen = 0, told = -1, own = 0;
  const auto until = std::chrono::steady_clock::now() + seconds(60);
  while ((told < 0 || seen < told) && std::chrono::steady_clock::now() < until) {
    const auto batch = (*consumer)->Poll(100, std::chrono::milliseconds(500));
    ASSERT_TRUE(batch.ok()) << batch.status();
    std::vector<kafka::Record> mine;
    for (const kafka::Record& record : *batch) {
      events::v1::ConsentRecord consent;
      ASSERT_TRUE(consent.ParseFromString(record.value));
      if (consent.republication_us() != run) continue;
      mine.push_back(record);
      if (consent.republication_complete()) {
        told = consent.republication_records();
        continue;
      }
      ++seen;
      if (consent.organization_id() != organization_id_) continue;
      ++own;
      EXPECT_EQ(consent.keyword(), events::v1::KEYWORD_STOP);
      EXPECT_EQ(consent.account_sid(), account_sid_);
      EXPECT_EQ(consent.business_number(), number_);
    }
    // The projector passes over what comes out of its own table.
    EXPECT_EQ(projector_->HandleConsent(mine), absl::OkStatus());
  }
  EXPECT_EQ(told, *records);
  EXPECT_EQ(seen, told);
  EXPECT_EQ(own, 25);
}

}  // namespace
}  // namespace parley::gateway
