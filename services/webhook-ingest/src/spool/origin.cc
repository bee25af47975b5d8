#include "spool/origin.h"

#include "parley/events/v1/inbound.pb.h"

namespace parley::ingest {

void MarkSpooled(webhooks::OutgoingRecord& record) {
  if (record.topic != webhooks::Topic::kInbound) return;
  // Protobuf's encoding: two serialized messages behind each other are the second merged into the
  // first, so nothing needs to be parsed.
  static const std::string patch = [] {
    events::v1::InboundRecord origin;
    origin.set_origin(events::v1::ORIGIN_SPOOL);
    return origin.SerializeAsString();
  }();
  record.value += patch;
}

}  // namespace parley::ingest
