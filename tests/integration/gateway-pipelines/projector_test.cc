// The projector and the dispatcher over a real PostgreSQL: what comes out of Kafka and what the
// store then holds.
#include "projector/projector.h"

#include <map>
#include <set>
#include <thread>

#include "fixture.h"
#include "libs/base/status.h"
#include "libs/kafka/consumer.h"
#include "libs/postgres/array.h"
#include "libs/telemetry/metrics.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/send_result.pb.h"
#include "store/inbox.h"
#include "store/live_json.h"
#include "store/resources.h"

namespace parley::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ProjectorTest : public PipelineTest {
 protected:
  absl::Status Take(const std::vector<events::v1::InboundRecord>& records) {
    std::vector<kafka::Record> batch;
    for (const auto& record : records) batch.push_back(InRecord(record));
    return projector_->HandleInbound(batch);
  }

  // A text came in and its turn is open; its id.
  std::string OpenTurn() {
    EXPECT_TRUE(Take({Text("Are you open today?")}).ok());
    clock_.Advance(seconds(2));
    const auto dispatched = dispatcher_->EmitDueTurns();
    EXPECT_TRUE(dispatched.ok()) << dispatched.status();
    return Conversation("open_turn_id");
  }

  store::NewMessage AgentText(const std::string& body) {
    store::NewMessage message;
    message.organization_id = organization_id_;
    message.message_id = NewId();
    message.conversation_id = Conversation("id");
    message.direction = v1::Message::DIRECTION_OUTBOUND;
    message.author = v1::Message::AUTHOR_AGENT;
    message.body = body;
    message.received_at = clock_.Now();
    return message;
  }

  absl::StatusOr<store::AppendResult> Append(postgres::Pool& pool,
                                             const store::NewMessage& message) {
    store::AppendPolicy policy;
    policy.now = clock_.Now();
    return pool.Read<store::AppendResult>(
        [&](pqxx::work& tx) -> absl::StatusOr<store::AppendResult> {
          tx.exec_params("SELECT set_config('parley.organization_id', $1, true)", organization_id_);
          PARLEY_ASSIGN_OR_RETURN(const auto results, store::Append(tx, {&message, 1}, policy));
          return results.front();
        });
  }

  // An agent's message, queued; its id.
  std::string QueuedMessage() {
    EXPECT_TRUE(Take({Text("Hello")}).ok());
    const auto result = Append(Worker(), AgentText("Good morning"));
    EXPECT_TRUE(result.ok()) << result.status();
    return result->message_id;
  }

  events::v1::SendResult Outcome(const std::string& message_id,
                                 events::v1::SendOutcome::State state, std::int64_t version,
                                 int attempt, const std::string& sid = "") {
    events::v1::SendResult result;
    events::v1::SendOutcome& outcome = *result.mutable_outcome();
    outcome.set_organization_id(organization_id_);
    outcome.set_message_id(message_id);
    outcome.set_version(version);
    outcome.set_state(state);
    outcome.set_attempt(attempt);
    outcome.set_account_sid(account_sid_);
    outcome.set_message_sid(sid);
    outcome.set_at_us(ToMicros(clock_.Now()));
    return result;
  }

  absl::Status Report(const std::string& status, const std::string& sid, int error_code = 0,
                      const std::string& message_id = "", const std::string& account_sid = "") {
    events::v1::DeliveryStatusRecord record;
    record.set_account_sid(account_sid.empty() ? account_sid_ : account_sid);
    record.set_message_sid(sid);
    record.set_status(status);
    record.set_error_code(error_code);
    record.set_received_at_us(ToMicros(clock_.Now()));
    record.set_message_id(message_id);
    record.set_attempt(message_id.empty() ? 0 : 1);
    record.set_business_number(number_);
    record.set_customer_number(customer_);
    return projector_->HandleDeliveryStatus({ToRecord(kafka::kDeliveryStatusTopic, record)});
  }

  absl::Status Apply(const events::v1::SendResult& result) {
    return projector_->HandleSendResults({ToRecord(kafka::kSendResultsTopic, result)});
  }

  events::v1::InboundRecord Call(const std::string& sid, const std::string& status,
                                 int seconds_long = 0) {
    events::v1::InboundRecord record = Text("");
    record.clear_message();
    record.set_medium(events::v1::MEDIUM_VOICE);
    record.mutable_call()->set_call_sid(sid);
    record.mutable_call()->set_status(status);
    record.mutable_call()->set_duration_seconds(seconds_long);
    return record;
  }

  // As its status comes: without numbers.
  events::v1::InboundRecord Recording(const std::string& call_sid, const std::string& sid,
                                      const std::string& url) {
    events::v1::InboundRecord record;
    record.set_account_sid(account_sid_);
    record.set_medium(events::v1::MEDIUM_VOICE);
    record.set_received_at_us(ToMicros(clock_.Now()));
    record.mutable_recording()->set_call_sid(call_sid);
    record.mutable_recording()->set_recording_sid(sid);
    record.mutable_recording()->set_url(url);
    return record;
  }

  template <class Condition>
  static bool Eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(50));
    }
    return true;
  }

  // Names of the events that wait to be numbered.
  std::vector<std::string> LiveNames() {
    std::vector<std::string> names;
    for (const std::string& lines :
         Query("SELECT data FROM live_outbox WHERE" + Own() + "ORDER BY id")) {
      for (const auto& line : store::SplitLiveLines(lines)) names.emplace_back(line.name);
    }
    return names;
  }

  std::string Message(const std::string& column, const std::string& id) {
    return Value("SELECT " + column + " FROM messages WHERE" + Own() + "AND id = '" + id + "'");
  }

  std::unique_ptr<projector::Projector> projector_ = MakeProjector();
  std::unique_ptr<dispatcher::Dispatcher> dispatcher_ = MakeDispatcher();
};

// ---- Inbound ----

TEST_F(ProjectorTest, StoresATextWithItsConversationAndContact) {
  events::v1::InboundRecord record = Text("Hi \"there\" \\ {}, grüß dich");
  record.mutable_message()->set_profile_name("Ada");
  ASSERT_EQ(Take({record}), absl::OkStatus());
  EXPECT_THAT(Query("SELECT seq, direction, author, kind, medium, body, status, from_number, "
                    "to_number, account_sid, message_sid FROM messages WHERE" +
                    Own()),
              ElementsAre("1|inbound|customer|text|sms|Hi \"there\" \\ {}, grüß dich|received|" +
                          customer_ + "|" + number_ + "|" + account_sid_ + "|SM-1"));
  EXPECT_EQ(Conversation("message_count || '/' || unread_count || '/' || last_seq"), "1/1/1");
  EXPECT_THAT(Query("SELECT display_name, phone_number FROM contacts WHERE" + Own()),
              ElementsAre("Ada|" + customer_));
  EXPECT_THAT(LiveNames(), ElementsAre("message", "conversation"));
}

TEST_F(ProjectorTest, FourCopiesAtTheSameInstantAreOneMessage) {
  constexpr int kTexts = 60;
  std::vector<kafka::Record> batch;
  for (int i = 0; i < kTexts; ++i) {
    events::v1::InboundRecord record = Text("text " + std::to_string(i));
    record.set_customer_number(customer_ + std::to_string(i % 7));  // Seven conversations.
    batch.push_back(InRecord(record));
  }
  std::vector<std::jthread> threads;
  std::vector<absl::Status> statuses(4, absl::UnknownError("not run"));
  for (std::size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { statuses[i] = MakeProjector()->HandleInbound(batch); });
  }
  threads.clear();
  for (const absl::Status& status : statuses) EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE" + Own()), std::to_string(kTexts));
  EXPECT_EQ(Value("SELECT count(*) FROM conversations WHERE" + Own()), "7");
  EXPECT_EQ(Value("SELECT sum(message_count) FROM conversations WHERE" + Own()),
            std::to_string(kTexts));
  EXPECT_EQ(Value("SELECT count(*) FROM conversations c WHERE" + Own() +
                  "AND last_seq <> (SELECT max(seq) FROM messages m WHERE m.conversation_id = "
                  "c.id) OR last_seq <> message_count"),
            "0");
}

TEST_F(ProjectorTest, WritersOfOneConversationTakeTurns) {
  ASSERT_EQ(Take({Text("The first")}), absl::OkStatus());
  const kafka::Record repeated = InRecord(Text("Came four times"));
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const auto projector = MakeProjector();
      EXPECT_EQ(projector->HandleInbound({repeated}), absl::OkStatus());
      for (int n = 0; n < 15; ++n) {
        events::v1::InboundRecord own;
        own.set_account_sid(account_sid_);
        own.set_business_number(number_);
        own.set_customer_number(customer_);
        own.set_medium(events::v1::MEDIUM_SMS);
        own.set_received_at_us(ToMicros(clock_.Now()));
        own.mutable_message()->set_message_sid(std::to_string(i) + "-" + std::to_string(n));
        kafka::Record record;
        record.topic = kafka::kInboundTopic;
        record.value = own.SerializeAsString();
        EXPECT_EQ(projector->HandleInbound({record}), absl::OkStatus());
      }
    });
  }
  threads.clear();
  EXPECT_EQ(Conversation("last_seq || '/' || message_count || '/' || unread_count"), "62/62/62");
  EXPECT_EQ(Value("SELECT count(*) || '/' || max(seq) FROM messages WHERE" + Own()), "62/62");
}

TEST_F(ProjectorTest, WhatWaitsForAPersonIsCounted) {
  const std::string id = QueuedMessage();
  Execute("UPDATE messages SET status = 'unconfirmed', unconfirmed_at = now() WHERE id = '" + id +
          "'");
  Execute(
      "INSERT INTO quarantined_webhooks (organization_id, id, account_sid, kind, reason, request, "
      "received_at) VALUES ('" +
      organization_id_ + "', gen_random_uuid(), '" + account_sid_ +
      "', 'message', 'SIGNATURE_MISMATCH', '', now())");
  ASSERT_EQ(dispatcher_->CountWaiting(), absl::OkStatus());
  const auto counted = [](const char* gauge, const char* rows) {
    EXPECT_EQ(telemetry::Gauge(gauge, "").Value(), std::stod(Value(rows))) << gauge;
  };
  counted("parley_gateway_quarantined_rows", "SELECT count(*) FROM quarantined_webhooks");
  counted("parley_gateway_unconfirmed_messages",
          "SELECT count(*) FROM messages WHERE unconfirmed_at IS NOT NULL");
}

TEST_F(ProjectorTest, GetsPastAConversationThatAPausedProcessHolds) {
  ASSERT_EQ(Take({Text("The first")}), absl::OkStatus());
  postgres::PoolOptions options = PoolOf("gateway_worker", 1);
  options.transaction_idle_max = milliseconds(300);
  postgres::Pool paused(options);
  const absl::Status ended = paused.Transact([&](pqxx::work& tx) {
    tx.exec("SELECT FROM conversations WHERE" + Own() + "FOR UPDATE");
    EXPECT_EQ(Take({Text("The second")}), absl::OkStatus());
    tx.exec("SELECT 1");
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(ended)) << ended;
  EXPECT_EQ(Conversation("last_seq"), "2");
}

TEST_F(ProjectorTest, KeepsTheOrderOfABatch) {
  std::vector<events::v1::InboundRecord> records;
  std::vector<std::string> want;
  for (int i = 0; i < 30; ++i) {
    records.push_back(Text("number " + std::to_string(i)));
    want.push_back(std::to_string(i + 1) + "|number " + std::to_string(i));
  }
  records.push_back(records[3]);  // A repeat in the same batch.
  ASSERT_EQ(Take(records), absl::OkStatus());
  EXPECT_EQ(Query("SELECT seq, body FROM messages WHERE" + Own() + "ORDER BY seq"), want);
}

TEST_F(ProjectorTest, ACallBecomesAMessageThatStartsNoTurn) {
  events::v1::InboundRecord record = Text("");
  record.clear_message();
  record.set_medium(events::v1::MEDIUM_VOICE);
  record.mutable_call()->set_call_sid("CA-1");
  ASSERT_EQ(Take({record}), absl::OkStatus());
  EXPECT_THAT(Query("SELECT kind, medium, body, call_sid FROM messages WHERE" + Own()),
              ElementsAre("call|voice|Incoming call from " + customer_ + "|CA-1"));
  EXPECT_EQ(Conversation("pending_first_seq"), "");
}

TEST_F(ProjectorTest, ACallIsOneMessageWhoseStatusOnlyMovesForward) {
  ASSERT_EQ(Take({Call("CA-1", "ringing")}), absl::OkStatus());
  ASSERT_EQ(Take({Call("CA-1", "completed", 42), Call("CA-1", "in-progress"),
                  Call("CA-1", "ringing"), Call("CA-1", "no-answer")}),
            absl::OkStatus());
  EXPECT_THAT(Query("SELECT kind, call_status, call_seconds, seq FROM messages WHERE" + Own()),
              ElementsAre("call|completed|42|1"));
  EXPECT_EQ(Conversation("message_count || '/' || unread_count"), "1/1");
  // A later report may be the first to arrive.
  ASSERT_EQ(Take({Call("CA-2", "busy"), Call("CA-2", "ringing")}), absl::OkStatus());
  EXPECT_EQ(Value("SELECT call_status FROM messages WHERE" + Own() + "AND call_sid = 'CA-2'"),
            "busy");
}

TEST_F(ProjectorTest, ARecordingIsShownOnceAlsoIfItCameBeforeItsCall) {
  const std::string url = "https://api.example.com/Recordings/RE1";
  ASSERT_EQ(Take({Recording("CA-1", "RE1", url)}), absl::OkStatus());
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE" + Own()), "0");
  ASSERT_EQ(Take({Call("CA-1", "ringing"), Recording("CA-1", "RE1", url)}), absl::OkStatus());
  ASSERT_EQ(Take({Recording("CA-1", "RE1", url)}), absl::OkStatus());
  const std::string media = "[{\"url\": \"" + url + "\", \"content_type\": \"audio/wav\"}]";
  EXPECT_THAT(Query("SELECT media FROM messages WHERE" + Own()), ElementsAre(media));
  EXPECT_EQ(Value("SELECT count(*) FROM early_recordings WHERE" + Own()), "0");
  EXPECT_THAT(LiveNames(), ElementsAre("message", "conversation", "message"));
}

TEST_F(ProjectorTest, AnotherAccountsRecordingHasNoEffect) {
  ASSERT_EQ(Take({Call("CA-1", "ringing")}), absl::OkStatus());
  const std::string first = Own();
  MakeOrganization();  // Its account signs from here on.
  ASSERT_EQ(Take({Recording("CA-1", "RE1", "https://api.example.com/RE1")}), absl::OkStatus());
  EXPECT_EQ(Value("SELECT media FROM messages WHERE" + first), "[]");
}

TEST_F(ProjectorTest, WhatWasOvertakenIsLateAndWhatWasListedIsRecovered) {
  const Time now = clock_.Now();
  const auto text = [&](const char* body, events::v1::Origin origin, Time at) {
    events::v1::InboundRecord record = Text(body);
    record.set_origin(origin);
    record.set_received_at_us(ToMicros(at));
    return record;
  };
  ASSERT_EQ(Take({text("first out of a spool", events::v1::ORIGIN_SPOOL, now - seconds(9)),
                  text("straight", events::v1::ORIGIN_WEBHOOK, now),
                  text("straight, an older clock", events::v1::ORIGIN_WEBHOOK, now - seconds(1)),
                  text("overtaken", events::v1::ORIGIN_SPOOL, now - seconds(5)),
                  text("released, in its place", events::v1::ORIGIN_RELEASED, now + seconds(1)),
                  text("listed", events::v1::ORIGIN_RECOVERED, now - std::chrono::hours(2))}),
            absl::OkStatus());
  EXPECT_THAT(Query("SELECT seq, late, recovered FROM messages WHERE" + Own() + "ORDER BY seq"),
              ElementsAre("1|f|f", "2|f|f", "3|f|f", "4|t|f", "5|f|f", "6|t|t"));
  // The AI answers nothing that is two hours old.
  EXPECT_EQ(Conversation("open_last_seq"), "5");
}

TEST_F(ProjectorTest, WhatTwimlAnsweredStandsRightBehindItsMessage) {
  events::v1::InboundRecord record = Text("Hello");
  record.set_auto_reply("Thanks for your message!");
  ASSERT_EQ(Take({record, Text("Anybody there?"), record}), absl::OkStatus());
  EXPECT_THAT(
      Query("SELECT seq, direction, author, status, body, from_number, to_number "
            "FROM messages WHERE" +
            Own() + "AND seq = 2"),
      ElementsAre("2|outbound|system|sent|Thanks for your message!|" + number_ + "|" + customer_));
  EXPECT_EQ(Conversation("message_count || '/' || unread_count"), "3/2");
  EXPECT_THAT(Sends(), IsEmpty());
  EXPECT_NE(Conversation("pending_first_seq"), "");  // It is no answer of a person.
}

TEST_F(ProjectorTest, TheFirstMessageAloneIsAnsweredThroughTheSender) {
  Execute(
      "UPDATE channels SET ai_enabled = false, auto_reply_mode = 'first_message', "
      "auto_reply = 'Hi {name}, we received: {body}' WHERE" +
      Own());
  ASSERT_EQ(Take({Text("Hello"), Text("Anybody there?")}), absl::OkStatus());
  ASSERT_THAT(Sends(), SizeIs(1));
  EXPECT_EQ(Sends().front().send().body(), "Hi there, we received: Hello");
  EXPECT_THAT(Query("SELECT author, status FROM messages WHERE" + Own() + "AND seq = 2"),
              ElementsAre("system|queued"));
  struct Silent {
    const char* label;
    events::v1::Keyword keyword;
    events::v1::Origin origin;
    std::chrono::minutes age;
  };
  const Silent silent[] = {
      {"a keyword", events::v1::KEYWORD_HELP, events::v1::ORIGIN_WEBHOOK, minutes(0)},
      {"out of a spool", events::v1::KEYWORD_UNSPECIFIED, events::v1::ORIGIN_SPOOL, minutes(0)},
      {"old", events::v1::KEYWORD_UNSPECIFIED, events::v1::ORIGIN_WEBHOOK, minutes(16)},
  };
  for (const Silent& one : silent) {
    customer_ += "1";  // A new conversation.
    events::v1::InboundRecord record = Text(one.label);
    record.mutable_message()->set_keyword(one.keyword);
    record.set_origin(one.origin);
    record.set_received_at_us(ToMicros(clock_.Now() - one.age));
    ASSERT_EQ(Take({record}), absl::OkStatus());
    EXPECT_THAT(Sends(), SizeIs(1)) << one.label;
  }
}

TEST_F(ProjectorTest, EveryParameterWithoutAColumnIsKept) {
  events::v1::InboundRecord record = Text("Hello");
  for (const auto& [name, value] : {std::pair{"FromCity", "BERLIN"}, std::pair{"Body", "Hello"},
                                    std::pair{"New", "1 \"quoted\""}, std::pair{"New", "2"}}) {
    auto* parameter = record.add_parameters();
    parameter->set_name(name);
    parameter->set_value(value);
  }
  ASSERT_EQ(Take({record}), absl::OkStatus());
  EXPECT_EQ(Value("SELECT parameters FROM messages WHERE" + Own()),
            "{\"New\": [\"1 \\\"quoted\\\"\", \"2\"], \"FromCity\": \"BERLIN\"}");
  v1::Message message;
  message.set_id(Value("SELECT id FROM messages WHERE" + Own()));
  ASSERT_EQ(Worker().Transact([&](pqxx::work& tx) {
    store::LoadParameters(tx, organization_id_, message);
    return absl::OkStatus();
  }),
            absl::OkStatus());
  std::vector<std::string> parameters;
  for (const auto& one : message.parameters()) parameters.push_back(one.name() + "=" + one.value());
  EXPECT_THAT(parameters, ElementsAre("FromCity=BERLIN", "New=1 \"quoted\"", "New=2"));
}

TEST_F(ProjectorTest, ANumberThatNobodyClaimedGetsAFlaggedChannel) {
  events::v1::InboundRecord record = Text("Is this you?");
  record.set_business_number(number_ + "9");
  ASSERT_EQ(Take({record, Text("To the known number")}), absl::OkStatus());
  EXPECT_THAT(Query("SELECT phone_number, unclaimed FROM channels WHERE" + Own() + "AND id <> '" +
                    channel_id_ + "'"),
              ElementsAre(number_ + "9|t"));
  EXPECT_EQ(Value("SELECT count(*) FROM number_claims WHERE" + Own()), "2");
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE" + Own()), "2");
}

TEST_F(ProjectorTest, WhatsAppOpensTheWindowForADay) {
  events::v1::InboundRecord record = Text("Hola");
  record.set_medium(events::v1::MEDIUM_WHATSAPP);
  ASSERT_EQ(Take({record}), absl::OkStatus());
  EXPECT_EQ(Conversation("(extract(epoch FROM whatsapp_window_until) * 1000000)::bigint"),
            std::to_string(ToMicros(clock_.Now() + std::chrono::hours(24))));
}

TEST_F(ProjectorTest, ASimulatedMessageOpensNoWindow) {
  store::NewMessage message;
  message.organization_id = organization_id_;
  message.message_id = NewId();
  message.channel_id = channel_id_;
  message.customer_number = customer_;
  message.medium = v1::MEDIUM_WHATSAPP;
  message.body = "Hola";
  message.simulated = true;
  message.received_at = clock_.Now();
  const auto result = Append(Worker(), message);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->status, v1::Message::STATUS_SENT);
  EXPECT_EQ(Conversation("whatsapp_window_until"), "");
  EXPECT_NE(Conversation("pending_first_seq"), "");
}

TEST_F(ProjectorTest, TheApisRoleAppendsForItsOwnOrganizationOnly) {
  postgres::Pool api(PoolOf("gateway_api"));
  ASSERT_EQ(Take({Text("Hello")}), absl::OkStatus());
  store::NewMessage own = AgentText("Good morning");
  const auto stored = Append(api, own);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->seq, 2);
  EXPECT_THAT(Sends(), SizeIs(1));
  const std::string first = organization_id_;
  MakeOrganization();
  own.message_id = NewId();
  own.organization_id = first;
  EXPECT_EQ(Append(api, own).status().code(), absl::StatusCode::kNotFound);
  own.organization_id = organization_id_;
  EXPECT_EQ(Append(api, own).status().code(), absl::StatusCode::kNotFound);
}

// ---- Consent ----

TEST_F(ProjectorTest, StopSilencesTheAiAndStartLetsItSpeakAgain) {
  OpenTurn();
  events::v1::InboundRecord stop = Text("stop");
  stop.mutable_message()->set_keyword(events::v1::KEYWORD_STOP);
  ASSERT_EQ(Take({stop, Text("and another thing")}), absl::OkStatus());
  EXPECT_EQ(Conversation("pending_first_seq IS NULL AND open_turn_id IS NULL"), "t");
  EXPECT_EQ(Value("SELECT opted_out FROM suppressions WHERE" + Own()), "t");
  const auto refused = Append(Worker(), AgentText("Wait!"));
  EXPECT_EQ(ErrorReason(refused.status()), "OPTED_OUT");

  clock_.Advance(seconds(5));
  events::v1::InboundRecord start = Text("START");
  start.mutable_message()->set_keyword(events::v1::KEYWORD_START);
  ASSERT_EQ(Take({start}), absl::OkStatus());
  EXPECT_EQ(Conversation("pending_first_seq"), "");  // A keyword starts no turn itself.
  ASSERT_EQ(Take({Text("I am back")}), absl::OkStatus());
  EXPECT_EQ(Conversation("pending_first_seq = last_seq"), "t");
}

TEST_F(ProjectorTest, AStopToOneSenderLeavesTheOthersWhereTheOrganizationSaysSo) {
  Execute("UPDATE organizations SET consent_scope = 'sender' WHERE id = '" + organization_id_ +
          "'");
  events::v1::InboundRecord stop = Text("stop");
  stop.mutable_message()->set_keyword(events::v1::KEYWORD_STOP);
  stop.set_business_number(number_ + "9");  // Becomes a channel of its own.
  stop.set_origin(events::v1::ORIGIN_RECOVERED);
  ASSERT_EQ(Take({Text("hello"), stop}), absl::OkStatus());
  EXPECT_EQ(Value("SELECT business_number FROM suppressions WHERE" + Own()), number_ + "9");
  const std::string conversation = Value("SELECT id FROM conversations WHERE" + Own() +
                                         "AND channel_id = '" + channel_id_ + "'");
  store::NewMessage agent = AgentText("Hi");
  agent.conversation_id = conversation;
  EXPECT_TRUE(Append(Worker(), agent).ok());
  Execute("UPDATE organizations SET consent_scope = 'organization' WHERE id = '" +
          organization_id_ + "'");
  agent.message_id = NewId();
  EXPECT_EQ(ErrorReason(Append(Worker(), agent).status()), "OPTED_OUT");
}

TEST_F(ProjectorTest, ConsentsAndTextsOfOneCustomerNeverDeadlock) {
  constexpr int kChannels = 4;
  const auto keyword = [&](int n) {
    events::v1::InboundRecord record = Text(n % 2 == 0 ? "stop" : "start");
    record.set_business_number(number_ + std::to_string(n % kChannels));
    record.set_received_at_us(ToMicros(clock_.Now()) + n);
    record.mutable_message()->set_keyword(n % 2 == 0 ? events::v1::KEYWORD_STOP
                                                     : events::v1::KEYWORD_START);
    return record;
  };
  std::vector<events::v1::InboundRecord> first;
  for (int n = 0; n < kChannels; ++n) first.push_back(keyword(n));
  ASSERT_EQ(Take(first), absl::OkStatus());
  std::vector<std::vector<kafka::Record>> batches(4);
  for (int n = 0; n < 160; ++n) {
    events::v1::InboundRecord record = keyword(n + kChannels);
    events::v1::ConsentRecord consent;
    consent.set_account_sid(account_sid_);
    consent.set_business_number(record.business_number());
    consent.set_customer_number(customer_);
    consent.set_given_at_us(record.received_at_us());
    consent.set_keyword(record.message().keyword());
    batches[static_cast<std::size_t>(n % 2)].push_back(InRecord(record));
    batches[static_cast<std::size_t>(2 + n % 2)].push_back(ToRecord(kafka::kConsentTopic, consent));
  }
  std::vector<std::jthread> threads;
  for (std::size_t thread = 0; thread < batches.size(); ++thread) {
    threads.emplace_back([&, thread] {
      const auto projector = MakeProjector();
      const std::vector<kafka::Record>& all = batches[thread];
      for (std::size_t at = 0; at < all.size(); at += 4) {
        const std::vector<kafka::Record> part(all.begin() + static_cast<std::ptrdiff_t>(at),
                                              all.begin() + static_cast<std::ptrdiff_t>(at + 4));
        const absl::Status status =
            thread < 2 ? projector->HandleInbound(part) : projector->HandleConsent(part);
        EXPECT_EQ(status, absl::OkStatus());
      }
    });
  }
  threads.clear();
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE" + Own()), "164");
}

TEST_F(ProjectorTest, TheNewestConsentWinsWhateverItsOrder) {
  ASSERT_EQ(Take({Text("Hello")}), absl::OkStatus());
  const auto consent = [&](events::v1::Keyword keyword, Time at) {
    events::v1::ConsentRecord record;
    record.set_customer_number(customer_);
    record.set_business_number(number_);
    record.set_account_sid(account_sid_);
    record.set_given_at_us(ToMicros(at));
    record.set_keyword(keyword);
    return projector_->HandleConsent({ToRecord(kafka::kConsentTopic, record)});
  };
  const Time now = clock_.Now();
  ASSERT_EQ(consent(events::v1::KEYWORD_START, now + seconds(9)), absl::OkStatus());
  ASSERT_EQ(consent(events::v1::KEYWORD_STOP, now + seconds(5)), absl::OkStatus());
  EXPECT_EQ(Value("SELECT opted_out FROM suppressions WHERE" + Own()), "f");
  ASSERT_EQ(consent(events::v1::KEYWORD_STOP, now + seconds(10)), absl::OkStatus());
  EXPECT_EQ(Value("SELECT opted_out FROM suppressions WHERE" + Own()), "t");
  EXPECT_EQ(Conversation("pending_first_seq"), "");
}

// ---- Turns ----

TEST_F(ProjectorTest, MessagesWithinTheDelayJoinOneTurn) {
  ASSERT_EQ(Take({Text("Hello")}), absl::OkStatus());
  clock_.Advance(milliseconds(1500));
  ASSERT_EQ(Take({Text("Are you open today?")}), absl::OkStatus());
  EXPECT_EQ(dispatcher_->EmitDueTurns().value(), 0);
  clock_.Advance(milliseconds(500));  // The due time has not moved.
  EXPECT_EQ(dispatcher_->EmitDueTurns().value(), 1);
  ASSERT_THAT(Turns(), SizeIs(1));
  const events::v1::TurnReady turn = Turns().front().turn_ready();
  EXPECT_EQ(turn.turn_id(), Conversation("open_turn_id"));
  EXPECT_EQ(turn.first_seq(), 1);
  EXPECT_EQ(turn.last_seq(), 2);
  EXPECT_EQ(turn.settings().provider(), "mock");
  EXPECT_EQ(turn.channel_name(), "Front desk");
  ASSERT_EQ(turn.history_size(), 2);
  EXPECT_EQ(turn.history(0).text(), "Hello");
  EXPECT_EQ(turn.history(1).text(), "Are you open today?");
}

TEST_F(ProjectorTest, WithoutDelayTheTurnLeavesWithItsMessage) {
  MakeOrganization({.ai_delay_ms = 0});
  ASSERT_EQ(Take({Text("Hello")}), absl::OkStatus());
  ASSERT_THAT(Turns(), SizeIs(1));
  // One open turn for a conversation: what comes now waits for its reply.
  ASSERT_EQ(Take({Text("Anybody there?")}), absl::OkStatus());
  ASSERT_THAT(Turns(), SizeIs(1));
  ASSERT_TRUE(
      projector_->HandleReplies({ReplyRecord(Conversation("open_turn_id"), "Yes, hello!")}).ok());
  ASSERT_THAT(Turns(), SizeIs(2));
  EXPECT_EQ(Turns().back().turn_ready().first_seq(), 2);
}

TEST_F(ProjectorTest, TheReplyIsQueuedForTwilioOnce) {
  const std::string turn_id = OpenTurn();
  const kafka::Record reply = ReplyRecord(turn_id, "Until six.");
  ASSERT_EQ(projector_->HandleReplies({reply}), absl::OkStatus());
  ASSERT_EQ(projector_->HandleReplies({reply}), absl::OkStatus());
  EXPECT_THAT(Query("SELECT seq, author, status, turn_id FROM messages WHERE" + Own() +
                    "AND direction = 'outbound'"),
              ElementsAre("2|ai|queued|" + turn_id));
  ASSERT_THAT(Sends(), SizeIs(1));
  const events::v1::Send send = Sends().front().send();
  EXPECT_EQ(send.message_id(), store::ReplyMessageId(turn_id));
  EXPECT_EQ(send.account_sid(), account_sid_);
  EXPECT_EQ(send.sender_number(), number_);
  EXPECT_EQ(send.customer_number(), customer_);
  EXPECT_EQ(send.body(), "Until six.");
  EXPECT_EQ(send.conversation_seq(), 2);
  EXPECT_GT(send.not_after_us(), ToMicros(clock_.Now() + std::chrono::hours(23)));
  EXPECT_LE(send.not_after_us(), ToMicros(clock_.Now() + std::chrono::hours(24)));
  EXPECT_EQ(Conversation("open_turn_id IS NULL AND ai_error = ''"), "t");
}

TEST_F(ProjectorTest, AReplyIsIgnoredOnceAPersonHasAnswered) {
  const std::string turn_id = OpenTurn();
  ASSERT_TRUE(Append(Worker(), AgentText("I will take this one.")).ok());
  ASSERT_EQ(projector_->HandleReplies({ReplyRecord(turn_id, "Until six.")}), absl::OkStatus());
  EXPECT_THAT(Query("SELECT author FROM messages WHERE" + Own() + "ORDER BY seq"),
              ElementsAre("customer", "agent"));
}

TEST_F(ProjectorTest, AReplyIsIgnoredOnceAPersonTookOver) {
  const std::string turn_id = OpenTurn();
  Execute("UPDATE conversations SET taken_over_at = now() WHERE" + Own());
  ASSERT_EQ(projector_->HandleReplies({ReplyRecord(turn_id, "Until six.")}), absl::OkStatus());
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE" + Own()), "1");
  EXPECT_EQ(Conversation("open_turn_id"), "");
}

TEST_F(ProjectorTest, AFailureClosesTheTurnVisibly) {
  const std::string turn_id = OpenTurn();
  events::v1::ReplyRecord record;
  record.set_organization_id(organization_id_);
  record.set_conversation_id(Conversation("id"));
  record.set_turn_id(turn_id);
  record.mutable_failure()->set_reason("PROVIDER_TIMEOUT");
  record.mutable_failure()->set_message("The provider did not answer.");
  ASSERT_EQ(projector_->HandleReplies({ToRecord(kafka::kRepliesTopic, record)}), absl::OkStatus());
  EXPECT_EQ(Conversation("ai_error"), "The provider did not answer.");
  EXPECT_EQ(Conversation("open_turn_id"), "");
  EXPECT_THAT(Query("SELECT data FROM live_outbox WHERE" + Own() + "ORDER BY id DESC LIMIT 1"),
              ElementsAre(HasSubstr("The provider did not answer.")));
}

TEST_F(ProjectorTest, AnAnswerThatDoesNotComeClosesTheTurnVisibly) {
  const std::string turn_id = OpenTurn();
  EXPECT_EQ(dispatcher_->CloseOverdueTurns().value(), 0);
  clock_.Advance(seconds(200));
  ASSERT_EQ(Take({Text("Hello?")}), absl::OkStatus());
  clock_.Advance(seconds(2));
  EXPECT_EQ(dispatcher_->CloseOverdueTurns().value(), 1);
  EXPECT_EQ(Conversation("ai_error"), "The AI did not answer in time.");
  // The next turn left with it.
  ASSERT_THAT(Turns(), SizeIs(2));
  ASSERT_EQ(projector_->HandleReplies({ReplyRecord(turn_id, "Until six.")}), absl::OkStatus());
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE" + Own()), "2");
}

TEST_F(ProjectorTest, MessagesThatAreTooOldStartNoTurn) {
  events::v1::InboundRecord old = Text("From yesterday");
  old.set_received_at_us(ToMicros(clock_.Now() - minutes(16)));
  ASSERT_EQ(Take({old}), absl::OkStatus());
  EXPECT_EQ(Conversation("pending_first_seq"), "");
}

TEST_F(ProjectorTest, WithoutANumberTheAnswerIsShownAndNeverSent) {
  store::NewMessage message;
  message.organization_id = organization_id_;
  message.message_id = NewId();
  message.channel_id = channel_id_;
  message.body = "Just trying";
  message.simulated = true;
  message.received_at = clock_.Now();
  ASSERT_TRUE(Append(Worker(), message).ok());
  clock_.Advance(seconds(2));
  ASSERT_EQ(dispatcher_->EmitDueTurns().value(), 1);
  ASSERT_TRUE(
      projector_->HandleReplies({ReplyRecord(Conversation("open_turn_id"), "It works.")}).ok());
  EXPECT_THAT(
      Query("SELECT author, status, simulated FROM messages WHERE" + Own() + "ORDER BY seq"),
      ElementsAre("customer|sent|t", "ai|sent|t"));
  EXPECT_THAT(Sends(), IsEmpty());
}

TEST_F(ProjectorTest, TheAiKeyTravelsUnderTheDirectorysKey) {
  const crypto::SealContext context{crypto::kAiKey, organization_id_};
  Execute("UPDATE channels SET ai_sealed_key = '" +
          postgres::Bytea(MasterKeys().Seal(Secret("sk-made-up"), context)) + "' WHERE" + Own());
  OpenTurn();
  ASSERT_THAT(Turns(), SizeIs(1));
  const auto opened =
      DirectoryKeys().Open(Turns().front().turn_ready().settings().sealed_key(), context);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->Reveal(), "sk-made-up");
}

// ---- Delivery ----

TEST_F(ProjectorTest, AMessageGoesFromQueuedToDelivered) {
  const std::string id = QueuedMessage();
  using events::v1::SendOutcome;
  ASSERT_EQ(Apply(Outcome(id, SendOutcome::STATE_SENDING, 1, 1)), absl::OkStatus());
  EXPECT_EQ(Message("status", id), "sending");
  ASSERT_EQ(Apply(Outcome(id, SendOutcome::STATE_SENT, 2, 1, "SM-out")), absl::OkStatus());
  EXPECT_EQ(Message("status || ' ' || message_sid", id), "sent SM-out");
  ASSERT_EQ(Report("delivered", "SM-out"), absl::OkStatus());
  ASSERT_EQ(Report("sent", "SM-out"), absl::OkStatus());  // Late: never backwards.
  ASSERT_EQ(Apply(Outcome(id, SendOutcome::STATE_SENDING, 1, 1)), absl::OkStatus());
  EXPECT_EQ(Message("status", id), "delivered");
  EXPECT_THAT(
      Query("SELECT status, source FROM message_status_changes WHERE" + Own() + "ORDER BY at, id"),
      ElementsAre("sending|sender", "sent|sender", "delivered|twilio"));
  EXPECT_EQ(Message("emit_again_at", id), "");
}

TEST_F(ProjectorTest, AReportBeforeItsSidIsKnownIsAppliedLater) {
  const std::string id = QueuedMessage();
  ASSERT_EQ(Report("sent", "SM-early"), absl::OkStatus());
  clock_.Advance(seconds(1));
  ASSERT_EQ(Report("undelivered", "SM-early", 30003), absl::OkStatus());
  EXPECT_EQ(Message("status", id), "queued");
  ASSERT_EQ(Apply(Outcome(id, events::v1::SendOutcome::STATE_SENT, 2, 1, "SM-early")),
            absl::OkStatus());
  EXPECT_EQ(Message("status || ' ' || error_code", id), "undelivered 30003");
  EXPECT_NE(Message("error_message", id), "");
  EXPECT_EQ(Value("SELECT count(*) FROM early_statuses WHERE" + Own()), "0");
}

TEST_F(ProjectorTest, TheCallbacksUrlNamesTheMessage) {
  const std::string id = QueuedMessage();
  ASSERT_EQ(Report("delivered", "SM-named", 0, id), absl::OkStatus());
  EXPECT_EQ(Message("status || ' ' || message_sid", id), "delivered SM-named");
  ASSERT_EQ(Apply(Outcome(id, events::v1::SendOutcome::STATE_SENT, 3, 1, "SM-named")),
            absl::OkStatus());
  EXPECT_EQ(Message("status", id), "delivered");
}

TEST_F(ProjectorTest, AnotherAccountsReportHasNoEffect) {
  const std::string id = QueuedMessage();
  ASSERT_EQ(Apply(Outcome(id, events::v1::SendOutcome::STATE_SENT, 2, 1, "SM-mine")),
            absl::OkStatus());
  MakeOrganization();  // Its account signs from here on.
  ASSERT_EQ(Report("failed", "SM-mine", 30001), absl::OkStatus());
  ASSERT_EQ(Report("failed", "SM-mine", 30001, id), absl::OkStatus());
  ASSERT_EQ(Report("failed", "SM-mine", 30001, id, "AC" + std::string(32, '9')), absl::OkStatus());
  EXPECT_EQ(Value("SELECT status FROM messages WHERE id = '" + id + "'"), "sent");
}

TEST_F(ProjectorTest, AnUnconfirmedMessageIsShownAndSettledByEvidence) {
  const std::string id = QueuedMessage();
  events::v1::SendResult unconfirmed =
      Outcome(id, events::v1::SendOutcome::STATE_UNCONFIRMED, 2, 1);
  unconfirmed.mutable_outcome()->set_reason("UNCONFIRMED_TIMEOUT");
  unconfirmed.mutable_outcome()->set_message("Twilio did not answer.");
  ASSERT_EQ(Apply(unconfirmed), absl::OkStatus());
  EXPECT_EQ(Message("status || ' ' || error_reason || ' ' || error_message", id),
            "unconfirmed UNCONFIRMED_TIMEOUT Twilio did not answer.");
  ASSERT_EQ(Report("delivered", "SM-found", 0, id), absl::OkStatus());
  EXPECT_EQ(Message("status || error_reason || error_message", id), "delivered");
}

TEST_F(ProjectorTest, ExpiredSendsFailWithTheReason) {
  const std::string id = QueuedMessage();
  ASSERT_EQ(Apply(Outcome(id, events::v1::SendOutcome::STATE_EXPIRED, 2, 0)), absl::OkStatus());
  EXPECT_EQ(Message("status || ' ' || error_reason", id), "failed EXPIRED");
}

TEST_F(ProjectorTest, ACommandIsEmittedAgainUntilItIsAccepted) {
  const std::string id = QueuedMessage();
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 0);
  clock_.Advance(seconds(31));
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 1);
  ASSERT_THAT(Sends(), SizeIs(2));
  EXPECT_EQ(Sends()[0].SerializeAsString(), Sends()[1].SerializeAsString());
  events::v1::SendResult accepted;
  auto& item = *accepted.mutable_accepted()->add_items();
  item.set_organization_id(organization_id_);
  item.set_message_id(id);
  ASSERT_EQ(Apply(accepted), absl::OkStatus());
  clock_.Advance(seconds(31));
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 0);
}

TEST_F(ProjectorTest, ACommandThatNobodyAcceptedInItsTimeIsUnconfirmed) {
  const std::string id = QueuedMessage();
  clock_.Advance(std::chrono::hours(24));
  EXPECT_EQ(dispatcher_->EmitSendsAgain().value(), 1);
  EXPECT_THAT(Sends(), SizeIs(1));
  EXPECT_EQ(Message("status || ' ' || error_reason", id), "unconfirmed NOT_ACCEPTED");
}

// ---- Against Kafka ----

TEST_F(ProjectorTest, WhatCannotBeParsedGoesToTheDeadLettersAndTheNextFlows) {
  MakeTopics();
  OpenTurn();
  const std::string turn_id = Conversation("open_turn_id");
  const auto agent = Append(Worker(), AgentText("One moment."));
  ASSERT_TRUE(agent.ok());
  Execute("UPDATE conversations SET open_turn_id = '" + turn_id +
          "', open_last_seq = 1, open_deadline = '" + FormatTime(clock_.Now() + minutes(5)) +
          "' WHERE" + Own());

  events::v1::ConsentRecord consent;
  consent.set_organization_id(organization_id_);
  consent.set_customer_number("+15005550099");
  consent.set_given_at_us(ToMicros(clock_.Now()));
  consent.set_keyword(events::v1::KEYWORD_STOP);
  events::v1::DeliveryStatusRecord report;
  report.set_account_sid(account_sid_);
  report.set_message_sid("SM-flow");
  report.set_status("delivered");
  report.set_message_id(agent->message_id);
  report.set_attempt(1);
  struct Flow {
    const char* topic;
    std::string good;
    std::string key;
    std::string check;  // Yields "t" once the good record is in the store.
  };
  const std::string exists = "SELECT count(*) > 0 FROM ";
  const Flow flows[] = {
      {kafka::kInboundTopic, Text("After the poison").SerializeAsString(), organization_id_,
       exists + "messages WHERE" + Own() + "AND body = 'After the poison'"},
      {kafka::kRepliesTopic, ReplyRecord(turn_id, "Still here").value, organization_id_,
       exists + "messages WHERE" + Own() + "AND body = 'Still here'"},
      {kafka::kSendResultsTopic,
       Outcome(agent->message_id, events::v1::SendOutcome::STATE_SENDING, 7, 1).SerializeAsString(),
       organization_id_, exists + "messages WHERE" + Own() + "AND result_version = 7"},
      {kafka::kDeliveryStatusTopic, report.SerializeAsString(), organization_id_,
       exists + "messages WHERE" + Own() + "AND status = 'delivered'"},
      {kafka::kConsentTopic, consent.SerializeAsString(), organization_id_,
       exists + "suppressions WHERE" + Own() + "AND customer_number = '+15005550099'"},
  };
  for (const Flow& flow : flows) {
    // The same key, so the same partition: the poison is in front.
    const std::vector<kafka::OutRecord> records = {
        {flow.topic, flow.key, "\xff\xff no protobuf " + organization_id_, {}},
        {flow.topic, flow.key, flow.good, {}}};
    ASSERT_TRUE(TestProducer().ProduceAndWait(records, seconds(10)).ok());
  }
  ASSERT_EQ(projector_->Start(), absl::OkStatus());
  const auto deadline = std::chrono::steady_clock::now() + seconds(30);
  for (const Flow& flow : flows) {
    bool done = false;
    while (!done && std::chrono::steady_clock::now() < deadline) {
      done = Value(flow.check) == "t";
      if (!done) std::this_thread::sleep_for(milliseconds(50));
    }
    EXPECT_TRUE(done) << flow.topic;
  }
  projector_->Stop();

  std::set<std::string> buried;
  const auto reader = kafka::Consumer::Create(
      {.brokers = KafkaBrokers(),
       .group = "test-" + NewId(),
       .topics = {"parley.inbound.dead-letter", "parley.replies.dead-letter",
                  "parley.send-results.dead-letter", "parley.delivery-status.dead-letter",
                  "parley.consent.dead-letter"}});
  ASSERT_TRUE(reader.ok());
  while (buried.size() < 5 && std::chrono::steady_clock::now() < deadline) {
    const auto records = (*reader)->Poll(100, milliseconds(500));
    if (!records.ok()) continue;
    for (const kafka::Record& record : *records) {
      if (record.value != "\xff\xff no protobuf " + organization_id_) continue;
      EXPECT_EQ(record.Header("parley-reason"), "UNPARSABLE");
      buried.insert(record.topic);
    }
  }
  EXPECT_THAT(buried, SizeIs(5));
}

TEST_F(ProjectorTest, WhatTheDatabaseRefusesIsTakenOutOfItsBatch) {
  MakeTopics();
  std::vector<kafka::OutRecord> records;
  for (int i = 0; i < 20; ++i) {
    events::v1::InboundRecord record = Text("number " + std::to_string(i));
    // A name that no channel may have.
    if (i == 7) record.set_business_number("+" + std::string(250, '1'));
    records.push_back({kafka::kInboundTopic, organization_id_, record.SerializeAsString(), {}});
  }
  ASSERT_TRUE(TestProducer().ProduceAndWait(records, seconds(10)).ok());
  ASSERT_EQ(projector_->Start(), absl::OkStatus());
  EXPECT_TRUE(Eventually([&] {
    return Value("SELECT count(*) FROM messages WHERE" + Own()) == "19" &&
           Value("SELECT count(*) FROM messages WHERE" + Own() + "AND body = 'number 19'") == "1";
  }));
  projector_->Stop();
}

TEST_F(ProjectorTest, FourCopiesThroughTwoProjectorsOfWhichOneGoesAreOneMessageEach) {
  MakeTopics();
  constexpr int kTexts = 1000;
  std::vector<std::vector<kafka::OutRecord>> copies(4);
  for (int i = 0; i < kTexts; ++i) {
    events::v1::InboundRecord record = Text("text " + std::to_string(i));
    record.set_customer_number(customer_ + std::to_string(i % 50));
    for (auto& copy : copies) {
      copy.push_back(
          {kafka::kInboundTopic, record.customer_number(), record.SerializeAsString(), {}});
    }
  }
  const projector::ProjectorOptions options = ProjectorSettings();  // One group for both.
  projector::Projector first(options, Worker(), TestProducer(), clock_);
  projector::Projector second(options, Worker(), TestProducer(), clock_);
  ASSERT_EQ(first.Start(), absl::OkStatus());
  ASSERT_EQ(second.Start(), absl::OkStatus());
  std::vector<std::jthread> producers;
  for (const auto& copy : copies) {
    producers.emplace_back(
        [&copy] { EXPECT_EQ(TestProducer().ProduceAndWait(copy, seconds(30)), absl::OkStatus()); });
  }
  producers.clear();
  EXPECT_TRUE(
      Eventually([&] { return Value("SELECT count(*) > 0 FROM messages WHERE" + Own()) == "t"; }));
  first.Stop();  // Its partitions go to the other.
  EXPECT_TRUE(Eventually([&] {
    return Value("SELECT count(*) FROM messages WHERE" + Own()) == std::to_string(kTexts);
  }));
  second.Stop();
  EXPECT_EQ(Value("SELECT count(DISTINCT body) FROM messages WHERE" + Own()),
            std::to_string(kTexts));
  EXPECT_EQ(Value("SELECT sum(message_count) FROM conversations WHERE" + Own()),
            std::to_string(kTexts));
}

TEST_F(ProjectorTest, ATextOfAnUnknownAccountIsADeadLetter) {
  MakeTopics();
  events::v1::InboundRecord stranger = Text("Hello");
  stranger.set_account_sid("AC" + std::string(32, '9'));
  ASSERT_EQ(Take({stranger, Text("The next one flows")}), absl::OkStatus());
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE" + Own()), "1");
}

}  // namespace
}  // namespace parley::gateway
