#include "domain/quarantine.h"

#include <algorithm>
#include <array>

#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/webhooks/signer.h"

namespace parley::gateway {
namespace {

using events::v1::QuarantineRecord;

// webhook-ingest takes 64 KiB of body and 8 KiB of request line and headers; what is longer than
// this did not come from it.
constexpr std::size_t kBodyBytesMax = 64 << 10;
constexpr std::size_t kHeadBytesMax = 16 << 10;
constexpr int kHeadersMax = 200;
constexpr int kUrlsMax = 32;
constexpr std::size_t kTextBytesMax = 256;

constexpr char kHidden[] = "***";

absl::Status Invalid(std::string_view what) {
  return InvalidArgument("INVALID_RECORD",
                         "The record has a wrong or missing " + std::string(what) + ".");
}

bool IsText(std::string_view text) { return text.size() <= kTextBytesMax && IsCleanUtf8(text); }

absl::Status CheckHead(const QuarantineRecord& record) {
  if (!record.target().starts_with("/") || record.target().size() > kHeadBytesMax) {
    return Invalid("target");
  }
  std::size_t bytes = 0;
  for (const auto& header : record.headers()) bytes += header.name().size() + header.value().size();
  if (bytes > kHeadBytesMax || record.headers_size() > kHeadersMax) return Invalid("header");
  if (record.tried_urls_size() > kUrlsMax) return Invalid("list of URLs");
  for (const std::string& url : record.tried_urls()) {
    if (url.size() > 2 * kHeadBytesMax) return Invalid("URL");
  }
  return absl::OkStatus();
}

std::string_view HeaderOf(const QuarantineRecord& record, std::string_view lower_name) {
  for (const auto& header : record.headers()) {
    if (Lower(header.name()) == lower_name) return header.value();
  }
  return {};
}

webhooks::WebhookRequest ToRequest(const QuarantineRecord& record) {
  return {.is_get = record.is_get(),
          .target = record.target(),
          .content_type = record.is_get() ? std::string_view() : HeaderOf(record, "content-type"),
          .signature = HeaderOf(record, "x-twilio-signature"),
          .idempotency_token = record.idempotency_token(),
          .traceparent = {},
          .body = record.is_get() ? std::string_view() : record.body(),
          .received_at = FromMicros(record.received_at_us())};
}

std::optional<webhooks::Kind> ToKind(events::v1::WebhookKind kind) {
  switch (kind) {
    case events::v1::WEBHOOK_KIND_MESSAGE:
      return webhooks::Kind::kMessage;
    case events::v1::WEBHOOK_KIND_STATUS:
      return webhooks::Kind::kStatus;
    case events::v1::WEBHOOK_KIND_VOICE:
      return webhooks::Kind::kVoice;
    case events::v1::WEBHOOK_KIND_RECORDING:
      return webhooks::Kind::kRecording;
    default:
      return std::nullopt;
  }
}

// Text that protobuf and JSON take, whatever the bytes are.
std::string Printable(std::string_view bytes) {
  if (IsCleanUtf8(bytes)) return std::string(bytes);
  std::string text(bytes);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\0' || (c & 0x80) != 0; }, '?');
  return text;
}

// A GET's query holds what the customer wrote.
std::string WithoutQuery(std::string_view url) {
  const auto question = url.find('?');
  return question == std::string_view::npos ? std::string(url)
                                            : std::string(url.substr(0, question)) + "?…";
}

bool MayHoldCredential(std::string_view header_name) {
  const std::string name = Lower(header_name);
  if (name == "i-twilio-idempotency-token") return false;
  constexpr std::array<std::string_view, 5> kWords{"authorization", "cookie", "token", "secret",
                                                   "key"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return name.find(word) != std::string::npos; });
}

}  // namespace

absl::StatusOr<QuarantineRecord> ParseQuarantine(std::string_view value) {
  QuarantineRecord record;
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return InvalidArgument("UNPARSABLE", "The value is no " + record.GetTypeName() + ".");
  }
  if (record.account_sid().empty() || !IsText(record.account_sid())) return Invalid("account SID");
  if (KindName(record.kind()).empty()) return Invalid("kind");
  if (record.reason().empty() || !IsText(record.reason())) return Invalid("reason");
  if (!IsText(record.business_number())) return Invalid("business number");
  if (!IsText(record.customer_number())) return Invalid("customer number");
  if (!IsText(record.idempotency_token())) return Invalid("idempotency token");
  if (!IsText(record.remote_address())) return Invalid("address");
  if (record.received_at_us() <= 0) return Invalid("time");
  if (record.body().size() > kBodyBytesMax) return Invalid("body");
  PARLEY_RETURN_IF_ERROR(CheckHead(record));
  return record;
}

std::string QuarantineId(const QuarantineRecord& record) {
  if (!record.idempotency_token().empty()) {
    return DerivedId({"quarantine", record.account_sid(), record.idempotency_token()});
  }
  return DerivedId({"quarantine", record.account_sid(), KindName(record.kind()), record.target(),
                    record.body(), std::to_string(record.received_at_us())});
}

std::string_view KindName(events::v1::WebhookKind kind) {
  switch (kind) {
    case events::v1::WEBHOOK_KIND_MESSAGE:
      return "message";
    case events::v1::WEBHOOK_KIND_STATUS:
      return "status";
    case events::v1::WEBHOOK_KIND_VOICE:
      return "voice";
    case events::v1::WEBHOOK_KIND_RECORDING:
      return "recording";
    default:
      return {};
  }
}

const Signers::Account* Signers::FindAccount(std::string_view account_sid) const {
  const auto at = accounts.find(std::string(account_sid));
  return at == accounts.end() ? nullptr : &at->second;
}

const Signers::Number* Signers::FindNumber(std::string_view account_sid,
                                           std::string_view number) const {
  const auto at = numbers.find({std::string(account_sid), std::string(number)});
  return at == numbers.end() ? nullptr : &at->second;
}

std::vector<std::string_view> Signers::PublicUrls(std::string_view account_sid,
                                                  std::string_view number) const {
  std::vector<std::string_view> urls;
  const Number* of_number = FindNumber(account_sid, number);
  if (of_number != nullptr && !of_number->public_url.empty()) {
    urls.push_back(of_number->public_url);
  }
  const Account* of_account = FindAccount(account_sid);
  if (of_account != nullptr && !of_account->public_url.empty()) {
    urls.push_back(of_account->public_url);
  }
  urls.push_back(server_url);
  return urls;
}

QuarantinedRequest::QuarantinedRequest(const QuarantineRecord& record)
    : request(ToRequest(record)) {
  const auto kind = ToKind(record.kind());
  parsed = kind.has_value()
               ? webhooks::ParseWebhook(*kind, request, webhook)
               : InvalidArgument("KIND_UNKNOWN", "Webhooks of this kind cannot be released.");
}

absl::Status CheckQuarantined(const QuarantinedRequest& quarantined, const Signers& signers) {
  PARLEY_RETURN_IF_ERROR(quarantined.parsed);
  const std::string_view account_sid = quarantined.webhook.account_sid();
  const std::string_view number = quarantined.webhook.business_number();
  const Signers::Account* account = signers.FindAccount(account_sid);
  if (account == nullptr) {
    return NotFound("UNKNOWN_ACCOUNT", "The account of this webhook is not connected.");
  }
  const std::vector<std::string_view> urls = signers.PublicUrls(account_sid, number);
  PARLEY_RETURN_IF_ERROR(webhooks::VerifySigner(
      quarantined.request, quarantined.webhook.params,
      {.token = account->token, .secondary_token = account->secondary_token, .public_urls = urls}));
  const Signers::Number* claim = signers.FindNumber(account_sid, number);
  if (claim != nullptr && claim->of_another_account) {
    return ErrorStatus(absl::StatusCode::kPermissionDenied, "NUMBER_OF_ANOTHER_ACCOUNT",
                       "The business's number belongs to another account than the one that "
                       "signed.");
  }
  return absl::OkStatus();
}

std::vector<std::string> UrlsToTry(const QuarantinedRequest& quarantined, const Signers& signers) {
  const std::vector<std::string_view> urls =
      signers.PublicUrls(quarantined.webhook.account_sid(), quarantined.webhook.business_number());
  std::vector<std::string> tried = webhooks::TriedUrls(quarantined.request, urls);
  for (std::string& url : tried) url = Printable(url);
  return tried;
}

v1::QuarantinedWebhook Show(const QuarantineRecord& record, const Signers& signers,
                            std::string_view organization_id, Detail detail) {
  const bool is_get = record.is_get();
  const QuarantinedRequest quarantined(record);
  v1::QuarantinedWebhook shown;
  shown.set_kind(static_cast<v1::QuarantinedWebhook::Kind>(record.kind()));
  shown.set_account_sid(record.account_sid());
  shown.set_business_number(record.business_number());
  shown.set_customer_number(MaskNumber(record.customer_number()));
  shown.set_reason(record.reason());
  shown.set_remote_address(record.remote_address());
  for (const std::string& url : record.tried_urls()) {
    shown.add_tried_urls(is_get ? WithoutQuery(url) : url);
  }
  const auto urls = signers.PublicUrls(record.account_sid(), record.business_number());
  shown.set_public_url(std::string(urls.front()));
  shown.set_verifies(CheckQuarantined(quarantined, signers).ok());
  const Signers::Number* claim = signers.FindNumber(record.account_sid(), record.business_number());
  if (claim != nullptr && claim->organization_id == organization_id) {
    shown.set_channel_id(claim->channel_id);
  }
  shown.set_method(is_get ? "GET" : "POST");
  const std::string target = Printable(record.target());
  shown.set_target(is_get ? WithoutQuery(target) : target);
  shown.set_body_bytes(static_cast<int>(record.body().size()));
  if (detail != Detail::kRow) {
    for (const auto& header : record.headers()) {
      auto& added = *shown.add_headers();
      added.set_name(header.name());
      added.set_value(MayHoldCredential(header.name()) ? kHidden : header.value());
    }
  }
  if (detail == Detail::kContent) {
    const auto question = target.find('?');
    if (is_get && question != std::string::npos) shown.set_content(target.substr(question + 1));
    if (!is_get) shown.set_content(Printable(record.body()));
  }
  return shown;
}

static_assert(static_cast<int>(events::v1::WEBHOOK_KIND_RECORDING) ==
                  static_cast<int>(v1::QuarantinedWebhook::KIND_RECORDING),
              "Show casts from one to the other");

}  // namespace parley::gateway
