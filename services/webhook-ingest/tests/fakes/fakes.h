// Stand-ins for the ports, and a small world with two accounts to test against.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "domain/directory.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/seal.h"
#include "libs/twilio/form.h"
#include "libs/twilio/signature.h"
#include "parley/events/v1/directory.pb.h"
#include "ports.h"

namespace parley::ingest {

// Keeps what was published; fails when told to.
class FakePublisher final : public RecordPublisher, public BestEffortPublisher {
 public:
  absl::Status Publish(webhooks::OutgoingRecord record,
                       std::chrono::steady_clock::time_point) override {
    const std::lock_guard lock(mutex_);
    if (fail && fail(record)) return Unavailable("KAFKA_UNAVAILABLE", "told to fail");
    records.push_back(std::move(record));
    return absl::OkStatus();
  }
  void TryPublish(webhooks::OutgoingRecord record) override {
    const std::lock_guard lock(mutex_);
    tried.push_back(std::move(record));
  }
  std::vector<webhooks::OutgoingRecord> Of(webhooks::Topic topic) const {
    std::vector<webhooks::OutgoingRecord> found;
    for (const webhooks::OutgoingRecord& record : records) {
      if (record.topic == topic) found.push_back(record);
    }
    return found;
  }

  std::function<bool(const webhooks::OutgoingRecord&)> fail;
  std::vector<webhooks::OutgoingRecord> records;
  std::vector<webhooks::OutgoingRecord> tried;  // By TryPublish.

 private:
  std::mutex mutex_;
};

class FakeDirectory final : public DirectorySource {
 public:
  std::shared_ptr<const Directory> Current() const override { return current; }
  std::shared_ptr<const Directory> current;
};

// Account A owns kNumberA with kTokenA, account B kNumberB with kTokenB; nobody owns kNobodys.
inline const std::string kAccountA = "AC" + std::string(32, '1');
inline const std::string kAccountB = "AC" + std::string(32, '2');
inline const std::string kUnknownAccount = "AC" + std::string(32, '9');
inline const Secret kTokenA{"token-of-a"};
inline const Secret kTokenB{"token-of-b"};
inline constexpr char kNumberA[] = "+15005550006";
inline constexpr char kNumberB[] = "+15005550007";
inline constexpr char kNobodys[] = "+15005550008";
inline constexpr char kCustomer[] = "+15005550010";
inline constexpr char kServerUrl[] = "https://chat.example.com";
inline constexpr char kMessageTarget[] = "/webhooks/twilio/message";
inline const std::string kMessageSid = "SM" + std::string(32, 'a');

inline crypto::KeyRing TestKeys(char fill = 'k') {
  return *crypto::KeyRing::Parse("test:" + crypto::Base64(std::string(32, fill)));
}

inline events::v1::DirectoryRecord AccountRecord(const crypto::KeyRing& keys,
                                                 const std::string& sid, const Secret& token,
                                                 std::int64_t version = 1) {
  events::v1::DirectoryRecord record;
  record.set_version(version);
  record.mutable_account()->set_account_sid(sid);
  record.mutable_account()->set_sealed_auth_token(keys.Seal(token, {crypto::kTwilioToken, sid}));
  return record;
}

inline events::v1::DirectoryRecord NumberRecord(const std::string& account_sid,
                                                const std::string& number,
                                                std::int64_t version = 1) {
  events::v1::DirectoryRecord record;
  record.set_version(version);
  record.mutable_number()->set_account_sid(account_sid);
  record.mutable_number()->set_number(number);
  record.mutable_number()->set_organization_id("org-of-" + account_sid.substr(2, 1));
  return record;
}

inline events::v1::DirectoryRecord CompleteRecord(std::int64_t version = 1) {
  events::v1::DirectoryRecord record;
  record.set_version(version);
  record.mutable_complete()->set_at_us(version);
  return record;
}

inline void Put(DirectoryBook& book, const events::v1::DirectoryRecord& record) {
  const auto applied = book.Apply(record.SerializeAsString());
  if (!applied.ok()) abort();
}

inline std::shared_ptr<const Directory> TwoAccounts() {
  static const crypto::KeyRing keys = TestKeys();
  DirectoryBook book(keys);
  Put(book, AccountRecord(keys, kAccountA, kTokenA));
  Put(book, AccountRecord(keys, kAccountB, kTokenB));
  Put(book, NumberRecord(kAccountA, kNumberA));
  Put(book, NumberRecord(kAccountB, kNumberB));
  return book.Snapshot();
}

// A text from kCustomer to kNumberA.
inline twilio::FormParams MessageParams(std::string_view body = "Hello",
                                        std::string_view to = kNumberA,
                                        std::string_view account_sid = kAccountA) {
  return {{"ToCountry", "US"},
          {"SmsMessageSid", kMessageSid},
          {"NumMedia", "0"},
          {"SmsSid", kMessageSid},
          {"SmsStatus", "received"},
          {"Body", body},
          {"To", to},
          {"NumSegments", "1"},
          {"MessageSid", kMessageSid},
          {"AccountSid", account_sid},
          {"From", kCustomer},
          {"ApiVersion", "2010-04-01"}};
}

// Owns the texts that a WebhookRequest views.
struct SignedWebhook {
  std::string target;
  std::string body;
  std::string signature;
  std::string content_type = "application/x-www-form-urlencoded; charset=UTF-8";
  std::string idempotency_token = "11111111-2222-4333-8444-555555555555";
  bool is_get = false;
  Time received_at = FromMicros(1'700'000'000'000'000);

  webhooks::WebhookRequest View() const {
    return {.is_get = is_get,
            .target = target,
            .content_type = content_type,
            .signature = signature,
            .idempotency_token = idempotency_token,
            .traceparent = "",
            .body = body,
            .received_at = received_at};
  }
};

// Signed as Twilio does it for the public address `server_url`.
inline SignedWebhook SignedPost(const std::string& target, const twilio::FormParams& params,
                                const Secret& token, const std::string& server_url = kServerUrl) {
  SignedWebhook webhook;
  webhook.target = target;
  webhook.body = twilio::EncodeForm(params);
  webhook.signature = twilio::Sign(server_url + target, params, token);
  return webhook;
}

}  // namespace parley::ingest
