#include "domain/address.h"

#include <algorithm>

#include "domain/text.h"

namespace parley::simulator {
namespace {

struct Prefix {
  std::string_view text;
  Channel channel;
};
constexpr Prefix kPrefixes[] = {{"whatsapp:", Channel::kWhatsApp},
                                {"messenger:", Channel::kMessenger},
                                {"rcs:", Channel::kRcs}};

std::string StripPunctuation(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '-' && c != '.' && c != '(' && c != ')') out.push_back(c);
  }
  return out;
}

// Letters, digits, spaces and a few signs; 11 characters at most, one letter at least.
bool IsAlphanumericSender(std::string_view text) {
  if (text.empty() || text.size() > 11) return false;
  bool letter = false;
  for (const char c : text) {
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    letter |= alpha;
    if (!alpha && !(c >= '0' && c <= '9') &&
        std::string_view(" +-_&").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return letter;
}

}  // namespace

std::string Address::Text() const {
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.channel == channel) return std::string(prefix.text) + number;
  }
  return number;
}

bool IsE164(std::string_view text) {
  if (text.size() < 8 || text.size() > 16 || text[0] != '+' || text[1] == '0') return false;
  if (!AllDigits(text.substr(1))) return false;
  // A number of the North American plan has ten digits behind its country code.
  return text[1] != '1' || text.size() == 12;
}

Address ParseAddress(std::string_view text) {
  Address address;
  for (const Prefix& prefix : kPrefixes) {
    if (text.size() > prefix.text.size() &&
        EqualsIgnoreCase(text.substr(0, prefix.text.size()), prefix.text)) {
      address.channel = prefix.channel;
      text.remove_prefix(prefix.text.size());
      break;
    }
  }
  if (address.channel == Channel::kMessenger || address.channel == Channel::kRcs) {
    address.kind = text.size() <= 64 ? AddressKind::kOther : AddressKind::kInvalid;
    address.number = std::string(text);
    return address;
  }
  if (IsE164(text)) {
    address.kind = AddressKind::kPhone;
    address.number = std::string(text);
    return address;
  }
  if (text.size() > 40) {
    address.number = std::string(text);
    return address;
  }
  const std::string bare = StripPunctuation(text);
  if (address.channel == Channel::kSms && AllDigits(bare) && bare.size() >= 3 && bare.size() <= 6) {
    address.kind = AddressKind::kShortCode;
    address.number = bare;
    return address;
  }
  std::string e164 = bare;
  if (AllDigits(bare) && bare.size() == 10) e164 = "+1" + bare;
  if (AllDigits(bare) && bare.size() == 11 && bare[0] == '1') e164 = "+" + bare;
  if (IsE164(e164)) {
    address.kind = AddressKind::kPhone;
    address.number = e164;
    return address;
  }
  address.number = std::string(text);
  if (address.channel == Channel::kSms && IsAlphanumericSender(text)) {
    address.kind = AddressKind::kAlphanumeric;
  }
  return address;
}

std::string FriendlyNumber(std::string_view e164) {
  if (e164.size() != 12 || e164.substr(0, 2) != "+1") return std::string(e164);
  std::string out = "(";
  out += e164.substr(2, 3);
  out += ") ";
  out += e164.substr(5, 3);
  out += "-";
  out += e164.substr(8);
  return out;
}

}  // namespace parley::simulator
