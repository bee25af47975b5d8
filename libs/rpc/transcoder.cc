#include "libs/rpc/transcoder.h"

#include <google/api/annotations.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/http/guarded_client.h"
#include "libs/http/server.h"

namespace parley::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;

// Splits "/v1/a/{b}:verb" into segments and verb.
void ParseTemplate(std::string_view path, Route& route) {
  const std::size_t close = path.rfind('}');
  const std::size_t colon = path.rfind(':');
  if (colon != std::string_view::npos && (close == std::string_view::npos || colon > close)) {
    route.verb = path.substr(colon + 1);
    path = path.substr(0, colon);
  }
  for (const std::string_view segment : Split(path.substr(1), '/')) {
    route.segments.emplace_back(segment);
  }
}

std::optional<Route> ToRoute(const google::api::HttpRule& rule, const Method& method) {
  Route route;
  route.method = &method;
  route.body = rule.body();
  const std::pair<const char*, const std::string*> patterns[] = {{"GET", &rule.get()},
                                                                 {"PUT", &rule.put()},
                                                                 {"POST", &rule.post()},
                                                                 {"DELETE", &rule.delete_()},
                                                                 {"PATCH", &rule.patch()}};
  for (const auto& [http_method, path] : patterns) {
    if (path->empty()) continue;
    route.http_method = http_method;
    ParseTemplate(*path, route);
    return route;
  }
  return std::nullopt;
}

bool IsVariable(std::string_view segment) { return segment.starts_with('{'); }

// Field by its proto name or its JSON name.
const FieldDescriptor* FindField(const Descriptor& type, std::string_view name) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (field->name() == name || field->json_name() == name) return field;
  }
  return nullptr;
}

absl::Status BadField(std::string_view path, std::string_view expected) {
  return InvalidArgument("INVALID_FIELD", std::string(path) + " is not valid; expected " +
                                              std::string(expected) + ".");
}

template <class Number>
bool ParseWhole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// Sets one scalar from text, as path variables and query parameters carry it.
absl::Status SetScalar(Message& message, const FieldDescriptor& field, std::string_view path,
                       std::string_view text) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      repeated ? reflection.AddString(&message, &field, std::string(text))
               : reflection.SetString(&message, &field, std::string(text));
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_INT32: {
      std::int32_t number = 0;
      if (!ParseWhole(text, number)) return BadField(path, "a whole number");
      repeated ? reflection.AddInt32(&message, &field, number)
               : reflection.SetInt32(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      std::int64_t number = 0;
      if (!ParseWhole(text, number)) return BadField(path, "a whole number");
      repeated ? reflection.AddInt64(&message, &field, number)
               : reflection.SetInt64(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double number = 0;
      if (!ParseWhole(text, number)) return BadField(path, "a number");
      repeated ? reflection.AddDouble(&message, &field, number)
               : reflection.SetDouble(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      if (text != "true" && text != "false") return BadField(path, "true or false");
      repeated ? reflection.AddBool(&message, &field, text == "true")
               : reflection.SetBool(&message, &field, text == "true");
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = field.enum_type()->FindValueByName(std::string(text));
      if (value == nullptr) return BadField(path, "a value of " + field.enum_type()->name());
      repeated ? reflection.AddEnum(&message, &field, value)
               : reflection.SetEnum(&message, &field, value);
      return absl::OkStatus();
    }
    default:
      return BadField(path, "no query parameter here; put it into the body");
  }
}

absl::Status SetPath(Message& message, std::string_view path, std::string_view text) {
  Message* target = &message;
  const std::vector<std::string_view> names = Split(path, '.');
  for (std::size_t i = 0; i < names.size(); ++i) {
    const FieldDescriptor* field = FindField(*target->GetDescriptor(), names[i]);
    if (field == nullptr) {
      return InvalidArgument("UNKNOWN_FIELD",
                             "There is no parameter " + std::string(path.substr(0, 100)) + ".");
    }
    if (i + 1 == names.size()) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
          field->message_type()->full_name() == "google.protobuf.FieldMask") {
        auto* mask = target->GetReflection()->MutableMessage(target, field);
        return FromJson(
            nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
            *mask);
      }
      return SetScalar(*target, *field, path, text);
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated()) {
      return BadField(path, "a field of a message");
    }
    target = target->GetReflection()->MutableMessage(target, field);
  }
  return absl::OkStatus();
}

// A PATCH without a mask changes what its body names: the mask follows from the JSON's keys.
void CollectMask(const nlohmann::json& json, const Descriptor& type, const std::string& prefix,
                 google::protobuf::FieldMask& mask) {
  for (const auto& [name, value] : json.items()) {
    const FieldDescriptor* field = FindField(type, name);
    if (field == nullptr) continue;  // Refused when the body is parsed.
    const bool nested = value.is_object() && !field->is_repeated() &&
                        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
                        field->message_type()->file()->package() != "google.protobuf";
    if (nested) {
      CollectMask(value, *field->message_type(), prefix + field->name() + ".", mask);
    } else {
      mask.add_paths(prefix + field->name());
    }
  }
}

absl::Status FillMask(const Route& route, std::string_view body, Message& request) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName("update_mask");
  const FieldDescriptor* target = request.GetDescriptor()->FindFieldByName(route.body);
  if (route.http_method != "PATCH" || field == nullptr || target == nullptr) {
    return absl::OkStatus();
  }
  auto* mask = dynamic_cast<google::protobuf::FieldMask*>(
      request.GetReflection()->MutableMessage(&request, field));
  if (mask == nullptr || mask->paths_size() > 0) return absl::OkStatus();
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_object()) CollectMask(json, *target->message_type(), "", *mask);
  return absl::OkStatus();
}

// True if a browser page of this origin may use the session cookie here.
bool OriginMayUseCookie(const httplib::Request& request,
                        const std::vector<std::string>& allowed_origins) {
  const std::string origin = request.get_header_value("Origin");
  if (origin.empty()) return true;  // No page of another origin: browsers always say so.
  if (std::find(allowed_origins.begin(), allowed_origins.end(), origin) != allowed_origins.end()) {
    return true;
  }
  const std::size_t scheme_end = origin.find("://");
  return scheme_end != std::string::npos &&
         origin.substr(scheme_end + 3) == request.get_header_value("Host");
}

std::string CookieValue(std::string_view header, std::string_view name) {
  for (const std::string_view part : Split(header, ';')) {
    const std::string_view pair = Trim(part);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return std::string(pair.substr(equals + 1));
    }
  }
  return {};
}

}  // namespace

std::string ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  return status.ok() ? json : "{}";
}

absl::Status FromJson(std::string_view json, Message& message) {
  if (!IsCleanUtf8(json)) {
    return InvalidArgument("INVALID_JSON", "The body is not valid UTF-8 text.");
  }
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &message, options);
  if (status.ok()) return absl::OkStatus();
  return InvalidArgument("INVALID_JSON",
                         "The JSON does not fit: " + status.ToString().substr(0, 500));
}

CallContext ContextFromHttp(const httplib::Request& request, const std::string& session_cookie,
                            const std::vector<std::string>& allowed_origins) {
  CallContext call;
  call.remote_address = request.remote_addr;
  // A proxy of ours, on this machine or network, says who is behind it; nobody else is believed.
  if (request.has_header("X-Real-IP") && !http::IsPublicAddress(request.remote_addr)) {
    call.remote_address = request.get_header_value("X-Real-IP");
  }
  call.idempotency_key = request.get_header_value("Idempotency-Key");
  call.traceparent = request.get_header_value("traceparent");
  const std::string authorization = request.get_header_value("Authorization");
  if (Lower(authorization.substr(0, 7)) == "bearer ") {
    call.credential = std::string(Trim(std::string_view(authorization).substr(7)));
  } else if (OriginMayUseCookie(request, allowed_origins)) {
    call.credential = CookieValue(request.get_header_value("Cookie"), session_cookie);
    call.credential_is_cookie = !call.credential.empty();
  }
  return call;
}

Transcoder::Transcoder(const MethodTable& table, TranscoderOptions options)
    : table_(table), options_(std::move(options)) {
  for (const auto& [name, method] : table_.methods()) {
    const google::api::HttpRule& rule =
        method.descriptor->options().GetExtension(google::api::http);
    if (auto route = ToRoute(rule, method)) routes_.push_back(*std::move(route));
    for (const google::api::HttpRule& more : rule.additional_bindings()) {
      if (auto route = ToRoute(more, method)) routes_.push_back(*std::move(route));
    }
  }
}

absl::StatusOr<RouteMatch> Transcoder::Match(std::string_view http_method,
                                             std::string_view path) const {
  const std::vector<std::string_view> segments = Split(path.empty() ? path : path.substr(1), '/');
  bool path_known = false;
  for (const Route& route : routes_) {
    if (route.segments.size() != segments.size()) continue;
    RouteMatch match{&route, {}};
    bool same = true;
    for (std::size_t i = 0; same && i < segments.size(); ++i) {
      std::string_view segment = segments[i];
      if (i + 1 == segments.size()) {
        const std::size_t colon = segment.rfind(':');
        const bool has_verb = colon != std::string_view::npos;
        same = route.verb == (has_verb ? segment.substr(colon + 1) : std::string_view());
        if (has_verb) segment = segment.substr(0, colon);
      }
      const std::string& wanted = route.segments[i];
      if (IsVariable(wanted)) {
        same = same && !segment.empty();
        match.variables.emplace_back(wanted.substr(1, wanted.size() - 2), segment);
      } else {
        same = same && wanted == segment;
      }
    }
    if (!same) continue;
    path_known = true;
    if (route.http_method == http_method) return match;
  }
  if (path_known) {
    return ErrorStatus(absl::StatusCode::kUnimplemented, "METHOD_NOT_ALLOWED",
                       "This address does not take " + std::string(http_method) + ".");
  }
  return NotFound("NO_SUCH_ROUTE", "There is nothing at this address; see api/openapi.yaml.");
}

absl::StatusOr<std::unique_ptr<Message>> Transcoder::BuildRequest(const RouteMatch& match,
                                                                  const httplib::Params& query,
                                                                  std::string_view body) {
  const Route& route = *match.route;
  std::unique_ptr<Message> request(route.method->request_prototype->New());
  if (route.body == "*") {
    if (!Trim(body).empty()) PARLEY_RETURN_IF_ERROR(FromJson(body, *request));
  } else if (!route.body.empty()) {
    const FieldDescriptor* field = FindField(*request->GetDescriptor(), route.body);
    Message* target = request->GetReflection()->MutableMessage(request.get(), field);
    PARLEY_RETURN_IF_ERROR(FromJson(Trim(body).empty() ? "{}" : body, *target));
  } else if (!Trim(body).empty() && Trim(body) != "{}") {
    return InvalidArgument("UNEXPECTED_BODY", "This address takes no body.");
  }
  if (route.body != "*") {
    for (const auto& [name, value] : query) {
      PARLEY_RETURN_IF_ERROR(SetPath(*request, name, value));
    }
    PARLEY_RETURN_IF_ERROR(FillMask(route, body, *request));
  }
  // Last, so that nothing in the body can contradict the address.
  for (const auto& [path, value] : match.variables) {
    PARLEY_RETURN_IF_ERROR(SetPath(*request, path, value));
  }
  return request;
}

void Transcoder::Serve(const httplib::Request& request, httplib::Response& response,
                       const httplib::ContentReader* reader) const {
  std::string body;
  if (reader != nullptr) {
    auto read = http::ReadBody(request, *reader, options_.body_bytes_max);
    if (!read.ok()) return http::RespondError(response, read.status());
    body = *std::move(read);
  }
  const absl::StatusOr<RouteMatch> match = Match(request.method, request.path);
  if (!match.ok()) {
    http::RespondError(response, match.status());
    if (absl::IsUnimplemented(match.status())) response.status = 405;
    return;
  }
  // The query of a form post would be merged into params by cpp-httplib; our bodies are JSON.
  const auto built = BuildRequest(*match, request.params, body);
  if (!built.ok()) return http::RespondError(response, built.status());
  CallContext call = ContextFromHttp(request, options_.session_cookie, options_.allowed_origins);
  const MessageResult result = table_.Call(call, *match->route->method, **built);
  for (const auto& [name, value] : call.response_headers) response.set_header(name, value);
  if (!result.ok()) return http::RespondError(response, result.status());
  response.set_content(ToJson(**result), "application/json");
}

void Transcoder::Register(httplib::Server& server) {
  const char* const pattern = "/v1/.*";
  const auto plain = [this](const httplib::Request& request, httplib::Response& response) {
    Serve(request, response, nullptr);
  };
  const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                const httplib::ContentReader& reader) {
    Serve(request, response, &reader);
  };
  server.Get(pattern, plain);
  server.Delete(pattern, with_body);
  server.Post(pattern, with_body);
  server.Put(pattern, with_body);
  server.Patch(pattern, with_body);
}

void AddCorsHeaders(const httplib::Request& request, httplib::Response& response,
                    const std::vector<std::string>& allowed_origins) {
  const std::string origin = request.get_header_value("Origin");
  if (origin.empty() ||
      std::find(allowed_origins.begin(), allowed_origins.end(), origin) == allowed_origins.end()) {
    return;
  }
  response.set_header("Access-Control-Allow-Origin", origin);
  response.set_header("Access-Control-Allow-Credentials", "true");
  response.set_header("Vary", "Origin");
  response.set_header("Access-Control-Expose-Headers",
                      "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset");
  if (request.method == "OPTIONS") {
    response.set_header("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE");
    response.set_header("Access-Control-Allow-Headers",
                        "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, traceparent");
    response.set_header("Access-Control-Max-Age", "600");
  }
}

}  // namespace parley::rpc
