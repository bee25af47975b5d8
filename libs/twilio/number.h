// Twilio's addresses: phone numbers, short codes, sender names and their channel prefixes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace parley::twilio {

enum class Channel { kSms, kWhatsApp, kMessenger, kRcs };

enum class AddressKind {
  kE164,          // "+15005550006"
  kShortCode,     // 3 to 8 digits
  kAlphanumeric,  // Up to 11 letters, digits, space and "&+-_", at least one letter.
  kOther,         // What other channels use (a Messenger page, an RCS agent).
};

// Views into the text that was parsed.
struct Address {
  Channel channel = Channel::kSms;
  AddressKind kind = AddressKind::kOther;
  std::string_view value;  // Without the channel's prefix.
};

// Errors: kInvalidArgument (ADDRESS_INVALID). WhatsApp takes E.164 only; SMS an E.164 number, a
// short code or a sender name.
absl::StatusOr<Address> ParseAddress(std::string_view text);

// WhatsApp's shared number for trying it out: of every account, and so nobody's.
inline constexpr std::string_view kWhatsAppSandbox = "+14155238886";

// By the prefix alone: "whatsapp:", "messenger:", "rcs:", else SMS.
Channel ChannelOf(std::string_view address);
std::string_view ChannelName(Channel channel);    // "sms", "whatsapp", …
std::string_view ChannelPrefix(Channel channel);  // "", "whatsapp:", …

// The address without its channel's prefix.
std::string_view WithoutChannel(std::string_view address);

enum class NumberType { kLongCode, kTollFree, kShortCode, kWhatsApp, kAlphanumeric };

// What a sender's address looks like: rates differ by it (TWILIO.md 7). A guess by shape: US and
// Canadian toll-free prefixes, digits only, letters; everything else is a long code.
NumberType GuessNumberType(std::string_view address);
std::string_view NumberTypeName(NumberType type);  // "long_code", "toll_free", …

}  // namespace parley::twilio
