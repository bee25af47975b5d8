// A record as it travels.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/clock.h"

namespace parley::kafka {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Every record carries its protobuf type and the trace it belongs to.
inline constexpr char kTypeHeader[] = "parley-type";
inline constexpr char kTraceHeader[] = "traceparent";

// To be produced.
struct OutRecord {
  std::string topic;
  std::string key;
  std::string value;
  Headers headers;
};

// As consumed.
struct Record {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::string key;
  std::string value;
  Headers headers;
  Time time;  // The broker's or producer's, as the topic is set.

  // Value of the header, or empty.
  std::string Header(std::string_view name) const;
};

// The fixed names of DESIGN §3.
inline constexpr char kInboundTopic[] = "parley.inbound";
inline constexpr char kConsentTopic[] = "parley.consent";
inline constexpr char kDeliveryStatusTopic[] = "parley.delivery-status";
inline constexpr char kConversationEventsTopic[] = "parley.conversation-events";
inline constexpr char kRepliesTopic[] = "parley.replies";
inline constexpr char kSendCommandsTopic[] = "parley.send-commands";
inline constexpr char kSendResultsTopic[] = "parley.send-results";
inline constexpr char kDirectoryTopic[] = "parley.directory";
inline constexpr char kQuarantineTopic[] = "parley.quarantine";
inline constexpr char kDeadLetterSuffix[] = ".dead-letter";

}  // namespace parley::kafka
