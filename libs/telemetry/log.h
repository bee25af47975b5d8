// Structured logs: one JSON object a line on standard output.
//
//   telemetry::Info("stored", {{"message_id", id}, {"to", MaskNumber(to)}, {"seq", seq}});
//
// `event` is what happened, in the past tense and stable (received, stored, published, sent …).
// Never pass message text, whole phone numbers or tokens. Thread-safe; lines are written within a
// second, warnings and errors at once.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"

namespace parley::telemetry {

class LogField {
 public:
  LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  LogField(std::string_view key, const std::string& value)
      : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value) {}
  LogField(std::string_view key, double value) : key_(key), value_(value) {}
  template <std::integral Integer>
  LogField(std::string_view key, Integer value)
      : key_(key), value_(static_cast<std::int64_t>(value)) {}

  // Appends `"key":value` to `out`.
  void AppendTo(std::string& out) const;

 private:
  std::string_view key_;
  std::variant<std::string_view, bool, double, std::int64_t> value_;
};

using LogFields = std::initializer_list<LogField>;

// Call once, first thing in main. `level`: debug, info, warning or error.
void InitLogging(std::string_view service, std::string_view level);

void Debug(std::string_view event, LogFields fields = {});
void Info(std::string_view event, LogFields fields = {});
void Warning(std::string_view event, LogFields fields = {});
void Error(std::string_view event, LogFields fields = {});
// An error with its code, reason and message.
void Error(std::string_view event, const absl::Status& status, LogFields fields = {});
void Warning(std::string_view event, const absl::Status& status, LogFields fields = {});

}  // namespace parley::telemetry
