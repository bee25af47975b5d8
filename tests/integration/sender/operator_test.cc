// What an operator stops and sees, on the command line and on the admin port.
#include <httplib.h>
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "libs/base/clock.h"
#include "tests/integration/sender/fixture.h"

namespace parley::sender {
namespace {

using nlohmann::json;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

constexpr char kTo[] = "+15550100001";

struct Ended {
  int code = 0;
  std::string output;
};

class OperatorTest : public SenderTest {
 protected:
  Ended Run(std::vector<std::string> arguments) {
    Process command(SenderBinary(), arguments, {"PARLEY_DATABASE_URL=" + DatabaseUrl()});
    const int code = command.Wait();
    return {code, command.Output()};
  }

  // The rows of a question about this test's account.
  std::vector<json> Rows(const std::string& question) {
    return Ours(json::parse(Run({question, "--json", "--limit", "10000"}).output));
  }
  std::vector<json> Ours(const json& rows) {
    std::vector<json> ours;
    for (const json& row : rows) {
      if (row.at("account") == account_sid_) ours.push_back(row);
    }
    return ours;
  }

  httplib::Result Get(const std::string& path) {
    return httplib::Client("127.0.0.1", admin_port_).Get(path);
  }
  httplib::Result Post(const std::string& path, const std::string& body,
                       const httplib::Headers& headers = {},
                       const char* type = "application/json") {
    return httplib::Client("127.0.0.1", admin_port_).Post(path, headers, body, type);
  }
  std::string OrderFor(const std::string& number) {
    return json{{"account", account_sid_}, {"number", number}}.dump();
  }

  // Each replica has taken up a change of this account's pauses.
  bool HaveSeen(const std::vector<Process*>& replicas, const std::string& event) {
    const auto has_seen = [&](const Process* replica) {
      std::istringstream log(replica->Output());
      for (std::string line; std::getline(log, line);) {
        if (line.find(event) != std::string::npos && line.find(account_sid_) != std::string::npos) {
          return true;
        }
      }
      return false;
    };
    return Eventually([&] { return std::all_of(replicas.begin(), replicas.end(), has_seen); });
  }

  Send MakeBulk(const std::string& from, const std::string& body) {
    Send send = MakeSend(from, kTo, body);
    send.set_priority(events::v1::PRIORITY_BULK);
    return send;
  }
  // One that ends soon if it is not sent.
  Send MakeShort(const std::string& from) {
    Send send = MakeSend(from, "+15550100009", "short");
    send.set_not_after_us(ToMicros(SystemClock().Now()) + 3'000'000);
    return send;
  }

  std::vector<std::string> SendersSeen() {
    std::vector<std::string> senders;
    for (const Arrival& arrival : Ledger()) senders.push_back(arrival.from);
    return senders;
  }
};

TEST_F(OperatorTest, APausedNumberWaitsWhileOthersSendAndGoesOnWhenItIsResumed) {
  PublishAccount();
  const std::string stopped = AddNumber();
  const std::string other = AddNumber();
  const auto first = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const auto second = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  ASSERT_TRUE(Eventually([&] {  // The sender knows it by now.
    return Run({"pause", account_sid_, stopped, "--reason", "complaints"}).code == 0;
  }));
  ASSERT_TRUE(HaveSeen({first.get(), second.get()}, "pause_began")) << first->Output();
  const Send reply = MakeSend(stopped, kTo, "reply");
  const Send bulk = MakeBulk(stopped, "bulk");
  const Send brief = MakeShort(stopped);
  const Send others = MakeSend(other, kTo, "others");
  Command({reply, bulk, brief, others});
  ASSERT_TRUE(WaitForOutcome(others.message_id(), SendOutcome::STATE_SENT)) << first->Output();
  // Its time is over: so long nothing of the number left.
  ASSERT_TRUE(WaitForOutcome(brief.message_id(), SendOutcome::STATE_EXPIRED)) << first->Output();
  EXPECT_THAT(SendersSeen(), Each(other));
  const auto queues = Rows("queues");
  ASSERT_EQ(queues.size(), 1U);
  EXPECT_EQ(queues[0]["number"], stopped);
  EXPECT_EQ(queues[0]["paused"], "yes");
  EXPECT_EQ(queues[0]["queued"], "2");
  EXPECT_EQ(queues[0]["sending"], "0");
  const auto breakers = Rows("breakers");
  ASSERT_EQ(breakers.size(), 1U);
  EXPECT_EQ(breakers[0]["state"], "paused");
  EXPECT_EQ(breakers[0]["reason"], "complaints");
  EXPECT_THAT(breakers[0]["who"].get<std::string>(), HasSubstr("command line"));
  EXPECT_EQ(Run({"resume", account_sid_, stopped}).code, 0);
  EXPECT_TRUE(WaitForOutcome(reply.message_id(), SendOutcome::STATE_SENT)) << first->Output();
  EXPECT_TRUE(WaitForOutcome(bulk.message_id(), SendOutcome::STATE_SENT)) << first->Output();
  EXPECT_EQ(Ledger().size(), 3U);
  EXPECT_THAT(first->Output(), Not(HasSubstr(stopped))) << "numbers are masked in logs";
}

TEST_F(OperatorTest, APausedAccountStopsInTheMidstOfItsQueueAlsoAfterARestart) {
  PublishAccount();
  const std::string from = AddNumber(20);
  auto sender = StartSender();
  std::vector<Send> sends;
  for (int i = 0; i < 120; ++i) sends.push_back(MakeBulk(from, std::to_string(i)));
  Command(sends);
  ASSERT_TRUE(WaitForLedger(5)) << sender->Output();
  ASSERT_EQ(Post("/pause", json{{"account", account_sid_}}.dump())->status, 200);
  ASSERT_TRUE(HaveSeen({sender.get()}, "pause_began")) << sender->Output();
  const std::string ours = "FROM deliveries WHERE organization_id = '" + organization_id_ + "' ";
  // What was journalled before that is answered.
  ASSERT_TRUE(
      Eventually([&] { return Count("SELECT count(*) " + ours + "AND state = 'sending'") == 0; }));
  const std::size_t sent = Ledger().size();
  EXPECT_LT(sent, 120U);
  sender->Signal(SIGKILL);
  sender->Wait();
  sender = StartSender();
  const Send brief = MakeShort(from);
  Command(brief);
  ASSERT_TRUE(WaitForOutcome(brief.message_id(), SendOutcome::STATE_EXPIRED)) << sender->Output();
  EXPECT_EQ(Ledger().size(), sent);
  // The number has no pause of its own.
  const auto not_paused = Post("/resume", OrderFor(from));
  EXPECT_EQ(not_paused->status, 404);
  EXPECT_THAT(not_paused->body, HasSubstr("resume the account"));
  ASSERT_EQ(Post("/resume", json{{"account", account_sid_}}.dump())->status, 200);
  ASSERT_TRUE(WaitForLedger(120)) << sender->Output();
  EXPECT_EQ(Count("SELECT count(*) " + ours + "AND state NOT IN ('sending', 'sent', 'expired')"),
            0);
  EXPECT_THAT(sender->Output(), HasSubstr("resume_ordered"));
}

TEST_F(OperatorTest, BreakersAndNumbersThatTwilioRefusesAreShownWithTheirReasons) {
  PublishAccount();
  const std::string from = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const std::string foreign = "+15557990001";  // Twilio does not know it as the account's.
  const Send refused = MakeSend(foreign, kTo, "refused");
  Command(refused);
  ASSERT_TRUE(WaitForOutcome(refused.message_id(), SendOutcome::STATE_FAILED)) << sender->Output();
  const std::string reason = Outcome(refused.message_id())->reason();
  SetFaults({{"drop_before_rate", 1}});
  for (int i = 1; i <= 3; ++i) {
    Command(MakeSend(from, "+1555010000" + std::to_string(i), "lost"));
  }
  std::vector<json> rows;
  ASSERT_TRUE(Eventually([&] {
    const auto answer = Get("/breakers?limit=1000");
    if (!answer || answer->status != 200) return false;
    rows = Ours(json::parse(answer->body)["breakers"]);
    return rows.size() == 2 && rows[0]["state"] == "open";
  })) << json(rows).dump()
      << sender->Output();
  EXPECT_EQ(rows[0]["number"], "");
  EXPECT_EQ(rows[0]["reason"], "UNCONFIRMED_NO_ANSWER");
  EXPECT_NE(rows[0]["until"], "");
  EXPECT_EQ(rows[1]["number"], foreign);
  EXPECT_EQ(rows[1]["state"], "waiting");
  EXPECT_EQ(rows[1]["reason"], reason);
  EXPECT_FALSE(Rows("breakers").empty());
  SetFaults(json::object());
  Command(MakeSend(from, kTo, "probe"));
  EXPECT_TRUE(Eventually([&] {  // Once a request succeeds.
    const auto now = Rows("breakers");
    return std::none_of(now.begin(), now.end(),
                        [](const json& row) { return row["number"] == ""; });
  })) << sender->Output();
}

TEST_F(OperatorTest, OrdersThatMeanNothingAreRefusedWithWhatToDo) {
  PublishAccount();
  const std::string number = AddNumber();
  const auto sender = StartSender();
  ASSERT_TRUE(Eventually([&] {
    return Count("SELECT count(*) FROM numbers WHERE account_sid = '" + account_sid_ + "'") == 1;
  }));
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string says;
  };
  const std::string nobody = "AC" + std::string(32, '9');
  const Case cases[] = {
      {{"pause"}, 2, "ACCOUNT is required"},
      {{"pause", "AC1"}, 2, "32 hexadecimal digits"},
      {{"pause", account_sid_, "whatsapp:" + number}, 2, "without whatsapp:"},
      {{"pause", account_sid_, "--reason", "two\nlines"}, 2, "one line"},
      {{"pause", nobody}, 3, "knows no account"},
      {{"pause", account_sid_, "+15557990002"}, 3, "knows no number"},
      {{"resume", account_sid_, number}, 3, "There is no pause"},
      {{"resume", account_sid_, "--reason", "x"}, 2, "--reason"},
      {{"pause", "--help"}, 0, "ACCOUNT"},
      {{"breakers", "--limit", "0"}, 2, "limit"},
  };
  for (const Case& c : cases) {
    const Ended ended = Run(c.arguments);
    EXPECT_EQ(ended.code, c.code) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr(c.says));
  }
  EXPECT_EQ(Count("SELECT count(*) FROM pauses WHERE account_sid = '" + account_sid_ + "'"), 0);
}

TEST_F(OperatorTest, TheAdminPortAnswersTheSameAndTakesNoOrdersOfWebPages) {
  PublishAccount();
  const std::string number = AddNumber();
  const auto sender = StartSender({"PARLEY_RATE_LONG_CODE=0"});
  const Send later = [&] {
    Send send = MakeSend(number, kTo, "later");
    send.set_not_before_us(ToMicros(SystemClock().Now()) + 600'000'000);
    return send;
  }();
  Command(later);
  ASSERT_TRUE(Eventually([&] { return WasAccepted(later.message_id()); }));
  for (const std::string question : {"shards", "queues", "unconfirmed", "breakers"}) {
    const auto answer = Get("/" + question);
    ASSERT_EQ(answer->status, 200) << answer->body;
    EXPECT_TRUE(json::parse(answer->body)[question].is_array()) << answer->body;
    EXPECT_THAT(answer->body, Not(HasSubstr(kTo)));
    EXPECT_EQ(Get("/" + question + "?limit=0")->status, 400);
    EXPECT_EQ(Get("/" + question + "?limit=1001")->status, 400);
    EXPECT_EQ(Get("/" + question + "?limit=ten")->status, 400);
  }
  const json queues = json::parse(Get("/queues?limit=1")->body);
  EXPECT_EQ(queues["queues"].size(), 1U);
  EXPECT_TRUE(queues["more"].is_boolean());

  const std::string order = OrderFor(number);
  EXPECT_EQ(Post("/pause", order, {{"Origin", "https://example.com"}})->status, 403);
  EXPECT_EQ(Post("/pause", order, {}, "text/plain")->status, 400);
  EXPECT_EQ(Post("/pause", order, {}, "application/x-www-form-urlencoded")->status, 400);
  for (const std::string wrong : {"", "[]", "{", "{\"account\":5}", "{\"account\":\"AC1\"}",
                                  "{\"accounts\":\"x\"}", "\xff"}) {
    const auto answer = Post("/pause", wrong);
    EXPECT_EQ(answer->status, 400) << wrong;
    EXPECT_THAT(answer->body, HasSubstr("PAUSE_INVALID"));
  }
  EXPECT_EQ(Post("/pause", std::string(100'000, ' '))->status, 413);
  EXPECT_EQ(Post("/pause", json{{"account", "AC" + std::string(32, '9')}}.dump())->status, 404);
  EXPECT_EQ(Get("/pause")->status, 404);
  EXPECT_TRUE(Rows("breakers").empty());

  ASSERT_EQ(Post("/pause", order, {}, "application/json; charset=utf-8")->status, 200);
  ASSERT_TRUE(HaveSeen({sender.get()}, "pause_began"));
  EXPECT_EQ(Rows("breakers").size(), 1U);
  EXPECT_EQ(Post("/pause", order)->status, 200) << "again";
  EXPECT_THAT(sender->Output(), HasSubstr("pause_ordered"));
  EXPECT_TRUE(Eventually([&] {
    return Get("/metrics")->body.find("parley_sender_pauses{of=\"number\"}") != std::string::npos;
  }));
  EXPECT_EQ(Post("/resume", order)->status, 200);
}

}  // namespace
}  // namespace parley::sender
