// How the API's resources look to the chat application (COMPATIBILITY §1). Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "parley/v1/channel.pb.h"
#include "parley/v1/conversation.pb.h"
#include "parley/v1/message.pb.h"

namespace parley::gateway::compat {

nlohmann::json ToJson(const v1::Message& message);
nlohmann::json ToJson(const v1::Channel& channel);
// A conversation is called a session there.
nlohmann::json ToJson(const v1::Conversation& conversation);

// {"success": false, "error": {"code": "UPPER_SNAKE", "message": …}}
nlohmann::json ErrorJson(const absl::Status& status);

// Text for a response; what is no UTF-8 is replaced.
std::string Dump(const nlohmann::json& json);

// The body of POST /api/messages.
struct PostedMessage {
  std::string channel_id;
  std::string twilio_number;  // Names the channel where channel_id is empty.
  std::string content;
  std::string user_phone_number;  // May be empty: then nothing is ever sent.
  bool from_customer = true;      // `sender` is "user": a simulated incoming message.
  v1::Medium medium = v1::MEDIUM_SMS;
};
// Errors of the readers: kInvalidArgument INVALID_JSON, INVALID_FIELD (wrong type or word),
// CHANNEL_MISSING.
absl::StatusOr<PostedMessage> ReadPostedMessage(std::string_view body);

// The body of POST and PATCH /api/channels: the channel, and which fields the body named.
absl::StatusOr<v1::UpdateChannelRequest> ReadChannel(std::string_view body);

}  // namespace parley::gateway::compat
