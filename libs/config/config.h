// Settings from the environment, declared once.
//
// A service lists its settings in `struct Config` with a `Visit` member template; loading,
// validation, --help and the generated documentation all walk that list:
//
//   struct Config {
//     std::string kafka_brokers = "localhost:19092";
//     std::chrono::milliseconds send_timeout{10'000};
//     Secret key;  // No default; never logged.
//     template <class Visitor>
//     void Visit(Visitor& v) {
//       v.Field("PARLEY_KAFKA_BROKERS", kafka_brokers, "host:port list, comma separated");
//       v.Field("PARLEY_SEND_TIMEOUT", send_timeout, "one Twilio call", {100, 60'000});
//       v.Required("PARLEY_KEY_FILE", key, "file with …");
//     }
//   };
//
// Durations are written "250ms", "10s", "5m", "2h"; a bare number is milliseconds (seconds for
// std::chrono::seconds). Booleans are true/false/1/0/yes/no/on/off. A Secret is the text itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/secret.h"
#include "libs/base/status.h"

namespace parley::config {

// Inclusive bounds of a number, in the setting's own unit; milliseconds for durations.
struct Range {
  double min = -1e18;
  double max = 1e18;
};

// Reads one variable; std::nullopt if it is not set. Injected so that tests need no environment.
using Lookup = std::function<std::optional<std::string>(const std::string& name)>;
Lookup FromEnvironment();

// Visitor that fills fields and collects every error, not only the first.
class Loader {
 public:
  explicit Loader(Lookup lookup) : lookup_(std::move(lookup)) {}

  void Field(const char* name, std::string& value, const char* help, Range range = {});
  void Field(const char* name, bool& value, const char* help, Range range = {});
  void Field(const char* name, int& value, const char* help, Range range = {});
  void Field(const char* name, std::int64_t& value, const char* help, Range range = {});
  void Field(const char* name, double& value, const char* help, Range range = {});
  void Field(const char* name, std::chrono::milliseconds& value, const char* help,
             Range range = {});
  void Field(const char* name, std::chrono::seconds& value, const char* help, Range range = {});
  void Field(const char* name, Secret& value, const char* help, Range range = {});

  template <class T>
  void Required(const char* name, T& value, const char* help, Range range = {}) {
    const auto text = lookup_(name);
    if (!text || text->empty()) {
      errors_.push_back(std::string(name) + " is not set; it is required: " + help + ".");
      return;
    }
    Field(name, value, help, range);
  }

  // OK, or kInvalidArgument with one sentence for each wrong setting.
  absl::Status status() const;

 private:
  void Fail(const char* name, std::string_view text, const char* help);

  Lookup lookup_;
  std::vector<std::string> errors_;
};

// One setting, as --help and the documentation show it.
struct Setting {
  std::string name;
  std::string default_text;  // Empty if there is none; secrets never have one.
  std::string help;
  bool required = false;
};

// Visitor that lists the settings with their defaults.
class Lister {
 public:
  template <class T>
  void Field(const char* name, T& value, const char* help, Range = {}) {
    settings.push_back({name, Show(value), help, false});
  }
  template <class T>
  void Required(const char* name, T&, const char* help, Range = {}) {
    settings.push_back({name, "", help, true});
  }
  std::vector<Setting> settings;

 private:
  static std::string Show(const std::string& value) { return value; }
  static std::string Show(bool value) { return value ? "true" : "false"; }
  static std::string Show(int value) { return std::to_string(value); }
  static std::string Show(std::int64_t value) { return std::to_string(value); }
  static std::string Show(double value);
  static std::string Show(std::chrono::milliseconds value);
  static std::string Show(std::chrono::seconds value);
  static std::string Show(const Secret&) { return ""; }
};

// Loads and validates; on failure the message names every wrong setting.
template <class Config>
absl::StatusOr<Config> Load(Lookup lookup = FromEnvironment()) {
  Config config;
  Loader loader(std::move(lookup));
  config.Visit(loader);
  PARLEY_RETURN_IF_ERROR(loader.status());
  return config;
}

template <class Config>
std::vector<Setting> List() {
  Config config;
  Lister lister;
  config.Visit(lister);
  return lister.settings;
}

// A text table for --help, and a Markdown table for docs/configuration.md.
std::string HelpText(const std::vector<Setting>& settings);
std::string Markdown(const std::vector<Setting>& settings);

}  // namespace parley::config
