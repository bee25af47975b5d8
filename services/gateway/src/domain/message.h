// Words for messages as the store and Twilio write them, and as the API's enums. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parley/events/v1/common.pb.h"
#include "parley/v1/channel.pb.h"
#include "parley/v1/message.pb.h"

namespace parley::gateway {

using Medium = v1::Medium;
using Direction = v1::Message::Direction;
using Author = v1::Message::Author;
using Kind = v1::Message::Kind;
using Status = v1::Message::Status;
using CallStatus = v1::Message::CallStatus;

// Lower-case names as the database has them ("sms", "inbound", "customer", "text", "queued");
// "" for the unspecified value.
std::string_view MediumName(Medium medium);
std::string_view DirectionName(Direction direction);
std::string_view AuthorName(Author author);
std::string_view KindName(Kind kind);
std::string_view StatusName(Status status);
std::string_view CallStatusName(CallStatus status);  // As Twilio has them: "in-progress".

// The other way; the unspecified value for what is unknown.
Medium ParseMedium(std::string_view name);
Direction ParseDirection(std::string_view name);
Author ParseAuthor(std::string_view name);
Kind ParseKind(std::string_view name);
Status ParseStatus(std::string_view name);
CallStatus ParseCallStatus(std::string_view name);

// Places a call's states on a line; equal ranks exclude each other.
int CallStatusRank(CallStatus status);

// Both enums have the same numbers.
Medium FromEvent(events::v1::Medium medium);
events::v1::Medium ToEvent(Medium medium);

// True for what messages can be sent from: E.164 or a short code. A webhook may also name an RCS
// agent or a Messenger page, which cannot.
bool IsSenderNumber(std::string_view number);

// At most `code_points_max` code points of `text`, which must be valid UTF-8.
std::string CutText(std::string_view text, std::size_t code_points_max);

// What the API shows of a conversation's last message.
inline constexpr std::size_t kPreviewCodePointsMax = 200;

}  // namespace parley::gateway
