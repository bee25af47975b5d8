// Every setting of the gateway, once. Read from the environment by libs/config.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/secret.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/twilio/url.h"

namespace parley::gateway {

struct Config {
  std::string environment = "development";
  std::string bind_address = "127.0.0.1";
  std::string log_level = "info";
  std::string server_url = "http://127.0.0.1:8080";
  int http_port = 8084;
  int live_port = 8081;
  int grpc_port = 9090;
  int admin_port = 9100;
  std::string kafka_brokers = "localhost:19092";
  int kafka_partitions = 12;
  int kafka_replication = 1;
  std::string database_url = "postgresql://parley@127.0.0.1:15432/parley";
  int database_connections = 8;
  std::string redis_url = "redis://127.0.0.1:16379";
  std::string master_key_file;
  std::string directory_key_file;
  std::string web_root = "web/dist";
  int http_connections = 64;
  int api_rate = 200;
  int api_burst = 1'000;
  int live_connections = 10'000;
  std::string allowed_origins;
  std::chrono::seconds session_valid{30 * 24 * 3600};
  std::string outbound_allow;
  std::chrono::seconds reply_age_max{15 * 60};
  int projector_threads = 1;
  int quarantine_webhooks = 10'000;
  std::chrono::seconds catch_up_every{3600};
  std::chrono::seconds catch_up_leave_for{120};
  int catch_up_pages = 200;

  // What existing installations call these (COMPATIBILITY §3).
  bool mock_mode = false;
  std::string twilio_api_base_url = "https://api.twilio.com";
  std::string twilio_account_sid;
  Secret twilio_auth_token;
  std::string twilio_phone_number;
  std::string ai_responses_enabled;  // Empty: as UsesSimulator() says.
  int ai_response_delay_ms = 2'000;
  std::string ai_provider = "mock";
  std::string configure_webhooks;  // Empty: as UsesSimulator() says.
  std::string bootstrap_email = "owner@example.com";

  // Loading, validation, --help and the documentation walk this list.
  template <class Visitor>
  void Visit(Visitor& v) {
    v.Field("PARLEY_ENV", environment, "development or production");
    v.Field("PARLEY_BIND_ADDRESS", bind_address, "address that the ports listen on");
    v.Field("PARLEY_LOG_LEVEL", log_level, "debug, info, warning or error");
    v.Field("SERVER_URL", server_url, "public address; https in production");
    v.Field("PARLEY_HTTP_PORT", http_port, "port of the HTTP API and the page; 0 picks a free one",
            {0, 65535});
    v.Field("PARLEY_LIVE_PORT", live_port,
            "port of the live updates (server-sent events); 0 picks a free one", {0, 65535});
    v.Field("PARLEY_GRPC_PORT", grpc_port, "port of the gRPC API; 0 picks a free one", {0, 65535});
    v.Field("PARLEY_ADMIN_PORT", admin_port,
            "port of /healthz, /readyz and /metrics; 0 picks a free one", {0, 65535});
    v.Field("PARLEY_KAFKA_BROKERS", kafka_brokers, "host:port list, comma separated");
    v.Field("PARLEY_KAFKA_PARTITIONS", kafka_partitions, "partitions of topics that migrate makes",
            {1, 1'000});
    v.Field("PARLEY_KAFKA_REPLICATION", kafka_replication,
            "copies of each record in topics that migrate makes; 3 in production", {1, 10});
    v.Field("PARLEY_DATABASE_URL", database_url,
            "PostgreSQL; the owner of the database, no superuser, with CREATEROLE");
    v.Field("PARLEY_DATABASE_CONNECTIONS", database_connections,
            "connections that API requests share", {1, 200});
    v.Field("PARLEY_REDIS_URL", redis_url, "Redis, for what may be lost");
    v.Field("PARLEY_MASTER_KEY_FILE", master_key_file,
            "file with lines of <key id>:<32 bytes, base64>; seals what the gateway alone opens "
            "(required to serve and to bootstrap)");
    v.Field("PARLEY_DIRECTORY_KEY_FILE", directory_key_file,
            "file alike; seals what the other services open too (required to serve and to "
            "bootstrap)");
    v.Field("PARLEY_WEB_ROOT", web_root, "folder of the built page");
    v.Field("PARLEY_HTTP_CONNECTIONS", http_connections,
            "open HTTP connections served at once, a thread each", {4, 4'096});
    v.Field(
        "PARLEY_API_RATE", api_rate,
        "API requests a second that each organization may make, over HTTP and gRPC together; 0: "
        "no limit",
        {0, 1'000'000});
    v.Field("PARLEY_API_BURST", api_burst, "and how many of them at once after a pause",
            {1, 1'000'000});
    v.Field("PARLEY_LIVE_CONNECTIONS", live_connections, "open live connections at once",
            {1, 1'000'000});
    v.Field("PARLEY_ALLOWED_ORIGINS", allowed_origins,
            "origins whose pages may call the API with a credential, comma separated");
    v.Field("PARLEY_SESSION_VALID", session_valid, "how long a log-in lasts",
            {60'000, 366 * 86'400'000.0});
    v.Field("PARLEY_OUTBOUND_ALLOW", outbound_allow,
            "host:port list that may be called although private, comma separated");
    v.Field("PARLEY_REPLY_AGE_MAX", reply_age_max,
            "older messages get neither auto-reply nor AI answer", {1'000, 86'400'000.0});
    v.Field("PARLEY_PROJECTOR_THREADS", projector_threads,
            "threads that store incoming messages; more catch up faster on more cores", {1, 12});
    v.Field("PARLEY_QUARANTINE_WEBHOOKS", quarantine_webhooks,
            "webhooks kept of each account whose signature did not verify; beyond it the oldest go",
            {1, 1'000'000});
    v.Field(
        "PARLEY_CATCH_UP_EVERY", catch_up_every,
        "how often Twilio's list of messages is compared with the store, and at start; 0: never",
        {0, 86'400'000.0});
    v.Field("PARLEY_CATCH_UP_LEAVE_FOR", catch_up_leave_for,
            "messages younger than this are left to their webhooks", {0, 3'600'000.0});
    v.Field("PARLEY_CATCH_UP_PAGES", catch_up_pages,
            "pages of 500 messages that one comparison reads of an account, one a second",
            {1, 10'000});
    v.Field("MOCK_MODE", mock_mode, "true: the simulator plays Twilio");
    v.Field("TWILIO_API_BASE_URL", twilio_api_base_url, "Twilio's address, or the simulator's");
    v.Field("TWILIO_ACCOUNT_SID", twilio_account_sid, "account that bootstrap connects");
    v.Field("TWILIO_AUTH_TOKEN", twilio_auth_token, "its auth token");
    v.Field("TWILIO_PHONE_NUMBER", twilio_phone_number,
            "number that bootstrap makes a channel for");
    v.Field("AI_RESPONSES_ENABLED", ai_responses_enabled,
            "whether the AI answers in new channels; unset: true on the simulator, else false");
    v.Field("AI_RESPONSE_DELAY", ai_response_delay_ms,
            "milliseconds from a turn's first message to the answer, for new channels",
            {0, 600'000});
    v.Field("AI_PROVIDER", ai_provider, "mock or openai, for new channels");
    v.Field("PARLEY_CONFIGURE_WEBHOOKS", configure_webhooks,
            "whether numbers are pointed at SERVER_URL when channels are made; unset: true on the "
            "simulator, else false");
    v.Field("PARLEY_BOOTSTRAP_EMAIL", bootstrap_email, "the first owner's email address");
  }

  bool UsesSimulator() const {
    return mock_mode || twilio_api_base_url != "https://api.twilio.com";
  }
  bool AiEnabledByDefault() const { return Flag(ai_responses_enabled, UsesSimulator()); }
  bool ConfiguresWebhooks() const { return Flag(configure_webhooks, UsesSimulator()); }
  std::vector<std::string> AllowedOrigins() const { return List(allowed_origins); }

 private:
  static bool Flag(const std::string& text, bool unset) {
    const std::string lower = Lower(text);
    if (lower.empty()) return unset;
    return lower == "true" || lower == "1" || lower == "yes" || lower == "on";
  }
  static std::vector<std::string> List(const std::string& text) {
    std::vector<std::string> parts;
    for (const std::string_view part : Split(text, ',')) {
      if (!Trim(part).empty()) parts.emplace_back(Trim(part));
    }
    return parts;
  }
};

// What no single field can tell. Errors: kInvalidArgument with a sentence for the operator.
inline absl::Status Validate(const Config& config) {
  const auto wrong = [](std::string_view what) { return InvalidArgument("CONFIG_INVALID", what); };
  if (config.environment != "development" && config.environment != "production") {
    return wrong("PARLEY_ENV must be development or production.");
  }
  const auto parts = twilio::SplitUrl(config.server_url);
  if (!parts.ok()) {
    return wrong("SERVER_URL must be a public address such as https://chat.example.com.");
  }
  if (config.environment == "production" && parts->scheme != "https") {
    return wrong("SERVER_URL must begin with https:// in production.");
  }
  for (const std::string& origin : config.AllowedOrigins()) {
    const auto origin_parts = twilio::SplitUrl(origin);
    if (!origin_parts.ok() || !origin_parts->path.empty()) {
      return wrong("PARLEY_ALLOWED_ORIGINS lists origins such as https://chat.example.com; \"" +
                   origin + "\" is none.");
    }
  }
  if (config.ai_provider != "mock" && config.ai_provider != "openai") {
    return wrong("AI_PROVIDER must be mock or openai.");
  }
  return absl::OkStatus();
}

}  // namespace parley::gateway
