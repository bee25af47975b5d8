// The addresses of Twilio's To and From: phone numbers, short codes, sender names, and the
// channels' prefixes. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace parley::simulator {

enum class Channel : std::uint8_t { kSms, kWhatsApp, kMessenger, kRcs };

enum class AddressKind : std::uint8_t { kInvalid, kPhone, kShortCode, kAlphanumeric, kOther };

struct Address {
  Channel channel = Channel::kSms;
  AddressKind kind = AddressKind::kInvalid;
  std::string number;  // Without the channel's prefix; phone numbers in E.164.

  // As the API shows it: "whatsapp:+1500…".
  std::string Text() const;
};

// Accepts E.164 and, as Twilio does, American numbers written with spaces, dashes, dots and
// brackets. "kind" tells whether it is one at all.
Address ParseAddress(std::string_view text);

bool IsE164(std::string_view text);

// "+18005550100" → "(800) 555-0100"; other countries' numbers stay as they are.
std::string FriendlyNumber(std::string_view e164);

}  // namespace parley::simulator
