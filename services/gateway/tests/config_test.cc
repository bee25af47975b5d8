#include "config.h"

#include <gtest/gtest.h>

#include "libs/config/config.h"
#include "roles.h"

namespace parley::gateway {
namespace {

Config With(const std::map<std::string, std::string>& values) {
  auto config = config::Load<Config>([&](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  });
  EXPECT_TRUE(config.ok()) << config.status();
  return *config;
}

TEST(Config, TheAiAnswersByDefaultOnTheSimulatorOnly) {
  const std::string simulator = "http://127.0.0.1:8083";
  EXPECT_FALSE(With({}).AiEnabledByDefault());
  EXPECT_TRUE(With({{"MOCK_MODE", "true"}}).AiEnabledByDefault());
  EXPECT_TRUE(With({{"TWILIO_API_BASE_URL", simulator}}).AiEnabledByDefault());
  EXPECT_FALSE(
      With({{"MOCK_MODE", "true"}, {"AI_RESPONSES_ENABLED", "false"}}).AiEnabledByDefault());
  EXPECT_TRUE(With({{"AI_RESPONSES_ENABLED", "true"}}).AiEnabledByDefault());
}

TEST(Config, WebhooksOfARealAccountAreLeftAloneUnlessAsked) {
  EXPECT_FALSE(With({}).ConfiguresWebhooks());
  EXPECT_TRUE(With({{"MOCK_MODE", "true"}}).ConfiguresWebhooks());
  EXPECT_TRUE(With({{"PARLEY_CONFIGURE_WEBHOOKS", "true"}}).ConfiguresWebhooks());
}

TEST(Validate, RefusesWhatCannotWork) {
  const struct {
    const char* label;
    std::map<std::string, std::string> values;
    bool good;
  } cases[] = {
      {"defaults", {}, true},
      {"unknown environment", {{"PARLEY_ENV", "test"}}, false},
      {"no public address", {{"SERVER_URL", "localhost"}}, false},
      {"production without https", {{"PARLEY_ENV", "production"}}, false},
      {"production",
       {{"PARLEY_ENV", "production"}, {"SERVER_URL", "https://chat.example.com"}},
       true},
      {"every origin", {{"PARLEY_ALLOWED_ORIGINS", "*"}}, false},
      {"origin with a path", {{"PARLEY_ALLOWED_ORIGINS", "https://a.example.com/x"}}, false},
      {"two origins",
       {{"PARLEY_ALLOWED_ORIGINS", "https://a.example.com, https://b.example.com"}},
       true},
      {"unknown provider", {{"AI_PROVIDER", "oracle"}}, false},
  };
  for (const auto& c : cases) EXPECT_EQ(Validate(With(c.values)).ok(), c.good) << c.label;
}

TEST(ParseRoles, TakesAListOfKnownNames) {
  EXPECT_EQ(*ParseRoles("api, live"), (std::set<Role>{Role::kApi, Role::kLive}));
  EXPECT_EQ(ParseRoles("api,live,projector,relay,dispatcher")->size(), 5U);
  EXPECT_FALSE(ParseRoles("").ok());
  EXPECT_FALSE(ParseRoles("api,web").ok());
}

}  // namespace
}  // namespace parley::gateway
