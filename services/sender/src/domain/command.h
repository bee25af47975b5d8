// What a command from Kafka must be before it is stored. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "domain/delivery.h"
#include "parley/events/v1/send_command.pb.h"

namespace parley::sender {

inline constexpr std::size_t kBodyCharsMax = 1600;
inline constexpr std::size_t kMediaMax = 10;
inline constexpr std::size_t kUrlBytesMax = 4096;
inline constexpr std::size_t kVariablesBytesMax = 16 << 10;
inline constexpr std::chrono::hours kNotAfterMax{24};
// `not_after` counts from when the gateway emitted the command, by another clock.
inline constexpr std::chrono::minutes kNotAfterTolerance{5};

// Errors: kInvalidArgument with the field that is wrong; never retryable. `produced_at` is the
// record's time: a command that waited long in Kafka is late, not malformed.
absl::StatusOr<NewDelivery> ParseSend(const std::string& organization_id,
                                      const events::v1::Send& send, Time produced_at);

// Errors: kInvalidArgument.
absl::Status CheckCancel(const std::string& organization_id, const events::v1::CancelSend& cancel);
absl::Status CheckCampaign(const std::string& organization_id,
                           const events::v1::CampaignState& campaign);

}  // namespace parley::sender
