// Every setting of the sender, once.
#pragma once

#include <chrono>
#include <string>

#include "libs/base/secret.h"

namespace parley::sender {

struct Config {
  std::string environment = "development";
  std::string bind_address = "127.0.0.1";
  int admin_port = 9103;
  std::string log_level = "info";
  std::string kafka_brokers = "localhost:19092";
  Secret database_url{"postgresql://parley@127.0.0.1:15432/parley"};
  std::string redis_url = "redis://127.0.0.1:16379";
  std::string directory_key_file;
  std::string server_url;
  std::string twilio_base_url = "https://api.twilio.com";
  int workers = 64;
  std::chrono::milliseconds send_timeout{10'000};
  std::string send_weights;
  int account_parallel = 0;
  double rate_long_code = 1;
  double rate_toll_free = 3;
  double rate_short_code = 100;
  double rate_whatsapp = 80;

  template <class Visitor>
  void Visit(Visitor& v) {
    v.Field("PARLEY_ENV", environment, "development or production");
    v.Field("PARLEY_BIND_ADDRESS", bind_address, "address of the admin port");
    v.Field("PARLEY_ADMIN_PORT", admin_port,
            "/healthz, /readyz, /metrics and the operator's endpoints", {0, 65'535});
    v.Field("PARLEY_LOG_LEVEL", log_level, "debug, info, warning or error");
    v.Field("PARLEY_KAFKA_BROKERS", kafka_brokers, "host:port list, comma separated");
    v.Field("PARLEY_DATABASE_URL", database_url,
            "PostgreSQL, postgresql://user@host:port/database; not a superuser");
    v.Field("PARLEY_REDIS_URL", redis_url, "Redis, for what may be lost");
    v.Field("PARLEY_DIRECTORY_KEY_FILE", directory_key_file,
            "key ring that opens the accounts' tokens: lines of <key id>:<32 bytes, base64>");
    v.Field("SERVER_URL", server_url,
            "public address for status callbacks; they are omitted without one");
    v.Field("TWILIO_API_BASE_URL", twilio_base_url, "Twilio's API, or the simulator's origin");
    v.Field("PARLEY_SEND_WORKERS", workers, "parallel requests to Twilio; 1 to 1024", {1, 1024});
    v.Field("PARLEY_SEND_ACCOUNT_PARALLEL", account_parallel,
            "parallel requests of one account, over all replicas; Twilio publishes no number, and "
            "answers 429 beyond its own, which is followed in any case; 0: no other limit",
            {0, 100'000});
    v.Field("PARLEY_SEND_TIMEOUT", send_timeout, "how long Twilio may take to answer; 100ms to 60s",
            {100, 60'000});
    v.Field("PARLEY_SEND_WEIGHTS", send_weights,
            "shares of organizations that send at once: <organization id>=<1 to 100>, comma "
            "separated; others have 1");
    v.Field("PARLEY_RATE_LONG_CODE", rate_long_code, "segments/s of a long code; 0: no limit",
            {0, 100'000});
    v.Field("PARLEY_RATE_TOLL_FREE", rate_toll_free,
            "segments/s of a toll-free number; 0: no limit", {0, 100'000});
    v.Field("PARLEY_RATE_SHORT_CODE", rate_short_code, "segments/s of a short code; 0: no limit",
            {0, 100'000});
    v.Field("PARLEY_RATE_WHATSAPP", rate_whatsapp, "messages/s of a WhatsApp sender; 0: no limit",
            {0, 100'000});
  }
};

}  // namespace parley::sender
