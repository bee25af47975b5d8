// What the compatibility layer needs of messages beyond the API's methods.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "api/services.h"
#include "libs/base/clock.h"
#include "libs/rpc/method_table.h"
#include "parley/v1/message.pb.h"

namespace parley::gateway::api {

// As SendMessage, but `channel_id` may come without `to`: then the message is stored in the
// channel's simulated conversation, and never sent.
absl::StatusOr<v1::Message> SendOrKeepMessage(Services& services, rpc::CallContext& call,
                                              const v1::SendMessageRequest& request);

// The newest messages of a channel or of one conversation, newest first.
struct MessageWindow {
  // One of the two; whoever asks has seen that it is the caller's.
  std::string channel_id;
  std::string conversation_id;
  int size = 0;
  // Only what came before this message, or before this time; both empty for the newest.
  std::string before_message_id;
  std::optional<Time> before_time;
};
// Errors: kNotFound MESSAGE_NOT_FOUND for an unknown before_message_id.
absl::StatusOr<std::vector<v1::Message>> ListNewestMessages(Services& services,
                                                            const rpc::CallContext& call,
                                                            const MessageWindow& window);

}  // namespace parley::gateway::api
