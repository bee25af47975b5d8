// What the API's handlers work with. Composed in main.cc; everything outlives the handlers.
#pragma once

#include <chrono>
#include <string>

#include "auth/login_throttle.h"
#include "libs/base/clock.h"
#include "libs/crypto/seal.h"
#include "libs/postgres/pool.h"
#include "ports.h"

namespace parley::gateway::api {

struct Options {
  std::string server_url;  // Without a trailing "/".
  std::chrono::seconds session_valid{30 * 24 * 3600};
  bool cookie_secure = false;
  // In production: public addresses of accounts and channels must be https.
  bool https_only = false;
  // Whether a new channel's number is pointed at server_url.
  bool configure_webhooks = false;
  // For new channels.
  bool ai_enabled = false;
  int ai_delay_ms = 2'000;
  std::string ai_provider = "mock";
};

struct Services {
  // Serves requests: role gateway_api, one organization in each transaction.
  postgres::Pool& database;
  // Log-in, keys and accounts: role gateway_worker.
  postgres::Pool& worker;
  const crypto::KeyRing& master_keys;
  const crypto::KeyRing& directory_keys;
  TwilioAccounts& twilio;
  const Clock& clock;
  LoginThrottle& login_throttle;
  Options options;
};

}  // namespace parley::gateway::api
