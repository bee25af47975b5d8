// The running installation that is measured: what .local/credentials.json says, and calls to it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/secret.h"

namespace parley::bench {

struct Target {
  std::string public_url;
  std::string http_url;
  std::string live_url;
  std::string webhooks_url;
  std::string twilio_url;
  std::string organization_id;
  std::string channel_id;
  std::string account_sid;
  std::string phone_number;
  Secret auth_token;
  Secret api_key;
};

// Errors: kNotFound if the file is missing, kInvalidArgument if it lacks something.
absl::StatusOr<Target> ReadTarget(const std::string& credentials_file);

// One JSON call with the API key. Errors: kUnavailable, or kInternal with the answer.
absl::StatusOr<nlohmann::json> CallApi(const Target& target, const std::string& method,
                                       const std::string& path, const nlohmann::json& body);

// One call to the simulator's control.
absl::StatusOr<nlohmann::json> CallSimulator(const Target& target, const std::string& method,
                                             const std::string& path, const nlohmann::json& body);

// A webhook as Twilio sends it: path, body and headers.
struct Webhook {
  std::string path;
  std::string body;
  std::string signature;
};

// A signed text from `customer` to the target's number; the SID follows from `number`.
Webhook MakeInbound(const Target& target, const std::string& run, std::int64_t number,
                    const std::string& customer, const std::string& text);

}  // namespace parley::bench
