#include "domain/message.h"

#include <algorithm>
#include <array>
#include <span>

#include "libs/twilio/number.h"

namespace parley::gateway {
namespace {

// Names by number: every enum here counts from 0.
constexpr std::string_view kMediumNames[] = {"", "sms", "whatsapp", "voice"};
constexpr std::string_view kDirectionNames[] = {"", "inbound", "outbound"};
constexpr std::string_view kAuthorNames[] = {"", "customer", "agent", "ai", "system"};
constexpr std::string_view kKindNames[] = {"", "text", "mms", "call"};
constexpr std::string_view kStatusNames[] = {
    "",          "received", "scheduled",   "queued", "sending",  "sent",
    "delivered", "read",     "undelivered", "failed", "canceled", "unconfirmed"};

constexpr std::string_view kCallStatusNames[] = {"",     "ringing", "in-progress", "completed",
                                                 "busy", "failed",  "no-answer",   "canceled"};

static_assert(std::size(kCallStatusNames) == v1::Message::CallStatus_ARRAYSIZE);
static_assert(std::size(kMediumNames) == v1::Medium_ARRAYSIZE);
static_assert(std::size(kDirectionNames) == v1::Message::Direction_ARRAYSIZE);
static_assert(std::size(kAuthorNames) == v1::Message::Author_ARRAYSIZE);
static_assert(std::size(kKindNames) == v1::Message::Kind_ARRAYSIZE);
static_assert(std::size(kStatusNames) == v1::Message::Status_ARRAYSIZE);

std::string_view NameOf(std::span<const std::string_view> names, int value) {
  const auto at = static_cast<std::size_t>(value);
  return value >= 0 && at < names.size() ? names[at] : std::string_view();
}

template <class Enum>
Enum ParseName(std::span<const std::string_view> names, std::string_view name) {
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return static_cast<Enum>(0);
}

static_assert(static_cast<int>(v1::MEDIUM_SMS) == events::v1::MEDIUM_SMS);
static_assert(static_cast<int>(v1::MEDIUM_WHATSAPP) == events::v1::MEDIUM_WHATSAPP);
static_assert(static_cast<int>(v1::MEDIUM_VOICE) == events::v1::MEDIUM_VOICE);

}  // namespace

std::string_view MediumName(Medium medium) { return NameOf(kMediumNames, medium); }
std::string_view DirectionName(Direction direction) { return NameOf(kDirectionNames, direction); }
std::string_view AuthorName(Author author) { return NameOf(kAuthorNames, author); }
std::string_view KindName(Kind kind) { return NameOf(kKindNames, kind); }
std::string_view StatusName(Status status) { return NameOf(kStatusNames, status); }
std::string_view CallStatusName(CallStatus status) { return NameOf(kCallStatusNames, status); }

Medium ParseMedium(std::string_view name) { return ParseName<Medium>(kMediumNames, name); }
Direction ParseDirection(std::string_view name) {
  return ParseName<Direction>(kDirectionNames, name);
}
Author ParseAuthor(std::string_view name) { return ParseName<Author>(kAuthorNames, name); }
Kind ParseKind(std::string_view name) { return ParseName<Kind>(kKindNames, name); }
Status ParseStatus(std::string_view name) { return ParseName<Status>(kStatusNames, name); }
CallStatus ParseCallStatus(std::string_view name) {
  return ParseName<CallStatus>(kCallStatusNames, name);
}

int CallStatusRank(CallStatus status) {
  // Every state in which a call can end has the same rank.
  return std::min<int>(status, v1::Message::CALL_STATUS_COMPLETED);
}

Medium FromEvent(events::v1::Medium medium) {
  return v1::Medium_IsValid(medium) ? static_cast<Medium>(medium) : v1::MEDIUM_UNSPECIFIED;
}
events::v1::Medium ToEvent(Medium medium) { return static_cast<events::v1::Medium>(medium); }

bool IsSenderNumber(std::string_view number) {
  const auto address = twilio::ParseAddress(number);
  return address.ok() && address->channel == twilio::Channel::kSms &&
         (address->kind == twilio::AddressKind::kE164 ||
          address->kind == twilio::AddressKind::kShortCode);
}

std::string CutText(std::string_view text, std::size_t code_points_max) {
  if (text.size() <= code_points_max) return std::string(text);
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts_code_point = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts_code_point && seen++ == code_points_max) return std::string(text.substr(0, i));
  }
  return std::string(text);
}

}  // namespace parley::gateway
