#include "adapters/kafka_results.h"

#include "libs/telemetry/log.h"
#include "parley/events/v1/send_result.pb.h"

namespace parley::sender {
namespace {

using events::v1::SendOutcome;
using events::v1::SendResult;

constexpr int kAcceptedMax = 500;                  // As the contract says.
constexpr char kRequestKey[] = "consent-request";  // It is about no message.

SendOutcome::State ToProto(State state) {
  switch (state) {
    case State::kQueued:
      return SendOutcome::STATE_QUEUED;
    case State::kSending:
      return SendOutcome::STATE_SENDING;
    case State::kSent:
      return SendOutcome::STATE_SENT;
    case State::kFailed:
      return SendOutcome::STATE_FAILED;
    case State::kUnconfirmed:
      return SendOutcome::STATE_UNCONFIRMED;
    case State::kCanceled:
      return SendOutcome::STATE_CANCELED;
    case State::kExpired:
      return SendOutcome::STATE_EXPIRED;
  }
  return SendOutcome::STATE_UNSPECIFIED;
}

kafka::OutRecord ToRecord(const std::string& key, const SendResult& result) {
  return {kafka::kSendResultsTopic,
          key,
          result.SerializeAsString(),
          {{kafka::kTypeHeader, result.GetDescriptor()->full_name()}}};
}

}  // namespace

absl::Status KafkaResults::Publish(const Change& change, std::function<void(absl::Status)> done) {
  SendResult result;
  SendOutcome& outcome = *result.mutable_outcome();
  outcome.set_organization_id(change.key.organization_id);
  outcome.set_message_id(change.key.message_id);
  outcome.set_generation(change.key.generation);
  outcome.set_version(change.version);
  outcome.set_state(ToProto(change.state));
  outcome.set_attempt(change.attempt);
  outcome.set_account_sid(change.account_sid);
  outcome.set_message_sid(change.message_sid);
  outcome.set_error_code(change.error_code);
  outcome.set_reason(change.reason);
  outcome.set_message(change.message);
  outcome.set_at_us(ToMicros(change.at));
  if (change.retry_at) outcome.set_retry_at_us(ToMicros(*change.retry_at));
  outcome.set_segments(change.segments);
  for (const Finding& found : change.findings) {
    events::v1::Finding& finding = *outcome.add_findings();
    finding.set_kind(static_cast<events::v1::Finding::Kind>(found.kind));
    finding.set_at_us(ToMicros(found.at));
    finding.set_looks(found.looks);
  }
  if (change.look_again_at) outcome.set_look_again_at_us(ToMicros(*change.look_again_at));
  return producer_.Produce(ToRecord(change.key.message_id, result), std::move(done));
}

void KafkaResults::PublishAccepted(std::span<const DeliveryKey> keys) {
  for (std::size_t at = 0; at < keys.size(); at += kAcceptedMax) {
    SendResult result;
    for (const DeliveryKey& key :
         keys.subspan(at, std::min<std::size_t>(kAcceptedMax, keys.size() - at))) {
      auto& item = *result.mutable_accepted()->add_items();
      item.set_organization_id(key.organization_id);
      item.set_message_id(key.message_id);
      item.set_generation(key.generation);
    }
    const absl::Status status =
        producer_.Produce(ToRecord(keys[at].message_id, result), [](absl::Status delivered) {
          if (!delivered.ok()) telemetry::Warning("accepted_not_published", delivered);
        });
    if (!status.ok()) telemetry::Warning("accepted_not_published", status);
  }
}

void KafkaResults::RequestSuppressions(std::int64_t since_us) {
  SendResult result;
  result.mutable_consent_request()->set_at_us(since_us);
  const absl::Status status =
      producer_.Produce(ToRecord(kRequestKey, result), [](absl::Status delivered) {
        if (!delivered.ok()) telemetry::Warning("suppressions_not_requested", delivered);
      });
  if (!status.ok()) telemetry::Warning("suppressions_not_requested", status);
}

}  // namespace parley::sender
