#include "domain/turns.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace parley::sender {
namespace {

// Sends `count` times, `cost` segments of whoever is first.
std::map<std::int64_t, int> Send(Turns& turns, int count, const std::map<std::int64_t, int>& cost) {
  std::map<std::int64_t, int> sent;
  for (int i = 0; i < count; ++i) {
    Turns::Party& party = *turns.waiting().begin()->second;
    const int segments = cost.at(party.nr);
    turns.Charge(party, segments);
    sent[party.nr] += segments;
  }
  return sent;
}

TEST(Turns, SegmentsAreSharedByWeight) {
  Turns turns;
  Turns::Party light{.nr = 1}, heavy{.nr = 2, .weight = 3};
  turns.Enter(light);
  turns.Enter(heavy);
  const auto sent = Send(turns, 400, {{1, 1}, {2, 1}});
  EXPECT_EQ(sent.at(1), 100);
  EXPECT_EQ(sent.at(2), 300);
}

TEST(Turns, LongMessagesCountForWhatTheyCost) {
  Turns turns;
  Turns::Party brief{.nr = 1}, wordy{.nr = 2};
  turns.Enter(brief);
  turns.Enter(wordy);
  const auto sent = Send(turns, 600, {{1, 1}, {2, 5}});
  EXPECT_NEAR(sent.at(1), sent.at(2), 5);
}

TEST(Turns, WhoComesWaitsForOneSendOfEachAhead) {
  Turns turns;
  Turns::Party busy{.nr = 1}, other{.nr = 2}, comes{.nr = 3};
  turns.Enter(busy);
  turns.Enter(other);
  Send(turns, 100'000, {{1, 1}, {2, 1}});
  turns.Enter(comes);
  for (int i = 0; i < 2 && turns.waiting().begin()->second != &comes; ++i) {
    turns.Charge(*turns.waiting().begin()->second, 1);
  }
  EXPECT_EQ(turns.waiting().begin()->second, &comes);
}

TEST(Turns, NobodySavesUpAClaim) {
  Turns turns;
  Turns::Party idle{.nr = 1}, busy{.nr = 2};
  turns.Enter(idle);
  turns.Leave(idle);
  turns.Enter(busy);
  Send(turns, 1'000, {{2, 1}});
  turns.Enter(idle);
  const auto sent = Send(turns, 100, {{1, 1}, {2, 1}});
  EXPECT_NEAR(sent.at(1), sent.at(2), 2);
}

}  // namespace
}  // namespace parley::sender
