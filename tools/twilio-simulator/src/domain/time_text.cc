#include "domain/time_text.h"

#include <chrono>
#include <cstdio>

namespace parley::simulator {
namespace {

constexpr const char* kWeekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Civil {
  int year;
  unsigned month, day, hour, minute, second, weekday;
};

Civil ToCivil(Micros time) {
  using namespace std::chrono;
  const sys_time<microseconds> point{microseconds(time)};
  const sys_days days = floor<std::chrono::days>(point);
  const year_month_day date(days);
  const auto seconds =
      static_cast<unsigned>(duration_cast<std::chrono::seconds>(point - days).count());
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          seconds / 3600,
          seconds / 60 % 60,
          seconds % 60,
          weekday(days).c_encoding()};
}

// Reads `count` digits at the front of `text`.
bool TakeNumber(std::string_view& text, std::size_t count, int& out) {
  if (text.size() < count) return false;
  out = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string FormatRfc2822(Micros time) {
  const Civil c = ToCivil(time);
  char buffer[64];
  const int length = std::snprintf(buffer, sizeof buffer, "%s, %02u %s %04d %02u:%02u:%02u +0000",
                                   kWeekdays[c.weekday], c.day, kMonths[c.month - 1], c.year,
                                   c.hour, c.minute, c.second);
  return std::string(buffer, static_cast<std::size_t>(length));
}

std::string FormatIso8601(Micros time) {
  const Civil c = ToCivil(time);
  char buffer[64];
  const int length = std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02u:%02u:%02uZ", c.year,
                                   c.month, c.day, c.hour, c.minute, c.second);
  return std::string(buffer, static_cast<std::size_t>(length));
}

std::string FormatDlrDate(Micros time) {
  const Civil c = ToCivil(time);
  char buffer[64];
  const int length = std::snprintf(buffer, sizeof buffer, "%02d%02u%02u%02u%02u", c.year % 100,
                                   c.month, c.day, c.hour, c.minute);
  return std::string(buffer, static_cast<std::size_t>(length));
}

std::string FormatDate(Micros time) { return FormatIso8601(time).substr(0, 10); }

std::optional<ParsedTime> ParseIso8601(std::string_view text) {
  using namespace std::chrono;
  int year = 0, month = 0, day = 0;
  if (!TakeNumber(text, 4, year) || !TakeChar(text, '-') || !TakeNumber(text, 2, month) ||
      !TakeChar(text, '-') || !TakeNumber(text, 2, day)) {
    return std::nullopt;
  }
  const year_month_day date{std::chrono::year(year),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const Micros midnight = duration_cast<microseconds>(sys_days(date).time_since_epoch()).count();
  if (text.empty()) return ParsedTime{midnight, true};

  int hour = 0, minute = 0, second = 0;
  if (!TakeChar(text, 'T') && !TakeChar(text, ' ')) return std::nullopt;
  if (!TakeNumber(text, 2, hour) || !TakeChar(text, ':') || !TakeNumber(text, 2, minute) ||
      !TakeChar(text, ':') || !TakeNumber(text, 2, second) || hour > 23 || minute > 59 ||
      second > 60) {
    return std::nullopt;
  }
  Micros time = midnight + (hour * 3600 + minute * 60 + second) * kSecond;
  if (TakeChar(text, '.')) {
    Micros unit = kSecond / 10;
    bool digits = false;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      time += (text.front() - '0') * unit;
      unit /= 10;
      text.remove_prefix(1);
      digits = true;
    }
    if (!digits) return std::nullopt;
  }
  if (text.empty() || TakeChar(text, 'Z')) {
    if (!text.empty()) return std::nullopt;
    return ParsedTime{time, false};
  }
  const bool east = text.front() == '+';
  // A "+" of a query that was not encoded arrives as a space.
  if (!TakeChar(text, '+') && !TakeChar(text, '-')) return std::nullopt;
  int offset_hours = 0, offset_minutes = 0;
  if (!TakeNumber(text, 2, offset_hours)) return std::nullopt;
  TakeChar(text, ':');
  if (!TakeNumber(text, 2, offset_minutes) || !text.empty() || offset_hours > 14 ||
      offset_minutes > 59) {
    return std::nullopt;
  }
  const Micros offset = (offset_hours * 3600 + offset_minutes * 60) * kSecond;
  return ParsedTime{east ? time - offset : time + offset, false};
}

}  // namespace parley::simulator
