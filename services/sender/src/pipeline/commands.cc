#include "pipeline/commands.h"

#include "domain/command.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/metrics.h"
#include "parley/events/v1/send_command.pb.h"

namespace parley::sender {
namespace {

CampaignState ToState(events::v1::CampaignState::State state) {
  switch (state) {
    case events::v1::CampaignState::STATE_PAUSED:
      return CampaignState::kPaused;
    case events::v1::CampaignState::STATE_CANCELED:
      return CampaignState::kCanceled;
    default:
      return CampaignState::kRunning;
  }
}

}  // namespace

absl::Status ParseCommand(const kafka::Record& record, CommandBatch& batch) {
  events::v1::SendCommand command;
  if (!command.ParseFromString(record.value)) {
    return InvalidArgument("COMMAND_UNREADABLE", "The record is no SendCommand.");
  }
  const std::string& organization_id = command.organization_id();
  switch (command.command_case()) {
    case events::v1::SendCommand::kSend: {
      PARLEY_ASSIGN_OR_RETURN(NewDelivery delivery,
                              ParseSend(organization_id, command.send(), record.time));
      batch.sends.push_back(std::move(delivery));
      return absl::OkStatus();
    }
    case events::v1::SendCommand::kCancel: {
      const events::v1::CancelSend& cancel = command.cancel();
      PARLEY_RETURN_IF_ERROR(CheckCancel(organization_id, cancel));
      batch.cancels.push_back(
          {{Lower(organization_id), Lower(cancel.message_id()), cancel.generation()}});
      return absl::OkStatus();
    }
    case events::v1::SendCommand::kCampaign: {
      const events::v1::CampaignState& campaign = command.campaign();
      PARLEY_RETURN_IF_ERROR(CheckCampaign(organization_id, campaign));
      batch.campaigns.push_back({Lower(organization_id), Lower(campaign.campaign_id()),
                                 campaign.version(), ToState(campaign.state())});
      return absl::OkStatus();
    }
    case events::v1::SendCommand::COMMAND_NOT_SET:
      break;
  }
  return InvalidArgument("COMMAND_UNKNOWN", "The record holds no command that is known here.");
}

absl::Status CommandHandler::Handle(const std::vector<kafka::Record>& records) {
  static auto& stored = telemetry::Counter(
      "parley_sender_commands_stored_total",
      "Sends that were written to the queue. If it stands still while the gateway's outbox "
      "empties, look whether Kafka and the database can be reached.");
  static auto& repeated = telemetry::Counter(
      "parley_sender_commands_repeated_total",
      "Sends that were known already. A few are normal after restarts; a steady flow means that "
      "the gateway does not read parley.send-results.");
  CommandBatch batch;
  for (const kafka::Record& record : records) PARLEY_RETURN_IF_ERROR(ParseCommand(record, batch));
  PARLEY_ASSIGN_OR_RETURN(CommandResult result, store_.Apply(batch, pump_.Owned()));
  stored.Increment(static_cast<double>(result.inserted.size()));
  repeated.Increment(static_cast<double>(batch.sends.size() - result.inserted.size()));
  pump_.Offer(std::move(result.inserted));
  publisher_.Enqueue(std::move(result.changes));
  std::vector<DeliveryKey> accepted;
  for (const NewDelivery& send : batch.sends) accepted.push_back(send.key);
  sink_.PublishAccepted(accepted);
  if (!batch.campaigns.empty()) on_campaign_();
  return absl::OkStatus();
}

}  // namespace parley::sender
