// Keyset pages: how many rows, and opaque tokens that say where the next page begins. A token is
// bound to its list and the list's arguments. It is no secret and grants nothing: what it names is
// looked up under the caller's own rights. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace parley::gateway {

inline constexpr int kPageSizeDefault = 50;
inline constexpr int kPageSizeMax = 200;

// 0 is the default, and what is above the maximum is the maximum. Errors: kInvalidArgument
// INVALID_PAGE_SIZE for a negative one.
absl::StatusOr<int> PageSize(std::int32_t wanted);

// `scope` is the list's name with its arguments, for example "messages/<conversation id>".
// `position` is the sort key of the last row of the page.
std::string MakePageToken(std::string_view scope, const std::vector<std::string>& position);

// The position, or empty for an empty token (the first page). Errors: kInvalidArgument
// INVALID_PAGE_TOKEN if it was made up, or issued for other arguments.
absl::StatusOr<std::vector<std::string>> ReadPageToken(std::string_view scope,
                                                       std::string_view token,
                                                       std::size_t position_size);

// A position made of a time in µs and an id, as most lists have it; checked to be that.
struct TimeAndId {
  std::int64_t micros = 0;
  std::string id;
  bool first_page = true;
};
absl::StatusOr<TimeAndId> ReadTimeAndId(std::string_view scope, std::string_view token);
std::string MakeTimeAndId(std::string_view scope, std::int64_t micros, std::string_view id);

}  // namespace parley::gateway
