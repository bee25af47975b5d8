// Every setting of webhook-ingest, once. Read from the environment by libs/config.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "libs/base/status.h"
#include "libs/twilio/url.h"

namespace parley::ingest {

struct Config {
  std::string environment = "development";
  std::string bind_address = "127.0.0.1";
  int http_port = 8082;
  int admin_port = 9101;
  std::string kafka_brokers = "localhost:19092";
  std::chrono::milliseconds kafka_linger{1};
  std::string directory_key_file;
  std::string data_dir = ".local/data/webhook-ingest";
  std::string server_url = "http://127.0.0.1:8080";
  std::chrono::milliseconds acknowledge_within{2'000};
  int spool_mib_max = 1'024;
  int connections = 256;
  int connections_per_address = 64;
  std::string trusted_proxies = "127.0.0.0/8,::1";
  bool insecure_webhooks = false;
  std::string log_level = "info";

  // Loading, validation, --help and the documentation walk this list.
  template <class Visitor>
  void Visit(Visitor& v) {
    v.Field("PARLEY_ENV", environment, "development or production");
    v.Field("PARLEY_BIND_ADDRESS", bind_address, "address that the ports listen on");
    v.Field("PARLEY_HTTP_PORT", http_port, "port of the webhooks; 0 picks a free one", {0, 65535});
    v.Field("PARLEY_ADMIN_PORT", admin_port,
            "port of /healthz, /readyz and /metrics; 0 picks a free one", {0, 65535});
    v.Field("PARLEY_KAFKA_BROKERS", kafka_brokers, "host:port list, comma separated");
    v.Field("PARLEY_KAFKA_LINGER", kafka_linger,
            "how long a record waits for others to share its batch", {0, 5});
    v.Required("PARLEY_DIRECTORY_KEY_FILE", directory_key_file,
               "file with lines of <key id>:<32 bytes, base64>; opens the accounts' credentials");
    v.Field(
        "PARLEY_DATA_DIR", data_dir,
        "folder of the directory's snapshot and of the spool; created if missing, this process's "
        "alone");
    v.Field("SERVER_URL", server_url,
            "public address that Twilio calls, which its signatures cover; https in production");
    v.Field("PARLEY_WEBHOOK_ACKNOWLEDGE_WITHIN", acknowledge_within,
            "how long a webhook waits for Kafka before it goes to the spool", {100, 5'000});
    v.Field("PARLEY_SPOOL_MIB_MAX", spool_mib_max,
            "size of the spool; beyond it webhooks get 503 while Kafka is away", {16, 1'048'576});
    v.Field("PARLEY_WEBHOOK_CONNECTIONS", connections,
            "open connections served at once, a thread each", {4, 4'096});
    v.Field("PARLEY_WEBHOOK_CONNECTIONS_PER_ADDRESS", connections_per_address,
            "open connections of one address that is no trusted proxy; 0: no limit", {0, 4'096});
    v.Field("PARLEY_TRUSTED_PROXIES", trusted_proxies,
            "networks (10.0.0.0/8,::1) whose X-Forwarded-* headers are believed");
    v.Field("PARLEY_INSECURE_WEBHOOKS", insecure_webhooks,
            "true: signatures are not checked; for experiments only, refused in production");
    v.Field("PARLEY_LOG_LEVEL", log_level, "debug, info, warning or error");
  }
};

// What no single field can tell. Errors: kInvalidArgument with a sentence for the operator.
inline absl::Status Validate(const Config& config) {
  if (config.environment != "development" && config.environment != "production") {
    return InvalidArgument("CONFIG_INVALID", "PARLEY_ENV must be development or production.");
  }
  const bool production = config.environment == "production";
  if (production && config.insecure_webhooks) {
    return InvalidArgument("CONFIG_INVALID",
                           "PARLEY_INSECURE_WEBHOOKS=true is refused in production: anybody could "
                           "write into every inbox. Unset it.");
  }
  const auto parts = twilio::SplitUrl(config.server_url);
  if (!parts.ok()) {
    return InvalidArgument("CONFIG_INVALID",
                           "SERVER_URL must be a public address such as https://chat.example.com.");
  }
  if (production && parts->scheme != "https") {
    return InvalidArgument("CONFIG_INVALID", "SERVER_URL must begin with https:// in production.");
  }
  return absl::OkStatus();
}

}  // namespace parley::ingest
