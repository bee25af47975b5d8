#include "domain/gate.h"

namespace parley::sender {

Judgement Judge(const GateFacts& facts) {
  if (!facts.lease_valid || !facts.still_queued) return {.verdict = Verdict::kNotOurs};
  if (facts.canceled) {
    return {Verdict::kEnd, State::kCanceled, "CANCELED", "It was canceled before it was sent."};
  }
  if (facts.superseded) {
    return {Verdict::kEnd, State::kCanceled, "SUPERSEDED", "It was asked for again meanwhile."};
  }
  if (facts.past_not_after) {
    return {Verdict::kEnd, State::kExpired, "NOT_AFTER_PASSED",
            "It could not be sent before the time that was set for it."};
  }
  if (facts.campaign == CampaignState::kCanceled) {
    return {Verdict::kEnd, State::kCanceled, "CAMPAIGN_CANCELED", "Its campaign was canceled."};
  }
  if (facts.opted_out) {
    return {Verdict::kEnd, State::kFailed, "OPTED_OUT",
            "The customer opted out; they can opt in again by texting START."};
  }
  if (facts.window_closed) {
    return {Verdict::kEnd, State::kFailed, "WHATSAPP_WINDOW_CLOSED",
            "More than 24 hours passed since the customer's last WhatsApp message; send a "
            "template instead."};
  }
  if (facts.campaign == CampaignState::kPaused) {
    return {Verdict::kHold, State::kQueued, "CAMPAIGN_PAUSED", "Its campaign is paused."};
  }
  if (facts.conversation_busy) return {.verdict = Verdict::kLater};
  return {.verdict = Verdict::kSend};
}

}  // namespace parley::sender
