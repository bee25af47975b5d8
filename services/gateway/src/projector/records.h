// Kafka's records as typed events. Pure. What fails here can never be stored and goes to the
// dead-letter topic: kInvalidArgument UNPARSABLE or INVALID_RECORD, with what is wrong.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"
#include "parley/events/v1/reply.pb.h"
#include "parley/events/v1/send_result.pb.h"
#include "store/calls.h"
#include "store/inbox.h"

namespace parley::gateway::projector {

absl::StatusOr<events::v1::InboundRecord> ParseInbound(std::string_view value);
absl::StatusOr<events::v1::ReplyRecord> ParseReply(std::string_view value);
absl::StatusOr<events::v1::SendResult> ParseSendResult(std::string_view value);
absl::StatusOr<events::v1::DeliveryStatusRecord> ParseDeliveryStatus(std::string_view value);
absl::StatusOr<events::v1::ConsentRecord> ParseConsent(std::string_view value);

// The message to store, but for organization and channel; not for a recording. Keywords, calls and
// what is older than `reply_age_max` start no AI turn.
store::NewMessage ToNewMessage(const events::v1::InboundRecord& record, Time now,
                               std::chrono::seconds reply_age_max);

// What Twilio was told to answer `inbound`, made of the record, by TwiML.
store::NewMessage ToAutoReply(const events::v1::InboundRecord& record,
                              const store::NewMessage& inbound);

// What a call's or a recording's record says about the call.
store::CallReport ToCallReport(const events::v1::InboundRecord& record, Time now);

// The consent that a keyword gives or withdraws, but for its organization; empty for other texts.
std::optional<store::Consent> ToConsent(const events::v1::InboundRecord& record, Time now);

// The parameters that have no column of their own, as a JSON object; a name that is there more than
// once has a list of its values.
std::string ParametersJson(const events::v1::InboundRecord& record);

// The AI's message, or the failure, that ends a turn. An answer that cannot be sent is a failure.
store::NewMessage ToNewMessage(const events::v1::ReplyRecord& record, Time now);

// The longest text that Twilio takes.
inline constexpr std::size_t kBodyCodePointsMax = 1600;

}  // namespace parley::gateway::projector
