// What lies in the spool's folder, by name, and the note of how far it was replayed. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace parley::ingest {

// Holds the last sequence that Kafka acknowledged, all before it included.
inline constexpr std::string_view kReplayedFile = "replayed";
// Appended to the name of a segment that was replayed but had damaged places: kept for people.
inline constexpr std::string_view kDamagedSuffix = ".damaged";
// Appended to the name of a segment that holds one record which Kafka refuses for good.
inline constexpr std::string_view kRefusedSuffix = ".refused";

// "00000000000000000042.spool": the order of names is the order of records.
std::string SegmentName(std::uint64_t first_sequence);
// What SegmentName was made of; none if it made no such name.
std::optional<std::uint64_t> ParseSegmentName(std::string_view name);

std::string EncodeReplayed(std::uint64_t sequence);
// Errors: kDataLoss; then replay begins at the oldest record, and readers drop the repeats.
absl::StatusOr<std::uint64_t> DecodeReplayed(std::string_view text);

}  // namespace parley::ingest
