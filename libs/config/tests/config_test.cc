#include "libs/config/config.h"

#include <gtest/gtest.h>

#include <map>

namespace parley::config {
namespace {

using namespace std::chrono_literals;

struct Example {
  std::string brokers = "localhost:19092";
  int workers = 64;
  double rate = 1.5;
  bool enabled = true;
  std::chrono::milliseconds timeout{10'000};
  std::chrono::seconds age{900};
  Secret key;

  template <class Visitor>
  void Visit(Visitor& v) {
    v.Field("BROKERS", brokers, "host:port list");
    v.Field("WORKERS", workers, "parallel calls; 1 to 1024", {1, 1024});
    v.Field("RATE", rate, "segments per second; 0 to 1000", {0, 1000});
    v.Field("ENABLED", enabled, "true or false");
    v.Field("TIMEOUT", timeout, "one call; 100ms to 60s", {100, 60'000});
    v.Field("AGE", age, "oldest; 0s to 24h", {0, 86'400'000});
    v.Required("KEY", key, "a key");
  }
};

Lookup Map(std::map<std::string, std::string> values) {
  return [values](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

TEST(Load, KeepsDefaultsAndReadsEachType) {
  const auto config = Load<Example>(Map({{"KEY", "s"},
                                         {"WORKERS", "8"},
                                         {"RATE", "0.5"},
                                         {"ENABLED", "off"},
                                         {"TIMEOUT", "2s"},
                                         {"AGE", "60"}}));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->brokers, "localhost:19092");
  EXPECT_EQ(config->workers, 8);
  EXPECT_EQ(config->rate, 0.5);
  EXPECT_FALSE(config->enabled);
  EXPECT_EQ(config->timeout, 2s);
  EXPECT_EQ(config->age, 60s);
  EXPECT_EQ(config->key.Reveal(), "s");
}

TEST(Load, ReadsDurationsInEachUnit) {
  struct Case {
    const char* text;
    std::chrono::milliseconds want;
  };
  for (const Case& c :
       {Case{"2000", 2s}, {"250ms", 250ms}, {"10s", 10s}, {"1m", 60s}, {"0.5s", 500ms}}) {
    const auto config = Load<Example>(Map({{"KEY", "s"}, {"TIMEOUT", c.text}}));
    ASSERT_TRUE(config.ok()) << c.text;
    EXPECT_EQ(config->timeout, c.want) << c.text;
  }
}

TEST(Load, NamesEveryWrongSettingAtOnce) {
  const auto config = Load<Example>(
      Map({{"WORKERS", "0"}, {"RATE", "fast"}, {"ENABLED", "maybe"}, {"TIMEOUT", "2h"}}));
  ASSERT_FALSE(config.ok());
  const std::string message(config.status().message());
  for (const char* name : {"WORKERS", "RATE", "ENABLED", "TIMEOUT", "KEY"}) {
    EXPECT_NE(message.find(name), std::string::npos) << name << " in " << message;
  }
}

TEST(List, ShowsDefaultsButNoSecrets) {
  const std::string text = HelpText(List<Example>());
  EXPECT_NE(text.find("(default: 10s)"), std::string::npos) << text;
  EXPECT_NE(text.find("a key (required)"), std::string::npos) << text;
  EXPECT_NE(Markdown(List<Example>()).find("| `WORKERS` | `64` |"), std::string::npos);
}

}  // namespace
}  // namespace parley::config
