#include "adapters/reply_publisher.h"

namespace parley::ai {

absl::Status ReplyPublisher::Publish(const events::v1::ReplyRecord& reply,
                                     const std::string& traceparent) {
  kafka::OutRecord record{kafka::kRepliesTopic,
                          reply.conversation_id(),
                          reply.SerializeAsString(),
                          {{kafka::kTypeHeader, reply.GetTypeName()}}};
  if (!traceparent.empty()) record.headers.emplace_back(kafka::kTraceHeader, traceparent);
  return producer_.ProduceAndWait({&record, 1}, kAcknowledgeMax);
}

}  // namespace parley::ai
