// What is known of a message of which nobody knows whether Twilio took it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parley/events/v1/send_result.pb.h"
#include "parley/v1/message.pb.h"

namespace parley::gateway {

using Findings = std::vector<events::v1::Finding>;

// Older ones go.
inline constexpr std::size_t kFindingsMax = 20;

// As a column holds them, and back; what cannot be read is left out.
std::string WriteFindings(const Findings& findings);
Findings ReadFindings(std::string_view text);

// True if they speak against the message: Twilio's list shows later ones of its sender.
bool Refuted(const Findings& findings);

// For the API. `look_again_us` is 0 if it is looked for no more.
v1::Unconfirmed ToUnconfirmed(const Findings& findings, std::int64_t look_again_us);

}  // namespace parley::gateway
