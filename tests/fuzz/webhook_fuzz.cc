// Webhooks: whatever a request holds, what is taken becomes records that hold every parameter, that
// protobuf and PostgreSQL take, and that stay with the account that the request names.
#include "libs/webhooks/webhook.h"
#include "parley/events/v1/consent.pb.h"
#include "parley/events/v1/delivery_status.pb.h"
#include "parley/events/v1/inbound.pb.h"
#include "tests/fuzz/fuzz.h"

namespace parley::fuzz {
namespace {

using webhooks::Kind;
using webhooks::OutgoingRecord;
using webhooks::Topic;
using webhooks::Webhook;

template <class Record>
Record Read(const OutgoingRecord& outgoing) {
  Record record;
  FUZZ_EXPECT(record.GetTypeName() == outgoing.type);
  FUZZ_EXPECT(record.ParseFromString(outgoing.value));
  return record;
}

template <class Record>
void ExpectEveryParameter(const Webhook& webhook, const Record& record) {
  FUZZ_EXPECT(record.parameters_size() == static_cast<int>(webhook.params.size()));
  for (int i = 0; i < record.parameters_size(); ++i) {
    const twilio::FormParam param = webhook.params[static_cast<std::size_t>(i)];
    FUZZ_EXPECT(record.parameters(i).name() == param.name);
    FUZZ_EXPECT(record.parameters(i).value() == param.value);
  }
}

void CheckRecord(const Webhook& webhook, const OutgoingRecord& outgoing) {
  FUZZ_EXPECT(!outgoing.key.empty() && IsCleanUtf8(outgoing.key));
  switch (outgoing.topic) {
    case Topic::kInbound: {
      const auto record = Read<events::v1::InboundRecord>(outgoing);
      FUZZ_EXPECT(record.account_sid() == webhook.params.Get("AccountSid"));
      FUZZ_EXPECT(outgoing.key.starts_with(record.account_sid() + "/"));
      FUZZ_EXPECT(record.event_case() != events::v1::InboundRecord::EVENT_NOT_SET);
      ExpectEveryParameter(webhook, record);
      break;
    }
    case Topic::kConsent: {
      const auto record = Read<events::v1::ConsentRecord>(outgoing);
      FUZZ_EXPECT(webhook.keyword() == twilio::Keyword::kStop ||
                  webhook.keyword() == twilio::Keyword::kStart);
      FUZZ_EXPECT(record.customer_number() == outgoing.key);
      FUZZ_EXPECT(record.account_sid() == webhook.params.Get("AccountSid"));
      break;
    }
    case Topic::kDeliveryStatus: {
      const auto record = Read<events::v1::DeliveryStatusRecord>(outgoing);
      FUZZ_EXPECT(record.message_sid() == outgoing.key);
      FUZZ_EXPECT(record.account_sid() == webhook.params.Get("AccountSid"));
      ExpectEveryParameter(webhook, record);
      break;
    }
    default:
      FUZZ_EXPECT(false);  // Only what failed its signature goes to quarantine.
  }
}

void CheckRecords(const Webhook& webhook, const std::string& reply) {
  const std::vector<OutgoingRecord> records = webhooks::MakeRecords(
      webhook, {.organization_id = "", .traceparent = "", .auto_reply = reply});
  FUZZ_EXPECT(records.size() <= 2);
  for (const OutgoingRecord& record : records) CheckRecord(webhook, record);
  const twilio::Keyword keyword = webhook.keyword();
  const bool consents = keyword == twilio::Keyword::kStop || keyword == twilio::Keyword::kStart;
  FUZZ_EXPECT(consents == (records.size() == 2));
  if (consents) FUZZ_EXPECT(records.front().topic == Topic::kConsent);
}

constexpr Kind kKinds[] = {Kind::kMessage, Kind::kStatus, Kind::kVoice, Kind::kRecording};

// A form as Twilio would send it, but for the values that the input chooses.
std::string LikelyForm(FuzzedDataProvider& input) {
  constexpr const char* kSid = "00000000000000000000000000000001";
  std::string body = "AccountSid=AC11111111111111111111111111111111";
  const auto add = [&](const char* name, const std::string& value) {
    if (input.ConsumeIntegralInRange(0, 9) > 0) twilio::AppendFormParam(body, name, value);
  };
  const std::string channel = input.PickValueInArray({"", "", "whatsapp:", "messenger:"});
  add("From", channel + "+15005550001");
  add("To", channel + "+15005550006");
  add("Body", input.ConsumeBool() ? "STOP" : CleanText(input, 100));
  add("OptOutType", input.PickValueInArray({"", "STOP", "START", "HELP"}));
  add("NumMedia", input.PickValueInArray({"0", "1", "10", "11", "-1", "x"}));
  add("MediaUrl0", "https://api.twilio.example/" + CleanText(input, 20));
  if (input.ConsumeBool()) add("MessageSid", std::string("SM") + kSid);
  if (input.ConsumeBool()) add("CallSid", std::string("CA") + kSid);
  if (input.ConsumeBool()) add("RecordingSid", std::string("RE") + kSid);
  add("MessageStatus", input.PickValueInArray({"sent", "delivered", "failed", "what"}));
  add("CallStatus", input.PickValueInArray({"ringing", "completed", "no-answer", "what"}));
  add("Direction", input.PickValueInArray({"inbound", "outbound-api"}));
  add("CallDuration", input.PickValueInArray({"0", "7", "99999999999", "-3"}));
  add("ErrorCode", input.PickValueInArray({"30003", "", "x"}));
  return body + "&" + input.ConsumeRemainingBytesAsString();
}

void CheckRequest(FuzzedDataProvider& input, bool likely) {
  const Kind kind = input.PickValueInArray(kKinds);
  const std::string type = input.PickValueInArray(
      {"application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8",
       "application/json", ""});
  const std::string token = input.ConsumeRandomLengthString(140);
  const std::string query = input.ConsumeRandomLengthString(120);
  const std::string reply = CleanText(input, 40);
  const bool is_get = input.ConsumeBool();
  const std::string form = likely ? LikelyForm(input) : input.ConsumeRemainingBytesAsString();
  const std::string target = "/webhooks/twilio/message?" + (is_get ? form : query);
  Webhook webhook;
  const absl::Status read = webhooks::ParseWebhook(kind,
                                                   {.is_get = is_get,
                                                    .target = target,
                                                    .content_type = type,
                                                    .signature = "",
                                                    .idempotency_token = token,
                                                    .traceparent = "",
                                                    .body = is_get ? "" : form,
                                                    .received_at = FromMicros(1)},
                                                   webhook);
  if (!read.ok()) {
    FUZZ_EXPECT(read.code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  FUZZ_EXPECT(is_get || type.starts_with("application/x-www-form-urlencoded"));
  CheckRecords(webhook, reply);
}

}  // namespace
}  // namespace parley::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const bool likely = input.ConsumeBool();
  parley::fuzz::CheckRequest(input, likely);
  return 0;
}
