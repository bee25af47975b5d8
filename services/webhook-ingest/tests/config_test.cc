#include "config.h"

#include <gtest/gtest.h>

#include <map>

#include "libs/config/config.h"

namespace parley::ingest {
namespace {

absl::Status Check(std::map<std::string, std::string> environment) {
  environment.emplace("PARLEY_DIRECTORY_KEY_FILE", "keys");
  const auto config =
      config::Load<Config>([&environment](const std::string& name) -> std::optional<std::string> {
        const auto found = environment.find(name);
        if (found == environment.end()) return std::nullopt;
        return found->second;
      });
  return config.ok() ? Validate(*config) : config.status();
}

TEST(Config, DefaultsAreValid) { EXPECT_TRUE(Check({}).ok()) << Check({}); }

TEST(Config, RefusesInsecureWebhooksInProduction) {
  EXPECT_FALSE(Check({{"PARLEY_ENV", "production"},
                      {"SERVER_URL", "https://chat.example.com"},
                      {"PARLEY_INSECURE_WEBHOOKS", "true"}})
                   .ok());
  EXPECT_TRUE(Check({{"PARLEY_INSECURE_WEBHOOKS", "true"}}).ok());
}

TEST(Config, WantsAPublicAddress) {
  EXPECT_FALSE(Check({{"SERVER_URL", "chat.example.com"}}).ok());
  EXPECT_FALSE(
      Check({{"PARLEY_ENV", "production"}, {"SERVER_URL", "http://chat.example.com"}}).ok());
  EXPECT_TRUE(
      Check({{"PARLEY_ENV", "production"}, {"SERVER_URL", "https://chat.example.com"}}).ok());
  EXPECT_FALSE(Check({{"PARLEY_ENV", "staging"}}).ok());
}

}  // namespace
}  // namespace parley::ingest
