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

// A text from a customer.
struct InboundText {
  std::string sid;
  std::string from;
  std::string to;
  std::string body;
};

// "SM" and 32 digits that follow from a run and a number in it.
std::string MessageSid(const std::string& run, std::int64_t number);

// "+1555…": customers of the tests.
std::string CustomerNumber(std::int64_t number);

// The text's webhook as Twilio sends it, signed with the account's token: a whole HTTP/1.1 request
// for a connection to `webhooks_url`. The idempotency token follows from the SID.
std::string SignedWebhook(const Target& target, const InboundText& text);

}  // namespace parley::bench
