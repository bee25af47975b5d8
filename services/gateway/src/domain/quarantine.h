// Quarantined webhooks: what is kept of one, how it is checked again, and what is shown of it.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/secret.h"
#include "libs/webhooks/webhook.h"
#include "parley/events/v1/quarantine.pb.h"
#include "parley/v1/quarantine.pb.h"

namespace parley::gateway {

// A record as it travels, within its bounds. Errors (never to be stored): kInvalidArgument
// UNPARSABLE, INVALID_RECORD.
absl::StatusOr<events::v1::QuarantineRecord> ParseQuarantine(std::string_view value);

// The row's id: the same for the same record, however often Kafka brings it, and for every repeat
// of one idempotency token.
std::string QuarantineId(const events::v1::QuarantineRecord& record);

// 'message', 'status', 'voice', 'recording', as the table has it.
std::string_view KindName(events::v1::WebhookKind kind);

// What signatures are checked against now.
struct Signers {
  struct Account {
    Secret token;
    Secret secondary_token;  // Empty unless it is being rotated.
    std::string public_url;  // Empty: the installation's.
  };
  struct Number {
    std::string organization_id;  // Who claims it; empty if nobody does.
    std::string channel_id;
    std::string public_url;           // Empty: the account's.
    bool of_another_account = false;  // Another account claims it, and this one does not.
  };
  std::string server_url;
  std::map<std::string, Account> accounts;                        // By SID.
  std::map<std::pair<std::string, std::string>, Number> numbers;  // By account SID and number.

  // Nothing if it is unknown.
  const Account* FindAccount(std::string_view account_sid) const;
  const Number* FindNumber(std::string_view account_sid, std::string_view number) const;
  // The addresses that a webhook for this number is checked with, the likeliest first.
  std::vector<std::string_view> PublicUrls(std::string_view account_sid,
                                           std::string_view number) const;
};

// A record read as a webhook again; neither copied nor moved. `record` outlives it.
struct QuarantinedRequest {
  explicit QuarantinedRequest(const events::v1::QuarantineRecord& record);
  QuarantinedRequest(const QuarantinedRequest&) = delete;
  QuarantinedRequest& operator=(const QuarantinedRequest&) = delete;

  webhooks::WebhookRequest request;
  webhooks::Webhook webhook;
  absl::Status parsed;  // What reading it said.
};

// OK: the account has signed it, for one of its own numbers or one that nobody claims. Errors:
// those of ParseWebhook and VerifySigner; kPermissionDenied NUMBER_OF_ANOTHER_ACCOUNT; kNotFound
// UNKNOWN_ACCOUNT.
absl::Status CheckQuarantined(const QuarantinedRequest& quarantined, const Signers& signers);

// The URLs that CheckQuarantined tries.
std::vector<std::string> UrlsToTry(const QuarantinedRequest& quarantined, const Signers& signers);

// What the caller may see of it.
enum class Detail { kRow, kHeaders, kContent };
v1::QuarantinedWebhook Show(const events::v1::QuarantineRecord& record, const Signers& signers,
                            std::string_view organization_id, Detail detail);

}  // namespace parley::gateway
