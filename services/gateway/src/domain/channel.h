// The rules of a channel's settings. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "parley/v1/channel.pb.h"

namespace parley::gateway {

// What a new channel gets where its creator says nothing.
struct ChannelDefaults {
  bool ai_enabled = false;
  int ai_delay_ms = 2'000;
  std::string ai_provider;
};
void FillDefaults(v1::Channel& channel, const ChannelDefaults& defaults);

// Errors: kInvalidArgument with the reasons of domain/validation.h, and MEDIA_MISSING,
// MEDIA_REPEATED, NUMBER_MISSING (a medium without a number to use), UNKNOWN_PROVIDER,
// INVALID_OFFICE_HOURS, INVALID_VOICE, FORWARD_TO_ITSELF. Whether the time zone exists is not known
// here.
struct ChannelRules {
  bool https_only = false;  // Of its public address.
};
absl::Status CheckChannel(const v1::Channel& channel, const ChannelRules& rules = {});

// An auto-reply that is written without a mode is given, as it always was; one that is taken away
// is not.
void SettleAutoReplyMode(const std::set<std::string>& changed, v1::Channel& channel);

// Copies the named fields (paths such as "display_name", "ai.enabled") from one to the other.
void CopyFields(const v1::Channel& from, const std::set<std::string>& paths, v1::Channel& to);

// The numbers that it claims of its account, each once. WhatsApp's shared sandbox number is
// nobody's.
std::vector<std::string> NumbersOf(const v1::Channel& channel);

}  // namespace parley::gateway
