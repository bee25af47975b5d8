#include "pipeline/evidence.h"

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "libs/twilio/webhook.h"
#include "parley/events/v1/delivery_status.pb.h"

namespace parley::sender {

absl::Status EvidenceHandler::Handle(const std::vector<kafka::Record>& records) {
  static auto& unreadable = telemetry::Counter(
      "parley_sender_evidence_unreadable_total",
      "Delivery reports that could not be read; see parley.delivery-status.dead-letter.");
  static auto& settled =
      telemetry::Counter("parley_sender_evidence_settled_total",
                         "Sends that a callback confirmed before or instead of the request's own "
                         "answer. Many mean that answers of Twilio get lost: look at the network.");
  std::vector<Evidence> evidence;
  for (const kafka::Record& record : records) {
    events::v1::DeliveryStatusRecord report;
    if (!report.ParseFromString(record.value)) {
      unreadable.Increment();
      continue;
    }
    // Reports about messages of others carry no id; a SID that is none proves nothing.
    const bool names_attempt = IsUuid(report.message_id()) && report.attempt() > 0;
    if (!names_attempt || !twilio::IsMessageSid(report.message_sid())) continue;
    evidence.push_back(
        {report.account_sid(), Lower(report.message_id()), report.attempt(), report.message_sid()});
  }
  if (evidence.empty()) return absl::OkStatus();
  PARLEY_ASSIGN_OR_RETURN(std::vector<Change> changes, store_.ApplyEvidence(evidence));
  settled.Increment(static_cast<double>(changes.size()));
  for (const Change& change : changes) {
    telemetry::Info("sent", {{"organization_id", change.key.organization_id},
                             {"message_id", change.key.message_id},
                             {"generation", change.key.generation},
                             {"attempt", change.attempt},
                             {"account_sid", change.account_sid},
                             {"message_sid", change.message_sid},
                             {"reason", change.reason}});
  }
  publisher_.Enqueue(std::move(changes));
  return absl::OkStatus();
}

}  // namespace parley::sender
