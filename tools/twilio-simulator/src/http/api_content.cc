// content/v1: templates and WhatsApp's approval of them.
#include <algorithm>

#include "http/api.h"

namespace parley::simulator {
namespace {

constexpr const char* kTypes[] = {
    "twilio/text",           "twilio/media",       "twilio/location", "twilio/list-picker",
    "twilio/call-to-action", "twilio/quick-reply", "twilio/card",     "twilio/carousel",
    "twilio/catalog",        "twilio/flows",       "whatsapp/card",   "whatsapp/authentication",
    "whatsapp/flows"};

ApiError Refuse(int code, std::string message) { return {code, 400, std::move(message), {}}; }

// Twilio's SDKs name every type and leave those null that the template does not have.
void DropNullTypes(Json& json) {
  if (!json.is_object() || !json.contains("types") || !json["types"].is_object()) return;
  Json kept = Json::object();
  for (const auto& [type, value] : json["types"].items()) {
    if (!value.is_null()) kept[type] = value;
  }
  json["types"] = std::move(kept);
}

// Checks what a template's author gave; the rest is Twilio's.
std::optional<ApiError> Check(const Json& json) {
  if (!json.is_object()) return Refuse(20001, "The body must be a JSON object");
  const Json types = json.value("types", Json());
  if (!types.is_object() || types.empty()) return Refuse(92001, "Content types are missing");
  for (const auto& [type, value] : types.items()) {
    const bool known = std::any_of(std::begin(kTypes), std::end(kTypes),
                                   [&type = type](const char* name) { return type == name; });
    if (!known || !value.is_object()) {
      return Refuse(92008, "Content type " + type + " is not supported");
    }
  }
  const Json language = json.value("language", Json());
  if (!language.is_string() || language.get_ref<const std::string&>().empty()) {
    return Refuse(92003, "Language is missing");
  }
  const Json variables = json.value("variables", Json::object());
  if (!variables.is_null()) {
    const bool texts =
        variables.is_object() && std::all_of(variables.begin(), variables.end(),
                                             [](const Json& value) { return value.is_string(); });
    if (!texts) return Refuse(92007, "Variables must be texts by name");
    if (variables.size() > 100) return Refuse(92002, "There are more than 100 variables");
  }
  const Json name = json.value("friendly_name", Json());
  if (!name.is_null() && !name.is_string()) {
    return Refuse(20001, "friendly_name must be a text");
  }
  return std::nullopt;
}

Json Render(const ApiCall& call, const Content& content) {
  const std::string url = call.world.options().public_url + "/v1/Content/" + content.sid;
  Json rendered = {{"sid", content.sid}, {"account_sid", call.account.sid}};
  rendered.update(content.fields);
  rendered["url"] = url;
  rendered["links"] = {{"approval_create", url + "/ApprovalRequests/whatsapp"},
                       {"approval_fetch", url + "/ApprovalRequests"}};
  return rendered;
}

Json Approval(const Content& content) {
  if (!content.approval.is_null()) return content.approval;
  return {{"name", ""},
          {"category", ""},
          {"content_type", content.fields["types"].begin().key()},
          {"status", "unsubmitted"},
          {"rejection_reason", ""},
          {"allow_category_change", false}};
}

std::optional<HttpResponse> ApprovalRoute(ApiCall& call, std::string_view method,
                                          Content& content) {
  if (call.segments.size() == 3) {
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    return JsonAnswer(200, Json{{"sid", content.sid},
                                {"account_sid", call.account.sid},
                                {"whatsapp", Approval(content)},
                                {"url", call.world.options().public_url + call.path}});
  }
  if (call.segments.size() != 4 || call.Segment(3) != "whatsapp") return std::nullopt;
  if (method != "POST") return ErrorAnswer(MethodNotAllowed());
  const Json json = Json::parse(call.body, nullptr, false);
  const Json name = json.is_object() ? json.value("name", Json()) : Json();
  const Json category = json.is_object() ? json.value("category", Json()) : Json();
  const bool usable =
      name.is_string() && !name.get_ref<const std::string&>().empty() &&
      (category == "UTILITY" || category == "MARKETING" || category == "AUTHENTICATION");
  if (!usable) {
    return ErrorAnswer(
        Refuse(20001, "name and category (UTILITY, MARKETING, AUTHENTICATION) are required"));
  }
  const std::string& text = name.get_ref<const std::string&>();
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!plain) {
    return ErrorAnswer(Refuse(20001, "name may have lowercase letters, digits and underscores"));
  }
  if (!content.approval.is_null()) {
    return ErrorAnswer(Refuse(92009, "The template has already been submitted"));
  }
  Json received = {
      {"name", name},
      {"category", category},
      {"content_type", content.fields["types"].begin().key()},
      {"status", "received"},
      {"rejection_reason", ""},
      {"allow_category_change", json.value("allow_category_change", Json(true)) == Json(true)}};
  // WhatsApp decides at once here: a name that begins with "rejected" shows the other answer.
  content.approval = received;
  const bool rejected = text.substr(0, 8) == "rejected";
  content.approval["status"] = rejected ? "rejected" : "approved";
  if (rejected) content.approval["rejection_reason"] = "INVALID_FORMAT";
  return JsonAnswer(201, received);
}

}  // namespace

std::optional<HttpResponse> ContentRoute(ApiCall& call, std::string_view method) {
  World& world = call.world;
  const std::string_view first = call.Segment(0);
  const auto list = [&](bool with_approval) {
    std::vector<std::pair<std::string, Json>> items;
    for (auto it = world.contents.rbegin(); it != world.contents.rend(); ++it) {
      if ((*it)->account != call.account.index) continue;
      Json rendered = Render(call, **it);
      if (with_approval) {
        rendered.erase("links");
        rendered.erase("url");
        rendered["approval_requests"] = Approval(**it);
      }
      items.emplace_back((*it)->sid, std::move(rendered));
    }
    return ListV1(call, "contents", items);
  };
  if (call.segments.size() == 1) {
    if (first == "ContentAndApprovals" || first == "LegacyContent") {
      return method == "GET" ? list(true) : ErrorAnswer(MethodNotAllowed());
    }
    if (first != "Content") return std::nullopt;
    if (method == "GET") return list(false);
    if (method != "POST") return ErrorAnswer(MethodNotAllowed());
    if (!IsValidUtf8(call.body)) return ErrorAnswer(Refuse(20001, "The body is not UTF-8"));
    Json json = Json::parse(call.body, nullptr, false);
    DropNullTypes(json);
    if (auto error = Check(json)) return ErrorAnswer(*error);
    if (world.contents.size() >= kResourcesMax) {
      return ErrorAnswer(Refuse(20001, "Too many templates"));
    }
    auto content = std::make_unique<Content>();
    content->sid = world.NewSid("HX");
    content->account = call.account.index;
    content->fields = {{"friendly_name", json.value("friendly_name", Json())},
                       {"language", json["language"]},
                       {"variables", json.value("variables", Json::object())},
                       {"types", json["types"]},
                       {"date_created", FormatIso8601(call.now)},
                       {"date_updated", FormatIso8601(call.now)}};
    if (content->fields["variables"].is_null()) content->fields["variables"] = Json::object();
    world.contents.push_back(std::move(content));
    return JsonAnswer(201, Render(call, *world.contents.back()));
  }
  if (first != "Content") return std::nullopt;
  const auto found =
      std::find_if(world.contents.begin(), world.contents.end(), [&call](const auto& content) {
        return content->sid == call.Segment(1) && content->account == call.account.index;
      });
  if (found == world.contents.end()) return std::nullopt;
  Content& content = **found;
  if (call.Segment(2) == "ApprovalRequests") return ApprovalRoute(call, method, content);
  if (call.segments.size() != 2) return std::nullopt;
  if (method == "DELETE") {
    world.contents.erase(found);
    return NoContent();
  }
  if (method == "PUT") {
    if (!IsValidUtf8(call.body)) return ErrorAnswer(Refuse(20001, "The body is not UTF-8"));
    Json json = Json::parse(call.body, nullptr, false);
    if (!json.is_object()) return ErrorAnswer(Refuse(20001, "The body must be a JSON object"));
    DropNullTypes(json);
    Json changed = content.fields;
    for (const char* name : {"friendly_name", "language", "variables", "types"}) {
      if (json.contains(name) && !json[name].is_null()) changed[name] = json[name];
    }
    if (auto error = Check(changed)) return ErrorAnswer(*error);
    changed["date_updated"] = FormatIso8601(call.now);
    content.fields = std::move(changed);
  } else if (method != "GET") {
    return ErrorAnswer(MethodNotAllowed());
  }
  return JsonAnswer(200, Render(call, content));
}

}  // namespace parley::simulator
