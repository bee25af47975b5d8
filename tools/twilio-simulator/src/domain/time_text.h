// Points in time as Twilio writes them. Times are microseconds since 1970, UTC. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parley::simulator {

using Micros = std::int64_t;

inline constexpr Micros kMillisecond = 1000;
inline constexpr Micros kSecond = 1000 * kMillisecond;
inline constexpr Micros kHour = 3600 * kSecond;
inline constexpr Micros kDay = 24 * kHour;

// "Thu, 24 Aug 2023 05:01:45 +0000", as the API of 2010 writes it.
std::string FormatRfc2822(Micros time);
// "2015-07-30T20:12:31Z", as the newer APIs write it.
std::string FormatIso8601(Micros time);
// "YYMMDDhhmm", as RawDlrDoneDate.
std::string FormatDlrDate(Micros time);
// "2023-08-24".
std::string FormatDate(Micros time);

struct ParsedTime {
  Micros time = 0;
  bool date_only = false;  // "2023-08-24": the whole day is meant.
};
// Reads "YYYY-MM-DD" and "YYYY-MM-DD[T ]hh:mm:ss[.fff][Z|+hh:mm]".
std::optional<ParsedTime> ParseIso8601(std::string_view text);

}  // namespace parley::simulator
