// Every setting of the ai-responder.
#pragma once

#include <chrono>
#include <string>

#include "libs/base/secret.h"

namespace parley::ai {

struct Config {
  std::string bind_address = "127.0.0.1";
  int admin_port = 9102;
  std::string log_level = "info";
  std::string kafka_brokers = "localhost:19092";
  std::string directory_key_file;
  std::string outbound_allow;
  int workers = 16;
  std::string ai_base_url = "https://api.openai.com/v1";
  Secret ai_key;
  std::string ai_model = "gpt-4o-mini";
  std::string ai_system_prompt =
      "You are the friendly assistant of a business. Answer its customer's question helpfully and "
      "briefly, in the customer's language. If you do not know something, say that a colleague "
      "will get back to the customer; never invent prices, dates or promises.";
  std::chrono::milliseconds ai_timeout{30'000};
  int ai_attempts = 3;

  template <class Visitor>
  void Visit(Visitor& v) {
    v.Field("PARLEY_BIND_ADDRESS", bind_address, "address that the admin port listens on");
    v.Field("PARLEY_ADMIN_PORT", admin_port, "port of /healthz, /readyz and /metrics", {0, 65535});
    v.Field("PARLEY_LOG_LEVEL", log_level, "debug, info, warning or error");
    v.Field("PARLEY_KAFKA_BROKERS", kafka_brokers, "host:port list, comma separated");
    v.Required("PARLEY_DIRECTORY_KEY_FILE", directory_key_file,
               "file with <key id>:<32 bytes, base64> lines, shared with the gateway; opens the "
               "organizations' provider keys");
    v.Field("PARLEY_OUTBOUND_ALLOW", outbound_allow,
            "host:port list, comma separated, of AI endpoints that may be called although their "
            "addresses are private");
    v.Field("PARLEY_AI_WORKERS", workers, "turns that are answered in parallel; 1 to 1024",
            {1, 1024});
    v.Field("PARLEY_AI_BASE_URL", ai_base_url,
            "OpenAI-compatible endpoint of organizations that set none, without "
            "/chat/completions");
    v.Field("PARLEY_AI_KEY", ai_key, "key for PARLEY_AI_BASE_URL; sent to no other address");
    v.Field("PARLEY_AI_MODEL", ai_model, "model of organizations that set none");
    v.Field("PARLEY_AI_SYSTEM_PROMPT", ai_system_prompt,
            "what the model is told by organizations that set nothing");
    v.Field("PARLEY_AI_TIMEOUT", ai_timeout, "one request to an AI endpoint; 100ms to 2m",
            {100, 120'000});
    v.Field("PARLEY_AI_ATTEMPTS", ai_attempts, "requests for one answer at most; 1 to 10", {1, 10});
  }
};

}  // namespace parley::ai
