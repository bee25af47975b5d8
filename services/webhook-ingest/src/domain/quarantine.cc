#include "domain/quarantine.h"

#include <algorithm>

#include "libs/base/text.h"
#include "parley/events/v1/quarantine.pb.h"

namespace parley::ingest {
namespace {

using events::v1::WebhookKind;

constexpr std::size_t kHeaderBytesMax = 8 << 10;
constexpr std::size_t kTokenKeyBytesMax = 128;
constexpr std::size_t kTriedUrlsMax = 20;

WebhookKind ToProto(webhooks::Kind kind) {
  switch (kind) {
    case webhooks::Kind::kMessage:
      return WebhookKind::WEBHOOK_KIND_MESSAGE;
    case webhooks::Kind::kStatus:
      return WebhookKind::WEBHOOK_KIND_STATUS;
    case webhooks::Kind::kVoice:
      return WebhookKind::WEBHOOK_KIND_VOICE;
    case webhooks::Kind::kRecording:
      return WebhookKind::WEBHOOK_KIND_RECORDING;
  }
  return WebhookKind::WEBHOOK_KIND_UNSPECIFIED;
}

// Protobuf's strings must be UTF-8; what is not becomes "?", byte by byte.
std::string Readable(std::string_view text) {
  std::string out(text);
  if (IsCleanUtf8(out)) return out;
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return c == '\0' || static_cast<unsigned char>(c) >= 0x80; }, '?');
  return out;
}

bool IsSecret(std::string_view header) {
  const std::string name = Lower(header);
  return name == "authorization" || name == "proxy-authorization" || name == "cookie";
}

}  // namespace

template <class Value>
Value& QuarantineGate::Recent<Value>::Use(std::string key, std::size_t entries_max, bool* found) {
  const auto known = index.find(key);
  *found = known != index.end();
  if (*found) {
    order.splice(order.begin(), order, known->second);
    return known->second->value;
  }
  if (index.size() >= entries_max) {
    index.erase(order.back().key);
    order.pop_back();
  }
  order.push_front({std::move(key), Value()});
  index.emplace(order.front().key, order.begin());
  return order.front().value;
}

QuarantineGate::Bucket& QuarantineGate::Filled(std::string key, const Rate& rate, Time now) {
  bool found = false;
  Bucket& bucket = buckets_.Use(std::move(key), limits_.buckets_max, &found);
  if (!found) {
    bucket = {.tokens = rate.burst, .filled_at = now};
  } else if (now > bucket.filled_at) {
    const double minutes =
        std::chrono::duration<double, std::ratio<60>>(now - bucket.filled_at).count();
    bucket.tokens = std::min(rate.burst, bucket.tokens + minutes * rate.per_minute);
    bucket.filled_at = now;
  }
  return bucket;
}

bool QuarantineGate::Admit(const Candidate& candidate, Time now) {
  std::string token;
  if (!candidate.idempotency_token.empty()) {
    token = std::string(candidate.account_sid)
                .append("/")
                .append(candidate.idempotency_token.substr(0, kTokenKeyBytesMax));
    if (tokens_.index.contains(token)) return false;
  }
  const std::string account(candidate.account_sid);
  Bucket& of_address =
      Filled(account + "/" + std::string(candidate.remote_address),
             {.per_minute = limits_.address_per_minute, .burst = limits_.address_burst}, now);
  if (of_address.tokens < 1) return false;
  Bucket& of_account = Filled(
      account, {.per_minute = limits_.account_per_minute, .burst = limits_.account_burst}, now);
  if (of_account.tokens < 1) return false;
  of_address.tokens -= 1;
  of_account.tokens -= 1;
  bool found = false;
  if (!token.empty()) tokens_.Use(std::move(token), limits_.tokens_max, &found) = true;
  return true;
}

bool IsQuarantined(std::string_view reason) {
  return reason == "SIGNATURE_MISSING" || reason == "SIGNATURE_MALFORMED" ||
         reason == "SIGNATURE_MISMATCH";
}

webhooks::OutgoingRecord QuarantineRecord(const QuarantineInput& input) {
  const webhooks::WebhookRequest& request = input.webhook.request;
  events::v1::QuarantineRecord record;
  record.set_account_sid(std::string(input.webhook.account_sid()));
  record.set_kind(ToProto(input.kind));
  record.set_is_get(request.is_get);
  record.set_target(std::string(request.target));
  if (input.arrival.each_header) {
    std::size_t bytes = 0;
    input.arrival.each_header([&](std::string_view name, std::string_view value) {
      bytes += name.size() + value.size();
      if (bytes > kHeaderBytesMax || IsSecret(name)) return;
      auto* header = record.add_headers();
      header->set_name(Readable(name));
      header->set_value(Readable(value));
    });
  }
  record.set_body(std::string(request.body));
  record.set_received_at_us(ToMicros(request.received_at));
  for (const std::string& url : input.tried_urls) {
    if (static_cast<std::size_t>(record.tried_urls_size()) == kTriedUrlsMax) break;
    record.add_tried_urls(Readable(url));
  }
  record.set_remote_address(input.arrival.remote_address);
  record.set_idempotency_token(std::string(request.idempotency_token));
  record.set_reason(std::string(input.reason));
  record.set_business_number(std::string(input.webhook.business_number()));
  record.set_customer_number(std::string(input.webhook.customer_number()));
  return {.topic = webhooks::Topic::kQuarantine,
          .key = record.account_sid(),
          .value = record.SerializeAsString(),
          .type = record.GetTypeName(),
          .traceparent = std::string(input.traceparent)};
}

}  // namespace parley::ingest
