// Whether a send may leave now. Asked in the journal's transaction, with what the tables say there.
// Pure.
#pragma once

#include <chrono>
#include <string>

#include "domain/delivery.h"

namespace parley::sender {

enum class CampaignState { kNone, kRunning, kPaused, kCanceled };

// What the gate looks at.
struct GateFacts {
  bool lease_valid = false;     // Ours, of this epoch, and longer than a write may take.
  bool still_queued = false;    // And nobody tried it since it was loaded.
  bool canceled = false;        // This generation or a higher one.
  bool superseded = false;      // A higher generation exists: only that one may be sent.
  bool past_not_after = false;  // Its time is over.
  CampaignState campaign = CampaignState::kNone;
  bool opted_out = false;      // For the organization, or this pair by Twilio.
  bool window_closed = false;  // WhatsApp's, and it is no template.
  // An earlier message of the conversation is not settled, or a lower generation is on its way.
  bool conversation_busy = false;
};

enum class Verdict {
  kSend,
  kNotOurs,  // Forget it: another replica's, or settled meanwhile.
  kLater,    // The conversation is busy: due again after kBusyDelay.
  kHold,     // Wait, stored, until the campaign runs again.
  kEnd,      // Never: `state` and `reason` say why.
};

// Stored with the first waiting row of the conversation, so that it makes room in memory for the
// one that it waits for; what is behind it is parked in memory only (Scheduler::Park).
inline constexpr std::chrono::milliseconds kBusyDelay{1'000};

struct Judgement {
  Verdict verdict = Verdict::kSend;
  State state = State::kQueued;  // With kEnd.
  std::string reason = {};       // UPPER_SNAKE, with kEnd and kHold.
  std::string message = {};      // For a person.
  bool operator==(const Judgement&) const = default;
};

// What ends a send goes before what makes it wait.
Judgement Judge(const GateFacts& facts);

}  // namespace parley::sender
