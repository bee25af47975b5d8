#include "libs/twilio/number.h"

#include <algorithm>

#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::twilio {
namespace {

constexpr std::size_t kSenderNameCharsMax = 11;
constexpr std::size_t kOtherCharsMax = 256;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool IsShortCode(std::string_view text) {
  return text.size() >= 3 && text.size() <= 8 && std::all_of(text.begin(), text.end(), IsDigit);
}

bool IsSenderName(std::string_view text) {
  const auto allowed = [](char c) {
    return IsLetter(c) || IsDigit(c) || c == ' ' || c == '&' || c == '+' || c == '-' || c == '_';
  };
  // What begins with "+" was meant to be a number.
  return !text.empty() && text.size() <= kSenderNameCharsMax && text.front() != '+' &&
         std::all_of(text.begin(), text.end(), allowed) &&
         std::any_of(text.begin(), text.end(), IsLetter);
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

Channel ChannelOf(std::string_view address) {
  for (const Channel channel : {Channel::kWhatsApp, Channel::kMessenger, Channel::kRcs}) {
    if (StartsWith(address, ChannelPrefix(channel))) return channel;
  }
  return Channel::kSms;
}

std::string_view ChannelName(Channel channel) {
  switch (channel) {
    case Channel::kSms:
      return "sms";
    case Channel::kWhatsApp:
      return "whatsapp";
    case Channel::kMessenger:
      return "messenger";
    case Channel::kRcs:
      return "rcs";
  }
  return "";
}

std::string_view ChannelPrefix(Channel channel) {
  switch (channel) {
    case Channel::kSms:
      return "";
    case Channel::kWhatsApp:
      return "whatsapp:";
    case Channel::kMessenger:
      return "messenger:";
    case Channel::kRcs:
      return "rcs:";
  }
  return "";
}

std::string_view WithoutChannel(std::string_view address) {
  return address.substr(ChannelPrefix(ChannelOf(address)).size());
}

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  Address address;
  address.channel = ChannelOf(text);
  address.value = WithoutChannel(text);
  if (IsE164(address.value)) {
    address.kind = AddressKind::kE164;
    return address;
  }
  switch (address.channel) {
    case Channel::kSms:
      if (IsShortCode(address.value)) {
        address.kind = AddressKind::kShortCode;
        return address;
      }
      if (IsSenderName(address.value)) {
        address.kind = AddressKind::kAlphanumeric;
        return address;
      }
      break;
    case Channel::kWhatsApp:
      break;
    case Channel::kMessenger:
    case Channel::kRcs:
      if (!address.value.empty() && address.value.size() <= kOtherCharsMax) return address;
      break;
  }
  return InvalidArgument("ADDRESS_INVALID",
                         "The address is neither a phone number with country code (+1500…), a "
                         "short code nor a sender name.");
}

NumberType GuessNumberType(std::string_view address) {
  if (ChannelOf(address) == Channel::kWhatsApp) return NumberType::kWhatsApp;
  if (IsShortCode(address)) return NumberType::kShortCode;
  if (IsE164(address)) {
    for (const std::string_view prefix :
         {"+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888"}) {
      if (StartsWith(address, prefix) && address.size() == 12) return NumberType::kTollFree;
    }
    return NumberType::kLongCode;
  }
  return IsSenderName(address) ? NumberType::kAlphanumeric : NumberType::kLongCode;
}

std::string_view NumberTypeName(NumberType type) {
  switch (type) {
    case NumberType::kLongCode:
      return "long_code";
    case NumberType::kTollFree:
      return "toll_free";
    case NumberType::kShortCode:
      return "short_code";
    case NumberType::kWhatsApp:
      return "whatsapp";
    case NumberType::kAlphanumeric:
      return "alphanumeric";
  }
  return "";
}

}  // namespace parley::twilio
