// RecordPublisher that answers OK only for what is durable: acknowledged by Kafka, or synced to the
// spool.
//
// Healthy: Kafka alone; the spool costs two loads. A record that Kafka does not acknowledge by the
// deadline goes to the spool, and opens the circuit: later ones go there at once, until the replay
// has Kafka's first acknowledgement. Records of a key that is in the spool follow through it.
//
// A record that went to the spool may still sit in the producer, and reach Kafka before what the
// spool has of its key: it is older than that, so the order is kept, and the repeat is dropped by
// its readers. (A consent counts by the time it was given, in whatever order it comes.)
#pragma once

#include <memory>

#include "ports.h"
#include "spool/circuit.h"
#include "spool/spool.h"

namespace parley::ingest {

class DurablePublisher final : public RecordPublisher {
 public:
  // All outlive it; callbacks of `kafka` may come after its end.
  DurablePublisher(RecordProducer& kafka, Spool& spool, Circuit& circuit)
      : kafka_(kafka), spool_(spool), circuit_(circuit) {}

  absl::Status Publish(webhooks::OutgoingRecord record,
                       std::chrono::steady_clock::time_point deadline) override;

  // OK while records can be made durable one way or the other.
  absl::Status Health() const;

 private:
  struct Acknowledgement;

  // Never null; an error of Produce is an acknowledgement that has arrived.
  std::shared_ptr<Acknowledgement> ToKafka(const webhooks::OutgoingRecord& record);
  static absl::Status Wait(Acknowledgement& acknowledgement,
                           std::chrono::steady_clock::time_point deadline);
  absl::Status ToSpool(const webhooks::OutgoingRecord& record,
                       std::chrono::steady_clock::time_point deadline);

  RecordProducer& kafka_;
  Spool& spool_;
  Circuit& circuit_;
};

}  // namespace parley::ingest
