#include "http/api.h"

#include <algorithm>

namespace parley::simulator {
namespace {

constexpr std::string_view kVersion2010 = "/2010-04-01/Accounts";

std::string TwilioHeaders(const World& world, int concurrent, Micros took, std::uint64_t request) {
  std::string out;
  out.reserve(512);
  out +=
      "Access-Control-Allow-Origin: *\r\n"
      "Access-Control-Allow-Headers: Accept, Authorization, Content-Type, If-Match, "
      "If-Modified-Since, If-None-Match, If-Unmodified-Since, Idempotency-Key\r\n"
      "Access-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS\r\n"
      "Access-Control-Expose-Headers: ETag\r\n"
      "Access-Control-Allow-Credentials: true\r\n"
      "Strict-Transport-Security: max-age=31536000\r\n"
      "X-API-Domain: api.twilio.com\r\n"
      "X-Home-Region: us1\r\n"
      "X-Powered-By: AT-5000\r\n"
      "X-Shenanigans: none\r\n"
      "Twilio-Concurrent-Requests: ";
  out += std::to_string(concurrent);
  out += "\r\nTwilio-Request-Id: ";
  out += SidCodec(world.options().key).Encode("RQ", request);
  out += "\r\nTwilio-Request-Duration: ";
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.3f", static_cast<double>(took) / 1e6);
  out += seconds;
  out += "\r\n";
  return out;
}

ApiError BadCredentials() {
  return {20003, 401, "Authenticate", "Your AccountSid or AuthToken was incorrect."};
}

// Test credentials may create messages, calls and numbers, and nothing else.
bool TestMay(const ApiCall& call, std::string_view method, std::string_view product) {
  if (product == "lookups") return method == "GET";
  if (product != "api" || method != "POST" || call.segments.size() != 1) return false;
  const std::string_view resource = call.Segment(0);
  return resource == "Messages" || resource == "Calls" || resource == "IncomingPhoneNumbers";
}

}  // namespace

HttpResponse JsonAnswer(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json;charset=utf-8";
  response.body = std::move(body);
  return response;
}

HttpResponse JsonAnswer(int status, const Json& body) {
  return JsonAnswer(status, body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

HttpResponse ErrorAnswer(const ApiError& error) {
  HttpResponse response = JsonAnswer(error.status, RenderError(error));
  if (error.status == 401) {
    response.headers += "WWW-Authenticate: Basic realm=\"Twilio API\"\r\n";
  }
  return response;
}

HttpResponse NoContent() {
  HttpResponse response;
  response.status = 204;
  return response;
}

HttpResponse List2010(const ApiCall& call, const std::string& key,
                      const std::vector<std::pair<std::string, Json>>& items) {
  const Result<PageRequest> page = ReadPage(call.query);
  if (const ApiError* error = ErrorOf(page)) return ErrorAnswer(*error);
  std::vector<std::string> sids;
  for (const auto& item : items) sids.push_back(item.first);
  const Slice slice = SliceOf(sids, std::get<PageRequest>(page));
  PageFrame frame{call.path,
                  call.query,
                  std::get<PageRequest>(page),
                  slice.indexes.size(),
                  slice.more_before,
                  slice.more_after,
                  {},
                  {}};
  std::string list;
  for (const std::size_t index : slice.indexes) {
    if (frame.first_sid.empty()) frame.first_sid = sids[index];
    frame.last_sid = sids[index];
    if (!list.empty()) list += ",";
    list += items[index].second.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return JsonAnswer(200, "{" + Frame2010(frame) + "\"" + key + "\":[" + list + "]}");
}

HttpResponse ListV1(const ApiCall& call, const std::string& key,
                    const std::vector<std::pair<std::string, Json>>& items) {
  const Result<PageRequest> page = ReadPage(call.query);
  if (const ApiError* error = ErrorOf(page)) return ErrorAnswer(*error);
  std::vector<std::string> sids;
  for (const auto& item : items) sids.push_back(item.first);
  const Slice slice = SliceOf(sids, std::get<PageRequest>(page));
  PageFrame frame{call.path,
                  call.query,
                  std::get<PageRequest>(page),
                  slice.indexes.size(),
                  slice.more_before,
                  slice.more_after,
                  {},
                  {}};
  Json list = Json::array();
  for (const std::size_t index : slice.indexes) {
    if (frame.first_sid.empty()) frame.first_sid = sids[index];
    frame.last_sid = sids[index];
    list.push_back(items[index].second);
  }
  return JsonAnswer(200, Json{{"meta", FrameV1(frame, call.world.options().public_url, key)},
                              {key, std::move(list)}});
}

std::size_t Api::BodyBytesMax(std::string_view path) const {
  return path == "/simulator/v1/media" ? kUploadBytesMax : kApiBodyBytesMax;
}

Account* Api::Authenticate(std::string_view authorization) {
  constexpr std::string_view kBasic = "Basic ";
  if (authorization.size() > 1024 || authorization.size() <= kBasic.size() ||
      !EqualsIgnoreCase(authorization.substr(0, kBasic.size()), kBasic)) {
    return nullptr;
  }
  std::string plain;
  if (!DecodeBase64(authorization.substr(kBasic.size()), plain)) return nullptr;
  const std::size_t colon = plain.find(':');
  if (colon == std::string::npos) return nullptr;
  const std::string_view user = std::string_view(plain).substr(0, colon);
  const std::string_view secret = std::string_view(plain).substr(colon + 1);
  if (Account* account = simulator_.world().FindAccount(user)) {
    return account->auth_token == secret ? account : nullptr;
  }
  if (user.substr(0, 2) != "SK") return nullptr;
  for (const auto& account : simulator_.world().accounts()) {
    const auto key = account->keys.find(std::string(user));
    if (key != account->keys.end()) return key->second == secret ? account.get() : nullptr;
  }
  return nullptr;
}

void Api::Handle(HttpRequest request, std::function<void(HttpResponse)> respond) {
  World& world = simulator_.world();
  if (Control::Owns(request.path)) {
    // Pictures are fetched through redirects, which carry no credentials; nobody guesses their ids.
    const bool open = request.method == "GET" && request.path.starts_with("/simulator/v1/media/");
    if (control_.needs_credentials() && !open && Authenticate(request.authorization) == nullptr) {
      return respond(ErrorAnswer(BadCredentials()));
    }
    return control_.Handle(request, std::move(respond));
  }
  static thread_local std::uint64_t requests = 0;
  const std::uint64_t request_number = ++requests;
  if (request.method == "OPTIONS") {
    HttpResponse response = NoContent();
    response.headers = TwilioHeaders(world, 0, 0, request_number);
    return respond(std::move(response));
  }
  if (!IsValidUtf8(request.path)) return respond(ErrorAnswer(NotFound(request.path)));

  Account* caller = Authenticate(request.authorization);
  if (caller == nullptr) {
    HttpResponse response = ErrorAnswer(BadCredentials());
    response.headers += TwilioHeaders(world, 0, 0, request_number);
    return respond(std::move(response));
  }

  // What a test wants broken comes before anything is processed. By default it hits only the
  // creation of messages.
  const Faults& faults = world.faults;
  const bool creation =
      request.method == "POST" && request.path.size() > kVersion2010.size() &&
      (request.path.ends_with("/Messages.json") || request.path.ends_with("/Messages"));
  const bool hit = creation || faults.all_requests;
  Dice& dice = world.dice;
  if (hit && dice.Roll(faults.drop_before_rate)) {
    HttpResponse response;
    response.reset = true;
    return respond(std::move(response));
  }

  const int concurrent = ++caller->requests_in_flight;
  const std::uint32_t caller_index = caller->index;
  const auto finish = [&world, caller_index, respond = std::move(respond), concurrent,
                       request_number, arrived = request.arrived_us,
                       &simulator = simulator_](HttpResponse response) {
    response.headers += TwilioHeaders(world, concurrent, simulator.Now() - arrived, request_number);
    --world.AccountAt(caller_index).requests_in_flight;
    respond(std::move(response));
  };
  const auto answer = [&](HttpResponse response) {
    if (!hit || faults.latency_ms == 0) return finish(std::move(response));
    // The request stays in flight while it waits.
    simulator_.After(faults.latency_ms,
                     [finish, held = std::make_shared<HttpResponse>(std::move(response))] {
                       finish(std::move(*held));
                     });
  };

  const int limit = world.settings.concurrency_limit;
  if ((limit > 0 && concurrent > limit) || (hit && dice.Roll(faults.status_429_rate))) {
    return answer(ErrorAnswer({20429, 429, "Too Many Requests", {}}));
  }
  if (creation && dice.Roll(faults.queue_full_rate)) {
    return answer(ErrorAnswer({21611, 429, "SMS queue is full.", {}}));
  }
  if (hit && dice.Roll(faults.status_5xx_rate)) {
    if (dice.Roll(faults.status_5xx_processed_rate)) {
      Answer(request, *caller);
      simulator_.Pump();
    }
    turn_ = !turn_;
    return answer(turn_ ? ErrorAnswer({20500, 500, "Internal Server Error", {}})
                        : ErrorAnswer({20503, 503, "Service Unavailable", {}}));
  }
  HttpResponse response = Answer(request, *caller);
  simulator_.Pump();
  if (hit && response.status < 300 && dice.Roll(faults.accept_then_drop_rate)) {
    response.reset = true;
  }
  answer(std::move(response));
}

HttpResponse Api::Answer(HttpRequest& request, Account& caller) {
  World& world = simulator_.world();
  std::string_view path = request.path;
  std::string_view product;
  Account* account = &caller;
  const ApiError missing = NotFound(path);

  std::string_view rest;
  if (path.substr(0, kVersion2010.size()) == kVersion2010) {
    product = "api";
    rest = path.substr(kVersion2010.size());
    if (!rest.empty() && rest.front() == '/') {
      rest.remove_prefix(1);
      const std::size_t end = std::min(rest.find('/'), rest.size());
      std::string_view sid = rest.substr(0, end);
      if (end == rest.size() && sid.ends_with(".json")) sid.remove_suffix(5);
      account = world.FindAccount(sid);
      if (account == nullptr) return ErrorAnswer(missing);
      if (account != &caller && account->owner_sid != caller.sid) {
        return ErrorAnswer({20403, 403, "Forbidden", {}});
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    } else if (rest == "" || rest == ".json") {
      product = "accounts";
      rest = {};
    } else {
      return ErrorAnswer(missing);
    }
  } else if (path.substr(0, 12) == "/v1/Services") {
    product = "messaging";
    rest = path.substr(4);
  } else if (path.substr(0, 11) == "/v1/Content" || path == "/v1/LegacyContent") {
    product = "content";
    rest = path.substr(4);
  } else if (path.substr(0, 17) == "/v2/PhoneNumbers/") {
    product = "lookups";
    rest = path.substr(4);
  } else {
    return ErrorAnswer(missing);
  }

  ApiCall call{simulator_,
               world,
               *account,
               caller,
               request.path,
               {},
               ParseForm(request.query),
               {},
               std::move(request.body),
               request.arrived_us,
               simulator_.Now()};
  if (rest.ends_with(".json")) rest.remove_suffix(5);
  if (!rest.empty()) {
    for (std::string& segment : Split(rest, '/')) call.segments.push_back(DecodeUrl(segment));
  }
  const bool json = request.content_type.substr(0, 16) == "application/json";
  if (!json) call.form = ParseForm(call.body);
  if (call.form.size() > kFormParamsMax || call.query.size() > kFormParamsMax) {
    return ErrorAnswer({20001, 400, "Too many parameters", {}});
  }
  for (const Params* params : {&call.form, &call.query}) {
    for (const auto& [name, value] : *params) {
      if (!IsValidUtf8(name) || !IsValidUtf8(value)) {
        return ErrorAnswer({20001, 400, "A parameter is not valid UTF-8", {}});
      }
    }
  }
  for (const std::string& segment : call.segments) {
    if (!IsValidUtf8(segment)) return ErrorAnswer(missing);
  }
  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  if (caller.test && !TestMay(call, method, product)) {
    return ErrorAnswer({20008, 403, "Resource not accessible with Test Account Credentials", {}});
  }
  // Messages change nothing that lasts.
  if (method != "GET" && call.Segment(0) != "Messages") simulator_.StateMayHaveChanged();
  return Dispatch(call, method, product);
}

HttpResponse Api::Dispatch(ApiCall& call, std::string_view method, std::string_view product) {
  if (method != "GET" && method != "POST" && method != "PUT" && method != "DELETE") {
    return ErrorAnswer(MethodNotAllowed());
  }
  struct Entry {
    std::string_view product;
    std::string_view first;  // The first segment; "" matches all.
    Route route;
  };
  constexpr Entry kRoutes[] = {
      {"api", "Messages", MessagesRoute},
      {"api", "Calls", CallsRoute},
      {"api", "Recordings", CallsRoute},
      {"api", "IncomingPhoneNumbers", NumbersRoute},
      {"api", "AvailablePhoneNumbers", AvailableNumbersRoute},
      {"api", "", AccountRoute},
      {"accounts", "", AccountRoute},
      {"messaging", "", ServicesRoute},
      {"content", "", ContentRoute},
      {"lookups", "", LookupRoute},
  };
  for (const Entry& entry : kRoutes) {
    if (entry.product != product) continue;
    if (!entry.first.empty() && call.Segment(0) != entry.first) continue;
    if (std::optional<HttpResponse> response = entry.route(call, method)) {
      return *std::move(response);
    }
    break;
  }
  return ErrorAnswer(NotFound(call.path));
}

}  // namespace parley::simulator
