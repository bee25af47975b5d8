#include "domain/gate.h"

#include <gtest/gtest.h>

namespace parley::sender {
namespace {

constexpr GateFacts kFree{.lease_valid = true, .still_queued = true};

GateFacts With(void (*change)(GateFacts&)) {
  GateFacts facts = kFree;
  change(facts);
  return facts;
}

TEST(Judge, StopsForTheFirstReason) {
  const struct {
    const char* label;
    GateFacts facts;
    Verdict verdict;
    State state;
    const char* reason;
  } cases[] = {
      {"nothing stands against it", kFree, Verdict::kSend, State::kQueued, ""},
      {"another replica's shard", With([](GateFacts& f) { f.lease_valid = false; }),
       Verdict::kNotOurs, State::kQueued, ""},
      {"settled meanwhile", With([](GateFacts& f) { f.still_queued = false; }), Verdict::kNotOurs,
       State::kQueued, ""},
      {"canceled", With([](GateFacts& f) { f.canceled = true; }), Verdict::kEnd, State::kCanceled,
       "CANCELED"},
      {"asked for again", With([](GateFacts& f) { f.superseded = true; }), Verdict::kEnd,
       State::kCanceled, "SUPERSEDED"},
      {"late", With([](GateFacts& f) { f.past_not_after = true; }), Verdict::kEnd, State::kExpired,
       "NOT_AFTER_PASSED"},
      {"opted out", With([](GateFacts& f) { f.opted_out = true; }), Verdict::kEnd, State::kFailed,
       "OPTED_OUT"},
      {"window closed", With([](GateFacts& f) { f.window_closed = true; }), Verdict::kEnd,
       State::kFailed, "WHATSAPP_WINDOW_CLOSED"},
      {"campaign canceled", With([](GateFacts& f) { f.campaign = CampaignState::kCanceled; }),
       Verdict::kEnd, State::kCanceled, "CAMPAIGN_CANCELED"},
      {"campaign paused", With([](GateFacts& f) { f.campaign = CampaignState::kPaused; }),
       Verdict::kHold, State::kQueued, "CAMPAIGN_PAUSED"},
      {"campaign running", With([](GateFacts& f) { f.campaign = CampaignState::kRunning; }),
       Verdict::kSend, State::kQueued, ""},
      {"conversation busy", With([](GateFacts& f) { f.conversation_busy = true; }), Verdict::kLater,
       State::kQueued, ""},
      {"opted out while its campaign is paused: it ends at once", With([](GateFacts& f) {
         f.opted_out = true;
         f.campaign = CampaignState::kPaused;
       }),
       Verdict::kEnd, State::kFailed, "OPTED_OUT"},
      {"canceled while the conversation is busy: it ends at once", With([](GateFacts& f) {
         f.canceled = true;
         f.conversation_busy = true;
       }),
       Verdict::kEnd, State::kCanceled, "CANCELED"},
  };
  for (const auto& c : cases) {
    const Judgement judgement = Judge(c.facts);
    EXPECT_EQ(judgement.verdict, c.verdict) << c.label;
    EXPECT_EQ(judgement.state, c.state) << c.label;
    EXPECT_EQ(judgement.reason, c.reason) << c.label;
    const bool explains = c.verdict == Verdict::kEnd || c.verdict == Verdict::kHold;
    EXPECT_EQ(!judgement.message.empty(), explains) << c.label;
  }
}

}  // namespace
}  // namespace parley::sender
