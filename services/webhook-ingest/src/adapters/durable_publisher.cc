#include "adapters/durable_publisher.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "spool/origin.h"

namespace parley::ingest {
namespace {

// For the disk, behind the deadline: with two records for a webhook still far below Twilio's 15 s.
constexpr std::chrono::seconds kDiskWaitMax{4};

}  // namespace

// Shared by the request and the callback: whichever comes last frees it.
struct DurablePublisher::Acknowledgement {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<absl::Status> status;
};

absl::Status DurablePublisher::Publish(webhooks::OutgoingRecord record,
                                       std::chrono::steady_clock::time_point deadline) {
  if (!circuit_.IsOpen() && !spool_.Holds(record)) {
    const auto acknowledgement = ToKafka(record);
    const absl::Status status = Wait(*acknowledgement, deadline);
    if (status.ok() || absl::IsInvalidArgument(status)) return status;
    circuit_.Failed(status);
    MarkSpooled(record);
    const absl::Status spooled = ToSpool(record, deadline);
    if (spooled.ok()) return spooled;
    // While the disk failed Kafka may have taken it after all.
    return Wait(*acknowledgement, deadline).ok() ? absl::OkStatus() : spooled;
  }
  const std::size_t value_bytes = record.value.size();
  MarkSpooled(record);
  const absl::Status spooled = ToSpool(record, deadline);
  if (spooled.ok() || absl::IsInvalidArgument(spooled)) return spooled;
  // The disk takes nothing. Kafka may be up all the same: there, behind those of its key.
  if (!spool_.WaitUntilGone(record, deadline)) return spooled;
  record.value.resize(value_bytes);
  return Wait(*ToKafka(record), deadline).ok() ? absl::OkStatus() : spooled;
}

std::shared_ptr<DurablePublisher::Acknowledgement> DurablePublisher::ToKafka(
    const webhooks::OutgoingRecord& record) {
  auto acknowledgement = std::make_shared<Acknowledgement>();
  const absl::Status queued =
      kafka_.Produce(record, [acknowledgement, &circuit = circuit_](const absl::Status& delivered) {
        if (delivered.ok()) circuit.Acknowledged();
        {
          const std::lock_guard lock(acknowledgement->mutex);
          acknowledgement->status = delivered;
        }
        acknowledgement->arrived.notify_one();
      });
  if (!queued.ok()) acknowledgement->status = queued;  // Nobody else has it.
  return acknowledgement;
}

absl::Status DurablePublisher::Wait(Acknowledgement& acknowledgement,
                                    std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(acknowledgement.mutex);
  if (acknowledgement.arrived.wait_until(lock, deadline,
                                         [&] { return acknowledgement.status.has_value(); })) {
    return *acknowledgement.status;
  }
  return ErrorStatus(absl::StatusCode::kDeadlineExceeded, "KAFKA_TIMEOUT",
                     "Kafka did not acknowledge the record in time.");
}

absl::Status DurablePublisher::ToSpool(const webhooks::OutgoingRecord& record,
                                       std::chrono::steady_clock::time_point deadline) {
  const auto now = std::chrono::steady_clock::now();
  const absl::StatusOr<std::uint64_t> sequence =
      spool_.Append(record, std::max(deadline, now) + kDiskWaitMax);
  if (sequence.ok()) {
    telemetry::Info("spooled", {{"sequence", *sequence}, {"type", record.type}});
  }
  return sequence.status();
}

absl::Status DurablePublisher::Health() const {
  return circuit_.IsOpen() ? spool_.Health() : absl::OkStatus();
}

}  // namespace parley::ingest
