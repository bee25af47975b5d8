#include "compat/mapping.h"

#include <optional>

#include "domain/message.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/base/text.h"

namespace parley::gateway::compat {
namespace {

using nlohmann::json;

std::string TimeText(const google::protobuf::Timestamp& time) {
  return FormatTime(FromMicros(time.seconds() * 1'000'000 + time.nanos() / 1'000));
}

std::string_view TitlePrefix(v1::Medium medium) {
  switch (medium) {
    case v1::MEDIUM_WHATSAPP:
      return "WhatsApp from ";
    case v1::MEDIUM_VOICE:
      return "Call from ";
    default:
      return "SMS from ";
  }
}

absl::Status BadField(std::string_view name, std::string_view expected) {
  return InvalidArgument("INVALID_FIELD",
                         std::string(name) + " must be " + std::string(expected) + ".");
}

absl::StatusOr<json> ParseObject(std::string_view body) {
  if (!IsCleanUtf8(body)) {
    return InvalidArgument("INVALID_JSON", "The body is not valid UTF-8 text.");
  }
  json parsed = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return InvalidArgument("INVALID_JSON", "The body must be a JSON object.");
  }
  return parsed;
}

// Absent and null are the same: empty.
absl::StatusOr<std::string> Text(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::string();
  if (!found->is_string()) return BadField(name, "text");
  return found->get<std::string>();
}

absl::StatusOr<v1::Medium> ReadMedium(std::string_view name, std::string_view text) {
  const Medium medium = ParseMedium(text);
  if (medium == v1::MEDIUM_UNSPECIFIED) return BadField(name, "sms, whatsapp or voice");
  return medium;
}

absl::Status ReadTypes(const json& object, v1::Channel& channel) {
  const auto found = object.find("communication_types");
  if (found == object.end()) return absl::OkStatus();
  if (!found->is_array()) return BadField("communication_types", "a list");
  for (const json& one : *found) {
    if (!one.is_string()) return BadField("communication_types", "a list of texts");
    PARLEY_ASSIGN_OR_RETURN(const v1::Medium medium,
                            ReadMedium("communication_types", one.get<std::string>()));
    channel.add_media(medium);
  }
  return absl::OkStatus();
}

}  // namespace

json ToJson(const v1::Message& message) {
  const bool incoming = message.direction() == v1::Message::DIRECTION_INBOUND;
  const bool sent_via_twilio = !incoming && !message.message_sid().empty();
  json media = json::array();
  for (const v1::MessageMedia& one : message.media()) {
    media.push_back({{"url", one.url()}, {"content_type", one.content_type()}});
  }
  const std::string time = TimeText(message.create_time());
  return {{"_id", message.id()},
          {"channel_id", message.channel_id()},
          {"session_id", message.conversation_id()},
          {"content", message.body()},
          {"sender", incoming && message.simulated() ? "user" : "contact"},
          {"type", std::string(KindName(message.kind()))},
          {"communication_type", std::string(MediumName(message.medium()))},
          {"status", std::string(StatusName(message.status()))},
          {"created_at", time},
          {"createdAt", time},
          {"media", std::move(media)},
          {"metadata",
           {{"fromNumber", message.from()},
            {"toNumber", message.to()},
            {"direction", incoming ? "incoming" : "outgoing"},
            {"simulated", message.simulated()},
            {"ai", message.author() == v1::Message::AUTHOR_AI},
            {"twilioMessageSid", message.message_sid()},
            {"twilioCallSid", message.call_sid()},
            {"sentViaTwilio", sent_via_twilio},
            {"sentViaTwitter", sent_via_twilio}}}};
}

json ToJson(const v1::Channel& channel) {
  json types = json::array();
  for (const int medium : channel.media()) {
    types.push_back(std::string(MediumName(static_cast<Medium>(medium))));
  }
  return {{"id", channel.id()},
          {"_id", channel.id()},
          {"name", channel.display_name()},
          {"phone_number", channel.phone_number()},
          {"whatsapp_number", channel.whatsapp_number()},
          {"communication_types", std::move(types)},
          {"status", channel.state() == v1::Channel::STATE_DELETED ? "deleted" : "active"}};
}

json ToJson(const v1::Conversation& conversation) {
  return {{"_id", conversation.id()},
          {"channel_id", conversation.channel_id()},
          {"communication_type", std::string(MediumName(conversation.medium()))},
          {"title", std::string(TitlePrefix(conversation.medium())) + conversation.title()},
          {"status", "active"},
          {"message_count", conversation.message_count()},
          {"last_message_at", TimeText(conversation.update_time())}};
}

json ErrorJson(const absl::Status& status) {
  return {{"success", false},
          {"error", {{"code", ErrorReason(status)}, {"message", std::string(status.message())}}}};
}

std::string Dump(const json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<PostedMessage> ReadPostedMessage(std::string_view body) {
  PARLEY_ASSIGN_OR_RETURN(const json object, ParseObject(body));
  PostedMessage posted;
  PARLEY_ASSIGN_OR_RETURN(posted.channel_id, Text(object, "channel_id"));
  PARLEY_ASSIGN_OR_RETURN(posted.twilio_number, Text(object, "twilio_number"));
  PARLEY_ASSIGN_OR_RETURN(posted.content, Text(object, "content"));
  PARLEY_ASSIGN_OR_RETURN(posted.user_phone_number, Text(object, "user_phone_number"));
  PARLEY_ASSIGN_OR_RETURN(const std::string sender, Text(object, "sender"));
  PARLEY_ASSIGN_OR_RETURN(const std::string type, Text(object, "communication_type"));
  if (posted.channel_id.empty() && posted.twilio_number.empty()) {
    return InvalidArgument("CHANNEL_MISSING", "channel_id or twilio_number is required.");
  }
  if (!sender.empty() && sender != "user" && sender != "contact") {
    return BadField("sender", "user or contact");
  }
  posted.from_customer = sender != "contact";
  if (type.empty()) return posted;
  PARLEY_ASSIGN_OR_RETURN(posted.medium, ReadMedium("communication_type", type));
  if (posted.medium == v1::MEDIUM_VOICE) return BadField("communication_type", "sms or whatsapp");
  return posted;
}

absl::StatusOr<v1::UpdateChannelRequest> ReadChannel(std::string_view body) {
  PARLEY_ASSIGN_OR_RETURN(const json object, ParseObject(body));
  v1::UpdateChannelRequest request;
  v1::Channel& channel = *request.mutable_channel();
  PARLEY_ASSIGN_OR_RETURN(*channel.mutable_display_name(), Text(object, "name"));
  PARLEY_ASSIGN_OR_RETURN(*channel.mutable_phone_number(), Text(object, "phone_number"));
  PARLEY_ASSIGN_OR_RETURN(*channel.mutable_whatsapp_number(), Text(object, "whatsapp_number"));
  PARLEY_RETURN_IF_ERROR(ReadTypes(object, channel));
  const std::pair<const char*, const char*> fields[] = {{"name", "display_name"},
                                                        {"phone_number", "phone_number"},
                                                        {"whatsapp_number", "whatsapp_number"},
                                                        {"communication_types", "media"}};
  for (const auto& [name, path] : fields) {
    if (object.contains(name)) request.mutable_update_mask()->add_paths(path);
  }
  return request;
}

}  // namespace parley::gateway::compat
