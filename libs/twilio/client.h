// Twilio's REST API as Parley uses it (TWILIO.md 2). Thread-safe: one Client for all accounts and
// all threads. Never logs.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/secret.h"
#include "libs/twilio/http_connection.h"
#include "libs/twilio/resource.h"

namespace parley::twilio {

// An account and how to log in to it; the Authorization header is computed once. Immutable.
class Account {
 public:
  Account(std::string account_sid, const Secret& auth_token);
  // With an API key ("SK…"); the path still names the account.
  Account(std::string account_sid, std::string_view key_sid, const Secret& key_secret);

  const std::string& sid() const { return sid_; }
  std::string_view authorization() const { return authorization_.Reveal(); }
  // "/2010-04-01/Accounts/AC…"
  const std::string& path() const { return path_; }
  const std::string& messages_path() const { return messages_path_; }

 private:
  std::string sid_;
  Secret authorization_;
  std::string path_;
  std::string messages_path_;
};

// A message to create; views into the caller's data. Empty fields are left out.
struct NewMessage {
  std::string_view to;
  std::string_view from;
  std::string_view messaging_service_sid;
  std::string_view body;
  std::span<const std::string> media_urls;
  std::string_view content_sid;
  std::string_view content_variables;  // A JSON object.
  std::string_view status_callback;
  std::optional<std::chrono::seconds> validity_period;  // 1 to 36,000 s.
};

// What became of a message creation. The four differ in what may follow.
struct Accepted {  // 2xx: Twilio has it.
  std::string sid;
  MessageStatus status = MessageStatus::kQueued;
  int segments = 0;  // 0: not known yet.
  std::optional<int> error_code;
};
struct Refused {  // Below 500: Twilio has not taken it.
  int http_status = 0;
  int code = 0;         // 0: the body held none.
  std::string message;  // Twilio's words; may name whole numbers, so never log it.
  std::optional<std::chrono::seconds> retry_after;
};
struct NotWritten {       // Not a byte left: as if it had not been tried.
  bool too_late = false;  // The caller's `write_by` passed.
  std::string reason;
};
struct Unknown {  // Twilio may have it: time-out, reset, 5xx, 408, an answer that cannot be read.
  int http_status = 0;  // 0: no answer.
  std::string reason;
};
using SendOutcome = std::variant<Accepted, Refused, NotWritten, Unknown>;

struct MessageFilter {
  std::string to;
  std::string from;
  std::optional<Time> sent_from;   // DateSent>, inclusive.
  std::optional<Time> sent_until;  // DateSent<, inclusive.
  int page_size = 50;              // 1 to 1,000.
};

struct PhoneNumberFilter {
  std::string phone_number;  // Part of a number, or a whole one; empty: all.
  int page_size = 50;
};

// Addresses to set on a number; empty fields stay as they are. Methods become POST.
struct NumberWebhooks {
  std::string sms_url;
  std::string sms_fallback_url;
  std::string voice_url;
  std::string voice_fallback_url;
  std::string status_callback;
};

class Client {
 public:
  // Errors as HttpTransport::Create.
  static absl::StatusOr<std::unique_ptr<Client>> Create(TransportOptions options);

  // Never repeats a request on its own, but for one that was provably not begun to be written.
  // `write_by`: if the first byte cannot be written by then, it is given up (NotWritten).
  // `about_to_write`: asked right before it, as HttpRequest's.
  SendOutcome CreateMessage(const Account& account, const NewMessage& message,
                            std::optional<SteadyTime> write_by = std::nullopt,
                            WriteGate about_to_write = {});

  // The calls below only read, or set to a value, so they may be repeated. Errors carry the
  // reason TWILIO_<code> and the catalogue's sentence: kUnauthenticated (401), kPermissionDenied
  // (403), kNotFound (404), kAborted (409), kResourceExhausted (429), kUnavailable (5xx; or
  // TWILIO_UNREACHABLE), else kInvalidArgument.
  absl::StatusOr<AccountResource> FetchAccount(const Account& account);
  absl::StatusOr<MessageResource> FetchMessage(const Account& account, std::string_view sid);
  absl::StatusOr<MessagePage> ListMessages(const Account& account, const MessageFilter& filter);
  // `page_uri` is the `next_page_uri` of the page before.
  absl::StatusOr<MessagePage> ListMessagesAt(const Account& account, std::string_view page_uri);
  // Of one message, at most 10.
  absl::StatusOr<std::vector<MediaResource>> ListMedia(const Account& account,
                                                       std::string_view message_sid);
  absl::StatusOr<PhoneNumberPage> ListIncomingPhoneNumbers(const Account& account,
                                                           const PhoneNumberFilter& filter);
  absl::StatusOr<PhoneNumberPage> ListIncomingPhoneNumbersAt(const Account& account,
                                                             std::string_view page_uri);
  absl::StatusOr<PhoneNumberResource> UpdateIncomingPhoneNumber(const Account& account,
                                                                std::string_view number_sid,
                                                                const NumberWebhooks& webhooks);

 private:
  explicit Client(std::unique_ptr<HttpTransport> transport);
  absl::StatusOr<std::string> Call(const Account& account, std::string_view method,
                                   std::string_view target, std::string_view form);
  absl::StatusOr<std::string> GetPage(const Account& account, std::string_view page_uri);

  std::unique_ptr<HttpTransport> transport_;
};

// Twilio's error code in a status of Client; 0 if it holds none.
int TwilioCode(const absl::Status& status);

}  // namespace parley::twilio
