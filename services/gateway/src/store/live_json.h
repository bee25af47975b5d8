// Live events as JSON, exactly as rpc::ToJson would write them, at a tenth of its cost: a busy
// installation writes thousands a second. live_json_test holds both together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/base/clock.h"
#include "parley/v1/conversation.pb.h"
#include "parley/v1/message.pb.h"

namespace parley::gateway::store {

// {"message":{…}} and {"conversation":{…}}: a LiveEvent without number and time, as live_outbox
// keeps it.
std::string LiveData(const v1::Message& message);
std::string LiveData(const v1::Conversation& conversation);

// The whole LiveEvent: {"number":"7","time":"…",…}.
std::string NumberedLiveEvent(std::int64_t number, Time time, std::string_view data);

// The column messages.media: [{"url":…,"content_type":…}].
std::string MediaJson(const v1::Message& message);

// What one transaction says to an organization, as live_outbox and live_events keep it: a line for
// each event, oldest first.
void AppendLiveLine(std::string& lines, std::string_view name, std::string_view data);
struct LiveLine {
  std::string_view name;  // "message", "conversation"
  std::string_view data;
};
// The parts point into `lines`.
std::vector<LiveLine> SplitLiveLines(std::string_view lines);

// The same lines, without body, media and parameters of this message, wherever it is shown. A line
// that is not one of ours stays as it is.
std::string EraseFromLiveLines(std::string_view lines, std::string_view message_id);

// Appends a JSON string with its quotes. `text` is valid UTF-8.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace parley::gateway::store
