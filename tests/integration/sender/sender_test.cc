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
  EXPECT_THAT(StatesOf(send.message_id()),
              ElementsAre(SendOutcome::STATE_SENDING, SendOutcome::STATE_SENT));
  EXPECT_TRUE(WasAccepted(send.message_id()));
  EXPECT_THAT(Outcome(send.message_id())->message_sid(), StartsWith("SM"));
  EXPECT_EQ(Outcome(send.message_id())->attempt(), 1);
  Command(send);  // Again, after it was settled: nothing but an answer.
  const Send next = MakeSend(from, kTo, "next");
  Command(next);
  ASSERT_TRUE(WaitForOutcome(next.message_id(), SendOutcome::STATE_SENT));
  const auto ledger = Ledger();
  EXPECT_THAT(Bodies(ledger), ElementsAre("hello", "next"));
  EXPECT_EQ(ledger[0].status_callback,
            "http://127.0.0.1:1/webhooks/twilio/status?message_id=" + send.message_id() +
                "&attempt=1#rc=5&rp=all");
  EXPECT_EQ(Count("SELECT count(*) FROM deliveries WHERE body <> '' AND state = 'sent'"), 0);
  sender->Signal(SIGTERM);
  EXPECT_EQ(sender->Wait(), 0);
  const std::string log = sender->Output();
  EXPECT_THAT(log, HasSubstr("\"event\":\"sent\""));
  EXPECT_THAT(log, Not(HasSubstr("hello")));
  EXPECT_THAT(log, Not(HasSubstr(kTo)));
  EXPECT_EQ(Count("SELECT count(*) FROM shards WHERE owner IS NOT NULL"), 0);
}

}  // namespace
}  // namespace parley::sender
