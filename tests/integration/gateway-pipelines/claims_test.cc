// Which channel a message comes to, and what such a channel may do: numbers that nobody claimed,
// the number that all accounts share, and addresses that nothing can be sent from.
#include "store/claims.h"

#include <optional>

#include "domain/message.h"
#include "fixture.h"
#include "libs/base/status.h"
#include "libs/postgres/array.h"
#include "libs/postgres/migrate.h"
#include "libs/twilio/number.h"
#include "parley/events/v1/directory.pb.h"
#include "store/directory.h"
#include "store/inbox.h"

namespace parley::gateway {

const std::vector<postgres::Migration>& Migrations();  // Embedded by CMake.

namespace {

using std::chrono::minutes;
using testing::ElementsAre;

const std::string kSandbox(twilio::kWhatsAppSandbox);

class ClaimsTest : public PipelineTest {
 protected:
  ClaimsTest() {
    projector::ProjectorOptions options = ProjectorSettings();
    options.channel_defaults.ai_enabled = true;
    projector_ = std::make_unique<projector::Projector>(options, Worker(), TestProducer(), clock_);
  }

  absl::Status Take(const std::string& number, events::v1::Origin origin) {
    events::v1::InboundRecord record = Text("Hello");
    record.set_business_number(number);
    record.set_origin(origin);
    return projector_->HandleInbound({InRecord(record)});
  }
  std::string AiOf(const std::string& number) {
    return Value("SELECT ai_enabled FROM channels WHERE" + Own() + "AND phone_number = '" + number +
                 "' AND unclaimed");
  }
  std::string Claims(const std::string& number) {
    return Value("SELECT count(*) FROM number_claims WHERE number = '" + number + "'");
  }

  std::unique_ptr<projector::Projector> projector_;
};

TEST_F(ClaimsTest, TheSandboxIsNobodysButHasAChannel) {
  ASSERT_EQ(Take(kSandbox, events::v1::ORIGIN_WEBHOOK), absl::OkStatus());
  ASSERT_EQ(Take(kSandbox, events::v1::ORIGIN_WEBHOOK), absl::OkStatus());
  EXPECT_EQ(Claims(kSandbox), "0");
  EXPECT_THAT(Query("SELECT count(DISTINCT channel_id), count(*) FROM messages WHERE" + Own() +
                    "AND to_number = '" + kSandbox + "'"),
              ElementsAre("1|2"));
  EXPECT_EQ(Value("SELECT count(*) FROM directory_records WHERE record_id = 'number/" +
                  account_sid_ + "/" + kSandbox + "'"),
            "0");
}

TEST_F(ClaimsTest, TheSandboxesTextsComeToTheChannelThatNamesIt) {
  Execute("UPDATE channels SET whatsapp_number = '" + kSandbox + "' WHERE" + Own());
  ASSERT_EQ(Take(kSandbox, events::v1::ORIGIN_WEBHOOK), absl::OkStatus());
  EXPECT_EQ(Conversation("channel_id"), channel_id_);
  EXPECT_EQ(Claims(kSandbox), "0");
}

TEST_F(ClaimsTest, TheAiAnswersOnlyWhereAWebhookCameForANumberThatCanSend) {
  const std::string numbers[] = {number_ + "1", number_ + "2", "agent_of_brand", "24242"};
  ASSERT_EQ(Take(numbers[0], events::v1::ORIGIN_WEBHOOK), absl::OkStatus());
  ASSERT_EQ(Take(numbers[1], events::v1::ORIGIN_RECOVERED), absl::OkStatus());
  ASSERT_EQ(Take(numbers[2], events::v1::ORIGIN_WEBHOOK), absl::OkStatus());
  ASSERT_EQ(Take(numbers[3], events::v1::ORIGIN_WEBHOOK), absl::OkStatus());
  EXPECT_EQ(AiOf(numbers[0]), "t");
  EXPECT_EQ(AiOf(numbers[1]), "f") << "other software may serve it";
  EXPECT_EQ(AiOf(numbers[2]), "f") << "nothing can be sent from it";
  EXPECT_EQ(AiOf(numbers[3]), "t");
}

TEST_F(ClaimsTest, AnAnswerFromAnAddressThatCannotSendFailsAtOnce) {
  ASSERT_EQ(Take("agent_of_brand", events::v1::ORIGIN_WEBHOOK), absl::OkStatus());
  store::NewMessage answer;
  answer.organization_id = organization_id_;
  answer.message_id = NewId();
  answer.conversation_id = Conversation("id");
  answer.direction = v1::Message::DIRECTION_OUTBOUND;
  answer.author = v1::Message::AUTHOR_AGENT;
  answer.body = "Hello";
  answer.received_at = clock_.Now();
  ASSERT_EQ(Worker().Transact([&](pqxx::work& tx) {
    return store::Append(tx, {&answer, 1}, {.now = clock_.Now()}).status();
  }),
            absl::OkStatus());
  EXPECT_THAT(Query("SELECT status, error_reason, emit_again_at IS NULL FROM messages WHERE" +
                    Own() + "AND direction = 'outbound'"),
              ElementsAre("failed|CHANNEL_CANNOT_SEND|t"));
  EXPECT_THAT(Sends(), testing::IsEmpty());
}

TEST_F(ClaimsTest, ServedIsWhatAnyoneClaimsOrAChannelNames) {
  Execute("UPDATE channels SET whatsapp_number = '" + kSandbox + "' WHERE" + Own());
  const auto served =
      Worker().Read<std::map<store::AccountNumber, std::string>>([&](pqxx::work& tx) {
        return store::FindServed(tx, {{account_sid_, number_},
                                      {account_sid_, kSandbox},
                                      {account_sid_, number_ + "1"},
                                      {"AC" + std::string(32, '9'), number_}});
      });
  ASSERT_TRUE(served.ok()) << served.status();
  EXPECT_EQ(*served, (std::map<store::AccountNumber, std::string>{
                         {{account_sid_, number_}, organization_id_},
                         {{account_sid_, kSandbox}, organization_id_}}));
}

// A database that is one migration behind.
class BehindDatabase {
 public:
  BehindDatabase() {
    Execute("CREATE DATABASE " + name_);
    url_ = DatabaseUrl().substr(0, DatabaseUrl().rfind('/') + 1) + name_;
  }
  ~BehindDatabase() { Execute("DROP DATABASE " + name_ + " WITH (FORCE)"); }
  absl::Status Migrate(std::size_t count) {
    const auto& all = Migrations();
    return postgres::Migrate(url_, "gateway",
                             {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)});
  }
  const std::string& url() const { return url_; }

 private:
  static void Execute(const std::string& sql) {
    const auto connection = postgres::Connect({.url = DatabaseUrl()});
    ASSERT_TRUE(connection.ok()) << connection.status();
    pqxx::nontransaction(**connection).exec(sql);
  }
  const std::string name_ = DatabaseUrl().substr(DatabaseUrl().rfind('/') + 1) + "_behind";
  std::string url_;
};

TEST_F(ClaimsTest, EarlierClaimsOfTheSandboxAreTakenBack) {
  BehindDatabase database;
  ASSERT_EQ(database.Migrate(7), absl::OkStatus());
  postgres::Pool pool({.url = database.url(), .role = "gateway_worker", .schema = "gateway"});
  const std::string record_id = "number/" + account_sid_ + "/" + kSandbox;
  const auto record = [&] {
    events::v1::DirectoryRecord parsed;
    std::int64_t version = 0;
    const absl::Status read = pool.Transact([&](pqxx::work& tx) {
      const pqxx::row row = tx.exec_params1(
          "SELECT value, version FROM directory_records WHERE record_id = $1", record_id);
      EXPECT_TRUE(parsed.ParseFromString(postgres::FromBytea(row[0].c_str())));
      version = row[1].as<std::int64_t>();
      return absl::OkStatus();
    });
    EXPECT_EQ(read, absl::OkStatus());
    EXPECT_EQ(parsed.version(), version);
    return parsed;
  };
  ASSERT_EQ(pool.Transact([&](pqxx::work& tx) -> absl::Status {
    tx.exec_params("INSERT INTO organizations (id, display_name) VALUES ($1, 'First')",
                   organization_id_);
    tx.exec_params(
        "INSERT INTO account_credentials (account_sid, sealed_auth_token, kind, verified_at)"
        " VALUES ($1, '', 'full', now())",
        account_sid_);
    tx.exec_params(
        "INSERT INTO channels (organization_id, id, display_name, account_sid, phone_number, media,"
        " ai_enabled, ai_delay_ms) VALUES ($1, $2, 'Sandbox', $3, $4, '{sms}', false, 0)",
        organization_id_, channel_id_, account_sid_, kSandbox);
    tx.exec_params("INSERT INTO number_claims VALUES ($1, $2, $3, $4)", account_sid_, kSandbox,
                   organization_id_, channel_id_);
    return store::PutNumber(tx, account_sid_, kSandbox);
  }),
            absl::OkStatus());
  const events::v1::DirectoryRecord before = record();
  EXPECT_FALSE(before.number().removed());

  ASSERT_EQ(database.Migrate(Migrations().size()), absl::OkStatus());
  const events::v1::DirectoryRecord after = record();
  EXPECT_GT(after.version(), before.version());
  EXPECT_TRUE(after.number().removed());
  EXPECT_EQ(after.number().number(), kSandbox);
  const auto claims = pool.Read<std::string>([](pqxx::work& tx) -> absl::StatusOr<std::string> {
    return tx.exec1("SELECT count(*) FROM number_claims")[0].as<std::string>();
  });
  EXPECT_EQ(claims.value_or("?"), "0");
}

}  // namespace
}  // namespace parley::gateway
