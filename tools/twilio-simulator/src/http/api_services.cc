// messaging/v1/Services and lookups/v2.
#include <algorithm>

#include "domain/signature.h"
#include "http/api.h"

namespace parley::simulator {
namespace {

enum class Kind { kText, kUrl, kBool, kNumber };
struct Field {
  const char* param;
  const char* name;
  Kind kind;
};
constexpr Field kFields[] = {
    {"FriendlyName", "friendly_name", Kind::kText},
    {"InboundRequestUrl", "inbound_request_url", Kind::kUrl},
    {"InboundMethod", "inbound_method", Kind::kText},
    {"FallbackUrl", "fallback_url", Kind::kUrl},
    {"FallbackMethod", "fallback_method", Kind::kText},
    {"StatusCallback", "status_callback", Kind::kUrl},
    {"StickySender", "sticky_sender", Kind::kBool},
    {"MmsConverter", "mms_converter", Kind::kBool},
    {"SmartEncoding", "smart_encoding", Kind::kBool},
    {"ScanMessageContent", "scan_message_content", Kind::kText},
    {"AreaCodeGeomatch", "area_code_geomatch", Kind::kBool},
    {"ValidityPeriod", "validity_period", Kind::kNumber},
    {"SynchronousValidation", "synchronous_validation", Kind::kBool},
    {"Usecase", "usecase", Kind::kText},
    {"UseInboundWebhookOnNumber", "use_inbound_webhook_on_number", Kind::kBool},
};

std::optional<ApiError> Apply(Json& fields, const Params& form) {
  Json changed = fields;
  WebhookUrl parsed;
  std::int64_t number = 0;
  for (const Field& field : kFields) {
    const std::string* value = Find(form, field.param);
    if (value == nullptr) continue;
    const ApiError bad{20001, 400, std::string(field.param) + " is not valid", {}};
    switch (field.kind) {
      case Kind::kText:
        changed[field.name] = *value;
        break;
      case Kind::kUrl:
        if (!value->empty() && !ParseWebhookUrl(*value, false, parsed)) return bad;
        changed[field.name] = value->empty() ? Json() : Json(*value);
        break;
      case Kind::kBool:
        if (!EqualsIgnoreCase(*value, "true") && !EqualsIgnoreCase(*value, "false")) return bad;
        changed[field.name] = EqualsIgnoreCase(*value, "true");
        break;
      case Kind::kNumber:
        if (!ParseInt(*value, number) || number < 1 || number > 36000) return bad;
        changed[field.name] = number;
        break;
    }
  }
  fields = std::move(changed);
  return std::nullopt;
}

Json Render(const ApiCall& call, const Service& service) {
  const std::string url = call.world.options().public_url + "/v1/Services/" + service.sid;
  Json rendered = {{"sid", service.sid}, {"account_sid", call.account.sid}};
  rendered.update(service.fields);
  rendered["url"] = url;
  struct Link {
    const char* name;
    const char* path;
  };
  constexpr Link kLinks[] = {{"phone_numbers", "PhoneNumbers"},
                             {"short_codes", "ShortCodes"},
                             {"alpha_senders", "AlphaSenders"},
                             {"messages", "Messages"},
                             {"us_app_to_person", "Compliance/Usa2p"},
                             {"us_app_to_person_usecases", "Compliance/Usa2p/Usecases"},
                             {"channel_senders", "ChannelSenders"},
                             {"destination_alpha_senders", "DestinationAlphaSenders"}};
  for (const Link& link : kLinks) rendered["links"][link.name] = url + "/" + link.path;
  return rendered;
}

Json RenderMember(const ApiCall& call, const Service& service, const Number& number) {
  Json capabilities = Json::array();
  if (number.mms) capabilities.push_back("MMS");
  if (number.sms) capabilities.push_back("SMS");
  if (number.voice) capabilities.push_back("Voice");
  return {{"sid", number.sid},
          {"account_sid", call.account.sid},
          {"service_sid", service.sid},
          {"date_created", FormatIso8601(number.created_us)},
          {"date_updated", FormatIso8601(number.updated_us)},
          {"phone_number", number.number},
          {"country_code", "US"},
          {"capabilities", capabilities},
          {"url", call.world.options().public_url + "/v1/Services/" + service.sid +
                      "/PhoneNumbers/" + number.sid}};
}

std::optional<HttpResponse> MembersRoute(ApiCall& call, std::string_view method, Service& service) {
  World& world = call.world;
  if (call.segments.size() == 3 && method == "POST") {
    Number* number = world.FindNumberBySid(call.account, Get(call.form, "PhoneNumberSid"));
    if (number == nullptr) {
      return ErrorAnswer({21701, 404, "The phone number does not exist", {}});
    }
    if (number->service_sid == service.sid) {
      return ErrorAnswer({21710, 409, "Phone Number is already in the Messaging Service.", {}});
    }
    if (!number->service_sid.empty()) {
      return ErrorAnswer(
          {21712, 409, "Phone Number is already associated to another Messaging Service.", {}});
    }
    number->service_sid = service.sid;
    service.number_sids.push_back(number->sid);
    return JsonAnswer(201, RenderMember(call, service, *number));
  }
  if (call.segments.size() == 3) {
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    std::vector<std::pair<std::string, Json>> items;
    for (const std::string& sid : service.number_sids) {
      const Number* number = world.FindNumberBySid(call.account, sid);
      if (number != nullptr) items.emplace_back(sid, RenderMember(call, service, *number));
    }
    return ListV1(call, "phone_numbers", items);
  }
  Number* number = world.FindNumberBySid(call.account, call.Segment(3));
  if (number == nullptr || number->service_sid != service.sid || call.segments.size() != 4) {
    return std::nullopt;
  }
  if (method == "DELETE") {
    number->service_sid.clear();
    std::erase(service.number_sids, number->sid);
    return NoContent();
  }
  if (method != "GET") return ErrorAnswer(MethodNotAllowed());
  return JsonAnswer(200, RenderMember(call, service, *number));
}

}  // namespace

std::optional<HttpResponse> ServicesRoute(ApiCall& call, std::string_view method) {
  World& world = call.world;
  if (call.Segment(0) != "Services") return std::nullopt;
  if (call.segments.size() == 1) {
    if (method == "POST") {
      if (Get(call.form, "FriendlyName").empty()) {
        return ErrorAnswer({20001, 400, "Missing required parameter FriendlyName", {}});
      }
      if (world.services.size() >= kResourcesMax) {
        return ErrorAnswer({20001, 400, "Too many Messaging Services", {}});
      }
      auto service = std::make_unique<Service>();
      service->account = call.account.index;
      service->fields = {{"friendly_name", ""},
                         {"date_created", FormatIso8601(call.now)},
                         {"date_updated", FormatIso8601(call.now)},
                         {"inbound_request_url", nullptr},
                         {"inbound_method", "POST"},
                         {"fallback_url", nullptr},
                         {"fallback_method", "POST"},
                         {"status_callback", nullptr},
                         {"sticky_sender", true},
                         {"mms_converter", true},
                         {"smart_encoding", true},
                         {"fallback_to_long_code", false},
                         {"scan_message_content", "inherit"},
                         {"area_code_geomatch", true},
                         {"validity_period", 36000},
                         {"synchronous_validation", false},
                         {"usecase", "undeclared"},
                         {"us_app_to_person_registered", false},
                         {"use_inbound_webhook_on_number", false}};
      if (auto error = Apply(service->fields, call.form)) return ErrorAnswer(*error);
      service->sid = world.NewSid("MG");
      world.services.push_back(std::move(service));
      return JsonAnswer(201, Render(call, *world.services.back()));
    }
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    std::vector<std::pair<std::string, Json>> items;
    for (auto it = world.services.rbegin(); it != world.services.rend(); ++it) {
      if ((*it)->account == call.account.index) items.emplace_back((*it)->sid, Render(call, **it));
    }
    return ListV1(call, "services", items);
  }
  const auto found =
      std::find_if(world.services.begin(), world.services.end(), [&call](const auto& service) {
        return service->sid == call.Segment(1) && service->account == call.account.index;
      });
  if (found == world.services.end()) return std::nullopt;
  Service& service = **found;
  if (call.Segment(2) == "PhoneNumbers") return MembersRoute(call, method, service);
  if (call.segments.size() == 3) {
    for (const auto& [path, key] :
         {std::pair<std::string_view, const char*>{"ShortCodes", "short_codes"},
          {"AlphaSenders", "alpha_senders"},
          {"ChannelSenders", "senders"}}) {
      if (call.Segment(2) == path && method == "GET") return ListV1(call, key, {});
    }
  }
  if (call.segments.size() != 2) return std::nullopt;
  if (method == "DELETE") {
    for (const auto& number : world.numbers()) {
      if (number->service_sid == service.sid) number->service_sid.clear();
    }
    world.services.erase(found);
    return NoContent();
  }
  if (method == "POST") {
    if (auto error = Apply(service.fields, call.form)) return ErrorAnswer(*error);
    service.fields["date_updated"] = FormatIso8601(call.now);
  } else if (method != "GET") {
    return ErrorAnswer(MethodNotAllowed());
  }
  return JsonAnswer(200, Render(call, service));
}

std::optional<HttpResponse> LookupRoute(ApiCall& call, std::string_view method) {
  if (call.Segment(0) != "PhoneNumbers" || call.segments.size() != 2) return std::nullopt;
  if (method != "GET") return ErrorAnswer(MethodNotAllowed());
  const Address address = ParseAddress(call.Segment(1));
  const bool valid = address.kind == AddressKind::kPhone && address.channel == Channel::kSms;
  const bool american = valid && address.number.substr(0, 2) == "+1";
  Json answer = {{"calling_country_code", american ? Json("1") : Json()},
                 {"country_code", american ? Json("US") : Json()},
                 {"phone_number", valid ? address.number : std::string(call.Segment(1))},
                 {"national_format", valid ? Json(FriendlyNumber(address.number)) : Json()},
                 {"valid", valid},
                 {"validation_errors", valid ? Json::array() : Json::array({"NOT_A_NUMBER"})}};
  for (const char* name : {"caller_name", "sim_swap", "call_forwarding", "line_status",
                           "line_type_intelligence", "identity_match", "reassigned_number",
                           "sms_pumping_risk", "phone_number_quality_score", "pre_fill"}) {
    answer[name] = nullptr;
  }
  answer["url"] = call.world.options().public_url + call.path;
  return JsonAnswer(200, answer);
}

}  // namespace parley::simulator
