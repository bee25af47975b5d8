#include "libs/config/config.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "libs/base/text.h"

namespace parley::config {
namespace {

std::optional<double> ParseNumber(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

// Milliseconds of "250ms", "10s", "5m", "2h"; a bare number counts `bare_unit_ms` each.
std::optional<double> ParseDurationMs(std::string_view text, double bare_unit_ms) {
  struct Unit {
    std::string_view suffix;
    double ms;
  };
  constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    const auto number = ParseNumber(text.substr(0, text.size() - unit.suffix.size()));
    if (number) return *number * unit.ms;
  }
  const auto number = ParseNumber(text);
  if (!number) return {};
  return *number * bare_unit_ms;
}

bool Within(double value, Range range) { return value >= range.min && value <= range.max; }

}  // namespace

Lookup FromEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

void Loader::Fail(const char* name, std::string_view text, const char* help) {
  errors_.push_back(std::string(name) + "=\"" + std::string(text.substr(0, 60)) +
                    "\" is not valid; expected: " + help + ".");
}

void Loader::Field(const char* name, std::string& value, const char*, Range) {
  if (const auto text = lookup_(name)) value = *text;
}

void Loader::Field(const char* name, Secret& value, const char*, Range) {
  if (const auto text = lookup_(name)) value = Secret(*text);
}

void Loader::Field(const char* name, bool& value, const char* help, Range) {
  const auto text = lookup_(name);
  if (!text || text->empty()) return;
  const std::string lower = Lower(*text);
  if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") {
    value = true;
  } else if (lower == "false" || lower == "0" || lower == "no" || lower == "off") {
    value = false;
  } else {
    Fail(name, *text, help);
  }
}

void Loader::Field(const char* name, double& value, const char* help, Range range) {
  const auto text = lookup_(name);
  if (!text || text->empty()) return;
  const auto number = ParseNumber(*text);
  if (number && Within(*number, range)) {
    value = *number;
  } else {
    Fail(name, *text, help);
  }
}

void Loader::Field(const char* name, std::int64_t& value, const char* help, Range range) {
  const auto text = lookup_(name);
  if (!text || text->empty()) return;
  const auto number = ParseNumber(*text);
  if (number && Within(*number, range) && std::floor(*number) == *number &&
      std::abs(*number) < 9e15) {
    value = static_cast<std::int64_t>(*number);
  } else {
    Fail(name, *text, help);
  }
}

void Loader::Field(const char* name, int& value, const char* help, Range range) {
  std::int64_t wide = value;
  range.min = std::max(range.min, -2147483648.0);
  range.max = std::min(range.max, 2147483647.0);
  Field(name, wide, help, range);
  value = static_cast<int>(wide);
}

void Loader::Field(const char* name, std::chrono::milliseconds& value, const char* help,
                   Range range) {
  const auto text = lookup_(name);
  if (!text || text->empty()) return;
  const auto ms = ParseDurationMs(*text, 1);
  if (ms && Within(*ms, range) && *ms >= 0 && *ms < 9e15) {
    value = std::chrono::milliseconds(static_cast<std::int64_t>(*ms));
  } else {
    Fail(name, *text, help);
  }
}

void Loader::Field(const char* name, std::chrono::seconds& value, const char* help, Range range) {
  const auto text = lookup_(name);
  if (!text || text->empty()) return;
  const auto ms = ParseDurationMs(*text, 1000);
  if (ms && Within(*ms, range) && *ms >= 0 && *ms < 9e15) {
    value = std::chrono::seconds(static_cast<std::int64_t>(*ms / 1000));
  } else {
    Fail(name, *text, help);
  }
}

absl::Status Loader::status() const {
  if (errors_.empty()) return absl::OkStatus();
  std::string all;
  for (const std::string& error : errors_) all += (all.empty() ? "" : "\n") + error;
  return InvalidArgument("INVALID_CONFIGURATION", all);
}

std::string Lister::Show(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string Lister::Show(std::chrono::milliseconds value) {
  const auto ms = value.count();
  if (ms != 0 && ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms != 0 && ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  if (ms != 0 && ms % 1000 == 0) return std::to_string(ms / 1000) + "s";
  return std::to_string(ms) + "ms";
}

std::string Lister::Show(std::chrono::seconds value) {
  return Show(std::chrono::milliseconds(value));
}

std::string HelpText(const std::vector<Setting>& settings) {
  std::string text = "Settings (environment variables):\n";
  for (const Setting& setting : settings) {
    text += "  " + setting.name + "\n      " + setting.help;
    if (setting.required) text += " (required)";
    if (!setting.default_text.empty()) text += " (default: " + setting.default_text + ")";
    text += "\n";
  }
  return text;
}

std::string Markdown(const std::vector<Setting>& settings) {
  std::string text = "| setting | default | meaning |\n|---|---|---|\n";
  for (const Setting& setting : settings) {
    text += "| `" + setting.name + "` | ";
    text += setting.required               ? "required"
            : setting.default_text.empty() ? ""
                                           : "`" + setting.default_text + "`";
    text += " | " + setting.help + " |\n";
  }
  return text;
}

}  // namespace parley::config
