#include "http/control.h"

#include <algorithm>

#include "http/api.h"

namespace parley::simulator {
namespace {

constexpr std::string_view kBase = "/simulator/v1/";
constexpr std::size_t kLedgerPageMax = 100'000;
constexpr std::size_t kThreadMax = 500;
constexpr std::size_t kNumbersPerAccountMax = 10'000;

HttpResponse Refuse(int status, const std::string& reason) {
  return JsonAnswer(status, Json{{"error", reason}});
}

// The body as JSON; a discarded value if it is none.
Json ReadBody(const HttpRequest& request) {
  if (!IsValidUtf8(request.body)) return Json(Json::value_t::discarded);
  return Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
}

// Takes the text `name` of `json`; false if it is there and no text.
bool TakeText(const Json& json, const char* name, std::string& out) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) return true;
  if (!found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

bool TakeTexts(const Json& json, const char* name, std::vector<std::string>& out) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) return true;
  if (!found->is_array()) return false;
  for (const Json& item : *found) {
    if (!item.is_string()) return false;
    out.push_back(item.get<std::string>());
  }
  return true;
}

std::string NumberType(std::string& text) {
  const std::size_t colon = text.find(':');
  std::string type = "local";
  if (colon != std::string::npos) {
    type = text.substr(colon + 1);
    text.resize(colon);
  } else if (!text.empty() && text[0] != '+') {
    type = "short-code";
  }
  return type;
}

}  // namespace

bool AddNumberSpec(World& world, const Account& account, std::string spec, Micros now,
                   std::string& error) {
  const std::string type = NumberType(spec);
  if (type != "local" && type != "mobile" && type != "toll-free" && type != "short-code") {
    error = "a number's type is local, mobile, toll-free or short-code";
    return false;
  }
  const Address address = ParseAddress(spec);
  const bool usable =
      address.channel == Channel::kSms &&
      address.kind == (type == "short-code" ? AddressKind::kShortCode : AddressKind::kPhone);
  if (!usable) {
    error = "\"" + spec + "\" is not a number in E.164 or a short code";
    return false;
  }
  const Number* known = world.FindNumber(address.number);
  if (known != nullptr && known->account != account.index) {
    error = address.number + " belongs to another account";
    return false;
  }
  world.AddNumber(account, address.number, type, now);
  return true;
}

bool Control::Owns(std::string_view path) {
  return path == "/" || path == "/favicon.ico" || path.substr(0, kBase.size()) == kBase ||
         path == "/simulator/v1";
}

void Control::Handle(const HttpRequest& request, std::function<void(HttpResponse)> respond) {
  World& world = simulator_.world();
  const Micros now = simulator_.Now();
  const std::string& method = request.method;
  const bool reads = method == "GET" || method == "HEAD";
  if (request.path == "/") {
    if (!reads) return respond(Refuse(405, "this page can only be read"));
    HttpResponse page;
    page.content_type = "text/html; charset=utf-8";
    page.headers =
        "Content-Security-Policy: default-src 'self'; img-src 'self' data: blob:; style-src 'self' "
        "'unsafe-inline'; script-src 'self' 'unsafe-inline'; frame-ancestors 'self'\r\n"
        "Cache-Control: no-cache\r\n";
    page.body = std::string(HandsetPage());
    return respond(std::move(page));
  }
  if (request.path == "/favicon.ico") {
    HttpResponse none;
    none.status = 204;
    return respond(std::move(none));
  }
  const std::string_view name =
      std::string_view(request.path).substr(std::min(kBase.size(), request.path.size()));
  const Params query = ParseForm(request.query);

  if (name == "health" && reads) {
    return respond(
        JsonAnswer(200, Json{{"status", "ok"},
                             {"messages", world.messages().end() - world.messages().first()},
                             {"ledger", world.ledger().empty() ? 0 : world.ledger().back().index},
                             {"created", world.counters.created},
                             {"received", world.counters.received},
                             {"webhooks", world.counters.webhooks},
                             {"webhooks_failed", world.counters.webhooks_failed},
                             {"webhooks_waiting", simulator_.dispatcher().waiting()},
                             {"webhooks_running", simulator_.dispatcher().running()},
                             {"webhooks_dropped", simulator_.dispatcher().dropped()}}));
  }
  if (name == "ledger" && reads) return respond(Ledger(request));
  if (name == "faults") {
    if (reads) return respond(JsonAnswer(200, ToJson(world.faults)));
    if (method != "PUT") return respond(Refuse(405, "use GET or PUT"));
    const std::string error = ReadFaults(ReadBody(request), world.faults);
    if (!error.empty()) return respond(Refuse(400, error));
    if (world.faults.seed != 0) world.dice = Dice(world.faults.seed);
    return respond(JsonAnswer(200, ToJson(world.faults)));
  }
  if (name == "settings") {
    if (reads) return respond(JsonAnswer(200, ToJson(world.settings)));
    if (method != "PUT") return respond(Refuse(405, "use GET or PUT"));
    const std::string error = ReadSettings(ReadBody(request), world.settings);
    if (!error.empty()) return respond(Refuse(400, error));
    return respond(JsonAnswer(200, ToJson(world.settings)));
  }
  if (name == "reset") {
    if (method != "POST") return respond(Refuse(405, "use POST"));
    simulator_.Reset();
    return respond(JsonAnswer(200, Json{{"status", "ok"}}));
  }
  if (name == "inbound") {
    if (method != "POST") return respond(Refuse(405, "use POST"));
    return Inbound(request, std::move(respond));
  }
  if (name == "accounts") {
    if (method == "POST") return respond(AddAccount(request));
    if (!reads) return respond(Refuse(405, "use GET or POST"));
    Json accounts = Json::array();
    for (const auto& account : world.accounts()) {
      Json numbers = Json::array();
      for (const auto& number : world.numbers()) {
        if (number->account != account->index) continue;
        numbers.push_back({{"number", number->number},
                           {"friendly_name", number->friendly_name},
                           {"type", number->type},
                           {"sms_url", std::string(number->Setting("sms_url"))},
                           {"voice_url", std::string(number->Setting("voice_url"))}});
      }
      accounts.push_back({{"sid", account->sid},
                          {"friendly_name", account->friendly_name},
                          {"type", account->type},
                          {"test", account->test},
                          {"numbers", numbers}});
    }
    return respond(JsonAnswer(
        200, Json{{"accounts", accounts}, {"sandbox_number", world.options().sandbox_number}}));
  }
  if (name == "handset" && reads) {
    const Address customer = ParseAddress(Get(query, "number"));
    if (customer.kind == AddressKind::kInvalid) {
      return respond(Refuse(400, "\"number\" is not a phone number"));
    }
    return respond(JsonAnswer(
        200,
        Json{{"number", customer.number},
             {"thread", world.Thread(customer.number, ParseAddress(Get(query, "business")).number,
                                     kThreadMax, now)}}));
  }
  if (name == "read") {
    if (method != "POST") return respond(Refuse(405, "use POST"));
    const Json json = ReadBody(request);
    std::string sid;
    if (!json.is_object() || !TakeText(json, "sid", sid) || sid.empty()) {
      return respond(Refuse(400, "the body must be {\"sid\": …}"));
    }
    const bool read = world.MarkRead(sid, now);
    simulator_.Pump();
    if (!read) return respond(Refuse(409, "only a delivered WhatsApp message can be read"));
    return respond(JsonAnswer(200, Json{{"status", "read"}}));
  }
  if (name == "live" && reads) {
    HttpResponse response;
    response.content_type = "text/event-stream";
    response.stream = std::make_shared<EventStream>();
    response.stream->Push(": welcome\n\n");
    simulator_.Watch(response.stream);
    return respond(std::move(response));
  }
  if (name == "media") {
    if (method != "POST") return respond(Refuse(405, "use POST"));
    if (request.body.empty()) return respond(Refuse(400, "the body is empty"));
    std::string type =
        request.content_type.empty() ? "application/octet-stream" : request.content_type;
    if (type.size() > 100 || !IsValidUtf8(type)) {
      return respond(Refuse(400, "the Content-Type is not usable"));
    }
    const std::string id = world.AddUpload(request.body, std::move(type), now);
    return respond(JsonAnswer(
        201, Json{{"id", id}, {"url", world.options().public_url + "/simulator/v1/media/" + id}}));
  }
  if (name.substr(0, 6) == "media/" && reads) {
    const Media* media = world.FindUpload(name.substr(6));
    if (media == nullptr) return respond(Refuse(404, "there is no such medium"));
    HttpResponse response;
    if (!media->fetched) {
      response.status = 307;
      response.headers = "Location: " + media->source_url + "\r\n";
      return respond(std::move(response));
    }
    response.content_type = media->content_type;
    response.headers = "Content-Security-Policy: sandbox\r\nX-Content-Type-Options: nosniff\r\n";
    response.body = media->bytes;
    return respond(std::move(response));
  }
  respond(Refuse(404, "there is no such endpoint"));
}

void Control::Inbound(const HttpRequest& request, std::function<void(HttpResponse)> respond) {
  World& world = simulator_.world();
  const Json json = ReadBody(request);
  if (!json.is_object()) return respond(Refuse(400, "the body must be a JSON object"));
  parley::simulator::Inbound inbound;
  std::string channel = "sms";
  if (!TakeText(json, "from", inbound.from) || !TakeText(json, "to", inbound.to) ||
      !TakeText(json, "body", inbound.body) || !TakeText(json, "channel", channel) ||
      !TakeText(json, "message_sid", inbound.message_sid) ||
      !TakeText(json, "profile_name", inbound.profile_name)) {
    return respond(
        Refuse(400, "from, to, body, channel, message_sid and profile_name must be texts"));
  }
  if (!TakeTexts(json, "media_urls", inbound.media_urls)) {
    return respond(Refuse(400, "media_urls must be a list of texts"));
  }
  bool wait = true;
  if (const auto found = json.find("wait"); found != json.end()) {
    if (!found->is_boolean()) return respond(Refuse(400, "wait must be true or false"));
    wait = found->get<bool>();
  }
  if (inbound.from.empty() || inbound.to.empty()) {
    return respond(Refuse(400, "from and to are required"));
  }
  if (channel != "sms" && channel != "whatsapp" && channel != "voice") {
    return respond(Refuse(400, "channel must be sms, whatsapp or voice"));
  }
  if (ParseAddress(inbound.to).channel == Channel::kWhatsApp && channel == "sms") {
    channel = "whatsapp";
  }
  inbound.channel = channel == "whatsapp" ? Channel::kWhatsApp : Channel::kSms;
  const Micros now = simulator_.Now();
  Result<Received> result =
      channel == "voice" ? world.ReceiveCall(inbound, now) : world.Receive(inbound, now);
  if (const ApiError* error = ErrorOf(result)) {
    return respond(Refuse(error->status, error->message));
  }
  const Received received = std::get<Received>(std::move(result));
  if (MatchKeyword(inbound.body, false) != Keyword::kNone) simulator_.StateMayHaveChanged();
  const auto webhook_json = [](const WebhookResult& outcome) {
    return Json{{"delivered", outcome.delivered},
                {"status", outcome.status == 0 ? Json() : Json(outcome.status)},
                {"attempts", outcome.attempts},
                {"via_fallback", outcome.via_fallback},
                {"error_code", outcome.error_code == 0 ? Json() : Json(outcome.error_code)}};
  };
  if (received.webhook_id == 0) {
    simulator_.Pump();
    Json webhook = webhook_json({});
    webhook["reason"] = received.silent_reason;
    return respond(JsonAnswer(200, Json{{"sid", received.sid}, {"webhook", webhook}}));
  }
  if (!wait) {
    simulator_.Pump();
    return respond(JsonAnswer(202, Json{{"sid", received.sid}, {"webhook", nullptr}}));
  }
  simulator_.WaitFor(
      received.webhook_id, [sid = received.sid, webhook_json,
                            respond = std::move(respond)](const WebhookResult& outcome) {
        respond(JsonAnswer(200, Json{{"sid", sid}, {"webhook", webhook_json(outcome)}}));
      });
  simulator_.Pump();
}

HttpResponse Control::Ledger(const HttpRequest& request) {
  const World& world = simulator_.world();
  const Params query = ParseForm(request.query);
  std::int64_t after = 0;
  std::int64_t limit = kLedgerPageMax;
  if (const std::string* text = Find(query, "after")) {
    if (!ParseInt(*text, after) || after < 0) {
      return Refuse(400, "after must be a number of at least 0");
    }
  }
  if (const std::string* text = Find(query, "limit")) {
    if (!ParseInt(*text, limit) || limit < 1) {
      return Refuse(400, "limit must be a number of at least 1");
    }
    limit = std::min<std::int64_t>(limit, kLedgerPageMax);
  }
  const auto& ledger = world.ledger();
  const Micros now = simulator_.Now();
  auto first = ledger.begin();
  if (!ledger.empty() && static_cast<std::uint64_t>(after) >= ledger.front().index) {
    const std::uint64_t skip = static_cast<std::uint64_t>(after) - ledger.front().index + 1;
    first += static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(skip, ledger.size()));
  }
  std::string out = "{\"entries\":[";
  std::uint64_t next = static_cast<std::uint64_t>(after);
  for (auto entry = first; entry != ledger.end() && limit > 0; ++entry, --limit) {
    if (out.back() == '}') out += ",";
    world.RenderLedgerEntry(out, *entry, now);
    next = entry->index;
  }
  out += "],\"next\":" + std::to_string(next) + "}";
  return JsonAnswer(200, std::move(out));
}

HttpResponse Control::AddAccount(const HttpRequest& request) {
  World& world = simulator_.world();
  const Json json = ReadBody(request);
  std::string sid, token, type = "Full", name;
  std::vector<std::string> numbers, verified;
  if (!json.is_object()) return Refuse(400, "the body must be a JSON object");
  if (!TakeText(json, "sid", sid) || !TakeText(json, "auth_token", token) ||
      !TakeText(json, "type", type) || !TakeText(json, "friendly_name", name) ||
      !TakeTexts(json, "numbers", numbers) || !TakeTexts(json, "verified_numbers", verified)) {
    return Refuse(400,
                  "sid, auth_token, type and friendly_name are texts; numbers and "
                  "verified_numbers are lists of texts");
  }
  if (sid.empty()) sid = world.NewSid("AC");
  if (token.empty()) token = world.NewToken();
  if (!HasSidShape(sid, "AC")) return Refuse(400, "sid must be AC and 32 hexadecimal digits");
  if (type != "Full" && type != "Trial" && type != "Test") {
    return Refuse(400, "type must be Full, Trial or Test");
  }
  if (numbers.size() > kNumbersPerAccountMax || world.accounts().size() >= kResourcesMax) {
    return Refuse(400, "too many numbers or accounts");
  }
  const Micros now = simulator_.Now();
  Account& account = world.AddAccount(sid, token, now);
  simulator_.StateMayHaveChanged();
  account.type = type == "Test" ? "Full" : type;
  account.test = type == "Test";
  if (!name.empty()) account.friendly_name = name;
  if (!verified.empty()) account.verified_numbers = verified;
  std::string error;
  for (const std::string& number : numbers) {
    if (!AddNumberSpec(world, account, number, now, error)) return Refuse(400, error);
  }
  return JsonAnswer(201, Json{{"sid", account.sid},
                              {"auth_token", account.auth_token},
                              {"type", type},
                              {"numbers", numbers}});
}

}  // namespace parley::simulator
