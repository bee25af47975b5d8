#include "store/live_json.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace parley::gateway::store {
namespace {

// Writes the members of one object; the caller opens and closes the brace.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) {}

  std::string& Name(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void Text(std::string_view name, std::string_view value) { AppendJsonString(Name(name), value); }
  // 64-bit integers are strings in protobuf's JSON.
  void Int64(std::string_view name, std::int64_t value) {
    Name(name) += '"' + std::to_string(value) + '"';
  }
  void Int32(std::string_view name, std::int32_t value) { Name(name) += std::to_string(value); }
  void Bool(std::string_view name, bool value) { Name(name) += value ? "true" : "false"; }
  void Enum(std::string_view name, const std::string& value) { Name(name) += '"' + value + '"'; }
  void When(std::string_view name, const google::protobuf::Timestamp& value) {
    AppendJsonString(Name(name),
                     FormatTime(FromMicros(value.seconds() * 1'000'000 + value.nanos() / 1'000)));
  }

 private:
  std::string& out_;
  bool first_ = true;
};

void AppendUnconfirmed(std::string& out, const v1::Message& message) {
  const v1::Unconfirmed& unconfirmed = message.unconfirmed();
  out += '{';
  Members members(out);
  members.Enum("verdict", v1::Unconfirmed::Verdict_Name(unconfirmed.verdict()));
  std::string& findings = members.Name("findings");
  findings += '[';
  for (int i = 0; i < unconfirmed.findings_size(); ++i) {
    findings += i == 0 ? "{" : ",{";
    Members one(findings);
    one.Text("text", unconfirmed.findings(i).text());
    one.When("time", unconfirmed.findings(i).time());
    findings += '}';
  }
  findings += ']';
  if (unconfirmed.has_next_look_time()) {
    members.When("nextLookTime", unconfirmed.next_look_time());
  }
  out += '}';
}

void AppendMessage(std::string& out, const v1::Message& message) {
  out += '{';
  Members members(out);
  members.Text("id", message.id());
  members.Text("conversationId", message.conversation_id());
  members.Text("channelId", message.channel_id());
  members.Int64("seq", message.seq());
  members.Enum("direction", v1::Message::Direction_Name(message.direction()));
  members.Enum("author", v1::Message::Author_Name(message.author()));
  members.Enum("kind", v1::Message::Kind_Name(message.kind()));
  members.Enum("medium", v1::Medium_Name(message.medium()));
  members.Text("body", message.body());
  std::string& media = members.Name("media");
  media += '[';
  for (int i = 0; i < message.media_size(); ++i) {
    media += i == 0 ? "{" : ",{";
    Members one(media);
    one.Text("url", message.media(i).url());
    one.Text("contentType", message.media(i).content_type());
    media += '}';
  }
  media += ']';
  members.Enum("status", v1::Message::Status_Name(message.status()));
  if (message.has_status_time()) members.When("statusTime", message.status_time());
  members.Int32("errorCode", message.error_code());
  members.Text("errorMessage", message.error_message());
  members.Bool("simulated", message.simulated());
  members.Text("from", message.from());
  members.Text("to", message.to());
  members.Text("messageSid", message.message_sid());
  members.Text("callSid", message.call_sid());
  if (message.has_create_time()) members.When("createTime", message.create_time());
  members.Bool("late", message.late());
  members.Int32("segments", message.segments());
  members.Bool("recovered", message.recovered());
  members.Enum("callStatus", v1::Message::CallStatus_Name(message.call_status()));
  members.Int32("callSeconds", message.call_seconds());
  members.Text("price", message.price());
  members.Text("priceUnit", message.price_unit());
  if (message.has_erase_time()) members.When("eraseTime", message.erase_time());
  std::string& parameters = members.Name("parameters");
  parameters += '[';
  for (int i = 0; i < message.parameters_size(); ++i) {
    parameters += i == 0 ? "{" : ",{";
    Members one(parameters);
    one.Text("name", message.parameters(i).name());
    one.Text("value", message.parameters(i).value());
    parameters += '}';
  }
  parameters += ']';
  if (message.has_unconfirmed()) AppendUnconfirmed(members.Name("unconfirmed"), message);
  if (message.has_send_time()) members.When("sendTime", message.send_time());
  members.Int32("copies", message.copies());
  out += '}';
}

void AppendConversation(std::string& out, const v1::Conversation& conversation) {
  out += '{';
  Members members(out);
  members.Text("id", conversation.id());
  members.Text("channelId", conversation.channel_id());
  members.Text("contactId", conversation.contact_id());
  members.Text("title", conversation.title());
  members.Text("customerNumber", conversation.customer_number());
  members.Enum("medium", v1::Medium_Name(conversation.medium()));
  members.Int64("messageCount", conversation.message_count());
  members.Int64("unreadCount", conversation.unread_count());
  if (conversation.has_last_message()) {
    AppendMessage(members.Name("lastMessage"), conversation.last_message());
  }
  if (conversation.has_update_time()) members.When("updateTime", conversation.update_time());
  if (conversation.has_ai_enabled()) members.Bool("aiEnabled", conversation.ai_enabled());
  members.Enum("aiState", v1::Conversation::AiState_Name(conversation.ai_state()));
  members.Bool("optedOut", conversation.opted_out());
  if (conversation.has_whatsapp_window_time()) {
    members.When("whatsappWindowTime", conversation.whatsapp_window_time());
  }
  if (conversation.has_create_time()) members.When("createTime", conversation.create_time());
  members.Text("aiError", conversation.ai_error());
  out += '}';
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escaped[8];
          std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned char>(c));
          out += escaped;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

std::string MediaJson(const v1::Message& message) {
  std::string json = "[";
  for (const v1::MessageMedia& one : message.media()) {
    json += json.size() > 1 ? ",{\"url\":" : "{\"url\":";
    AppendJsonString(json, one.url());
    json += ",\"content_type\":";
    AppendJsonString(json, one.content_type());
    json += '}';
  }
  return json + "]";
}

std::string LiveData(const v1::Message& message) {
  std::string out = "{\"message\":";
  AppendMessage(out, message);
  out += '}';
  return out;
}

std::string LiveData(const v1::Conversation& conversation) {
  std::string out = "{\"conversation\":";
  AppendConversation(out, conversation);
  out += '}';
  return out;
}

void AppendLiveLine(std::string& lines, std::string_view name, std::string_view data) {
  if (!lines.empty()) lines += '\n';  // JSON has none of its own.
  lines += name;
  lines += ' ';
  lines += data;
}

std::vector<LiveLine> SplitLiveLines(std::string_view lines) {
  std::vector<LiveLine> split;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    const std::size_t space = std::min(line.find(' '), line.size());
    split.push_back({line.substr(0, space), line.substr(std::min(space + 1, line.size()))});
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
  }
  return split;
}

std::string EraseFromLiveLines(std::string_view lines, std::string_view message_id) {
  using nlohmann::ordered_json;
  std::string erased;
  for (const LiveLine& line : SplitLiveLines(lines)) {
    const bool names_it = line.data.find(message_id) != std::string_view::npos;
    ordered_json event =
        names_it ? ordered_json::parse(line.data, nullptr, false) : ordered_json(nullptr);
    ordered_json* shown = nullptr;
    if (event.is_object() && event.contains("message")) shown = &event["message"];
    if (event.is_object() && event.contains("conversation") && event["conversation"].is_object() &&
        event["conversation"].contains("lastMessage")) {
      shown = &event["conversation"]["lastMessage"];
    }
    if (shown == nullptr || !shown->is_object() || shown->value("id", "") != message_id) {
      AppendLiveLine(erased, line.name, line.data);
      continue;
    }
    (*shown)["body"] = "";
    (*shown)["media"] = ordered_json::array();
    (*shown)["parameters"] = ordered_json::array();
    AppendLiveLine(erased, line.name, event.dump());
  }
  return erased;
}

std::string NumberedLiveEvent(std::int64_t number, Time time, std::string_view data) {
  std::string out =
      "{\"number\":\"" + std::to_string(number) + "\",\"time\":\"" + FormatTime(time) + "\",";
  out += data.substr(1);
  return out;
}

}  // namespace parley::gateway::store
