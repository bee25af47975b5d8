// Batches that touch the same rows in different orders: nobody waits for somebody who waits for
// them.
#include <thread>

#include "catchup/message_lists.h"
#include "fixture.h"
#include "parley/events/v1/send_result.pb.h"
#include "store/catch_up.h"
#include "store/inbox.h"
#include "store/statuses.h"

namespace parley::gateway {
namespace {

using events::v1::SendOutcome;

constexpr int kMessages = 40;
constexpr int kRounds = 40;

class LocksTest : public PipelineTest {
 protected:
  // Ids in order, of messages that left for the sender.
  std::vector<std::string> Queued() {
    std::vector<std::string> ids;
    std::vector<store::NewMessage> messages;
    for (int i = 0; i < kMessages; ++i) {
      store::NewMessage message;
      message.organization_id = organization_id_;
      message.message_id = NewId();
      message.channel_id = channel_id_;
      message.customer_number = customer_;
      message.direction = v1::Message::DIRECTION_OUTBOUND;
      message.author = v1::Message::AUTHOR_AGENT;
      message.body = "Good morning";
      message.received_at = clock_.Now();
      ids.push_back(message.message_id);
      messages.push_back(std::move(message));
    }
    const absl::Status stored = Worker().Transact([&](pqxx::work& tx) {
      return store::Append(tx, messages, {.now = clock_.Now()}).status();
    });
    EXPECT_EQ(stored, absl::OkStatus());
    return ids;
  }

  // Both at once, again and again; each has to succeed every time.
  static void Race(const std::function<absl::Status(int)>& one,
                   const std::function<absl::Status(int)>& other) {
    std::vector<std::jthread> threads;
    for (const auto* side : {&one, &other}) {
      threads.emplace_back([side] {
        for (int round = 1; round <= kRounds; ++round) EXPECT_EQ((*side)(round), absl::OkStatus());
      });
    }
  }
};

TEST_F(LocksTest, BatchesOfTheSenderNeverDeadlock) {
  const std::vector<std::string> ids = Queued();
  // One has outcomes of the first half and accepts the second, the other the other way round.
  const auto batch = [&](bool first_half, int round) {
    std::vector<kafka::Record> records;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      events::v1::SendResult result;
      if ((i < ids.size() / 2) == first_half) {
        SendOutcome& outcome = *result.mutable_outcome();
        outcome.set_organization_id(organization_id_);
        outcome.set_message_id(ids[i]);
        outcome.set_account_sid(account_sid_);
        outcome.set_state(SendOutcome::STATE_QUEUED);
        outcome.set_version(round);
        outcome.set_at_us(ToMicros(clock_.Now()));
      } else {
        events::v1::AcceptedBatch::Item& item = *result.mutable_accepted()->add_items();
        item.set_organization_id(organization_id_);
        item.set_message_id(ids[i]);
      }
      records.push_back(ToRecord(kafka::kSendResultsTopic, result));
    }
    return records;
  };
  std::vector<std::vector<kafka::Record>> batches[2];
  for (int round = 1; round <= kRounds; ++round) {
    for (const bool first_half : {true, false}) {
      batches[first_half].push_back(batch(first_half, round));
    }
  }
  const auto side = [&](int which, projector::Projector& projector) {
    return [&, which](int round) {
      // So that there is something to accept. One by one: these have no order to keep.
      for (const std::string& id : ids) {
        Execute("UPDATE messages SET accepted = false WHERE id = '" + id + "'");
      }
      return projector.HandleSendResults(batches[which][static_cast<std::size_t>(round - 1)]);
    };
  };
  const auto one = MakeProjector(), other = MakeProjector();
  Race(side(0, *one), side(1, *other));
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE accepted AND" + Own()),
            std::to_string(kMessages));
}

TEST_F(LocksTest, PricesAndOutcomesNeverDeadlock) {
  std::vector<std::string> ids = Queued();
  const auto projector = MakeProjector();
  std::vector<twilio::MessageResource> page;
  std::vector<std::vector<kafka::Record>> batches;
  for (int round = 1; round <= kRounds; ++round) {
    std::vector<kafka::Record> records;
    for (const std::string& id : ids) {
      events::v1::SendResult result;
      SendOutcome& outcome = *result.mutable_outcome();
      outcome.set_organization_id(organization_id_);
      outcome.set_message_id(id);
      outcome.set_account_sid(account_sid_);
      outcome.set_message_sid("SM" + id);
      outcome.set_state(SendOutcome::STATE_SENT);
      outcome.set_attempt(1);
      outcome.set_version(round);
      outcome.set_at_us(ToMicros(clock_.Now()));
      records.push_back(ToRecord(kafka::kSendResultsTopic, result));
    }
    batches.push_back(std::move(records));
  }
  ASSERT_EQ(projector->HandleSendResults(batches.front()), absl::OkStatus());
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) {  // Latest first, as Twilio's list is.
    twilio::MessageResource message;
    message.sid = "SM" + *id;
    message.price_unit = "USD";
    page.push_back(message);
  }
  Race(
      [&](int round) {
        std::vector<twilio::MessageResource> priced = page;
        for (twilio::MessageResource& message : priced) {
          message.price = "-0.00" + std::to_string(10 + round);
        }
        return Worker().Transact([&](pqxx::work& tx) {
          store::SetPrices(tx, account_sid_, priced);
          return absl::OkStatus();
        });
      },
      [&](int round) {
        return projector->HandleSendResults(batches[static_cast<std::size_t>(round - 1)]);
      });
  EXPECT_EQ(Value("SELECT count(*) FROM messages WHERE price IS NOT NULL AND" + Own()),
            std::to_string(kMessages));
}

// Profiles name contacts while conversations are locked.
TEST_F(LocksTest, NamesOfCustomersNeverDeadlock) {
  std::vector<events::v1::InboundRecord> texts;
  for (int i = 0; i < kMessages; ++i) {
    events::v1::InboundRecord text = Text("Hello");
    text.set_customer_number("+1555" + customer_.substr(6, 4) + std::to_string(100 + i));
    texts.push_back(text);
  }
  const auto with_names = [&](bool backwards, int round) {
    std::vector<kafka::Record> records;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      events::v1::InboundRecord text = texts[backwards ? texts.size() - 1 - i : i];
      // Two channels have conversations with each customer: one contact, different orders.
      text.set_medium(backwards ? events::v1::MEDIUM_WHATSAPP : events::v1::MEDIUM_SMS);
      text.mutable_message()->set_message_sid("SM-" + std::to_string(backwards) + "-" +
                                              std::to_string(round) + "-" + std::to_string(i));
      text.mutable_message()->set_profile_name(round == 0 ? "" : "Ada");
      records.push_back(InRecord(text));
    }
    return records;
  };
  const auto one = MakeProjector(), other = MakeProjector();
  // The conversations of one medium are in another order than those of the other.
  for (int i = kMessages - 1; i >= 0; --i) {
    ASSERT_EQ(other->HandleInbound({with_names(true, 0)[static_cast<std::size_t>(i)]}),
              absl::OkStatus());
    ASSERT_EQ(
        one->HandleInbound({with_names(false, 0)[static_cast<std::size_t>(kMessages - 1 - i)]}),
        absl::OkStatus());
  }
  std::vector<std::vector<kafka::Record>> batches[2];
  for (int round = 1; round <= kRounds; ++round) {
    batches[0].push_back(with_names(false, round));
    batches[1].push_back(with_names(true, round));
  }
  const auto side = [&](std::size_t which, projector::Projector& projector) {
    return [&, which](int round) {
      Execute("UPDATE contacts SET display_name = '' WHERE id = (SELECT id FROM contacts WHERE" +
              Own() + "LIMIT 1)");
      return projector.HandleInbound(batches[which][static_cast<std::size_t>(round - 1)]);
    };
  };
  Race(side(0, *one), side(1, *other));
}

}  // namespace
}  // namespace parley::gateway
