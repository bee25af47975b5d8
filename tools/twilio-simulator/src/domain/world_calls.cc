// Calls: made by the business through the API, or by a customer on the handset.
#include <algorithm>

#include "domain/signature.h"
#include "domain/world.h"

namespace parley::simulator {
namespace {

constexpr int kRecordingSeconds = 5;
constexpr std::size_t kRecordingsMax = 10'000;
constexpr std::size_t kStepsMax = 100;
constexpr std::size_t kTwimlParamCharsMax = 4000;

ApiError Refuse(int code, std::string message) { return {code, 400, std::move(message), {}}; }

std::optional<ApiError> CheckTestCall(std::string_view from, std::string_view to) {
  const std::string to_text(to);
  if (from == "+15005550001") {
    return Refuse(21212,
                  "The 'From' number " + std::string(from) + " is not a valid phone number.");
  }
  if (from != "+15005550006") {
    return Refuse(21210, "The source phone number provided, " + std::string(from) +
                             ", is not yet verified for your account.");
  }
  if (to == "+15005550001") return Refuse(21217, "Phone number does not appear to be valid");
  if (to == "+15005550002") return Refuse(21214, "'To' phone number cannot be reached");
  if (to == "+15005550003") {
    return Refuse(21215, "Account not authorized to call " + to_text +
                             ". Perhaps you need to enable some international permissions");
  }
  if (to == "+15005550004") return Refuse(21216, "Account not allowed to call " + to_text);
  return std::nullopt;
}

Json NullableText(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json NullableTime(Micros time) { return time == 0 ? Json() : Json(FormatRfc2822(time)); }

}  // namespace

Call& World::AddCall(const Account& account, Micros now) {
  if (calls_.size() >= kCallsMax) calls_.pop_front();
  Call& call = calls_.emplace_back();
  call.sid = NewSid("CA");
  call.account = account.index;
  call.created_us = call.updated_us = now;
  return call;
}

Call* World::FindCall(const Account& account, std::string_view sid) {
  for (auto call = calls_.rbegin(); call != calls_.rend(); ++call) {
    if (call->sid == sid && call->account == account.index) return &*call;
  }
  return nullptr;
}

void World::PushCall(Micros due, std::string sid, std::string status) {
  const std::uint64_t ref = next_event_;
  call_events_.emplace(ref, CallEvent{std::move(sid), std::move(status)});
  Push(due, EventKind::kCall, ref, Status::kQueued, false);
}

Result<Call*> World::CreateCall(const Account& account, const Params& params, Micros now) {
  const std::string to_text(Get(params, "To"));
  const std::string from_text(Get(params, "From"));
  const std::string url(Get(params, "Url"));
  const std::string twiml(Get(params, "Twiml"));
  if (to_text.empty()) return Refuse(21201, "No 'To' number is specified");
  if (from_text.empty()) return Refuse(21213, "'From' number is required");
  if (url.empty() && twiml.empty() && Get(params, "ApplicationSid").empty()) {
    return Refuse(21205, "Url parameter is required.");
  }
  WebhookUrl parsed;
  if (!url.empty() && !ParseWebhookUrl(url, true, parsed)) {
    return Refuse(21205, "Url is not a valid URL: " + url);
  }
  if (twiml.size() > kTwimlParamCharsMax) {
    return Refuse(21218, "Twiml parameter is longer than 4000 characters");
  }
  if (account.test) {
    if (auto error = CheckTestCall(from_text, to_text)) return *std::move(error);
  }
  const Address to = ParseAddress(to_text);
  const Address from = ParseAddress(from_text);
  if (to.kind != AddressKind::kPhone) {
    return Refuse(21217, "Phone number does not appear to be valid");
  }
  if (from.kind != AddressKind::kPhone) {
    return Refuse(21212, "The 'From' number " + from_text + " is not a valid phone number.");
  }
  if (!account.test) {
    const Number* number = FindNumber(from.number);
    if (number == nullptr || number->account != account.index || !number->voice) {
      return Refuse(21210, "The source phone number provided, " + from_text +
                               ", is not yet verified for your account.");
    }
    for (const std::string& prefix : settings.geo_blocked_prefixes) {
      if (!prefix.empty() && to.number.substr(0, prefix.size()) == prefix) {
        return Refuse(21215, "Account not authorized to call " + to.number +
                                 ". Perhaps you need to enable some international permissions");
      }
    }
  }
  Call& call = AddCall(account, now);
  call.to = to.number;
  call.from = from.number;
  call.url = url;
  call.method = std::string(Get(params, "Method", "POST"));
  call.fallback_url = std::string(Get(params, "FallbackUrl"));
  call.fallback_method = std::string(Get(params, "FallbackMethod", "POST"));
  call.twiml = twiml;
  call.status_callback = std::string(Get(params, "StatusCallback"));
  call.status_callback_method = std::string(Get(params, "StatusCallbackMethod", "POST"));
  for (const std::string& value : GetAll(params, "StatusCallbackEvent")) {
    for (const std::string& event : Split(value, ' ')) call.events.push_back(event);
  }
  if (call.events.empty()) call.events.push_back("completed");
  if (account.test) return &call;
  CallStatusCallback(call, "initiated", now);
  PushCall(now + 50 * kMillisecond, call.sid, "ringing");
  CallChanged(call);
  return &call;
}

Result<Received> World::ReceiveCall(const Inbound& inbound, Micros now) {
  const Address from = ParseAddress(inbound.from);
  const Address to = ParseAddress(inbound.to);
  if (from.kind != AddressKind::kPhone) {
    return ApiError{20422, 400, "\"from\" is not a phone number", {}};
  }
  const Number* number = FindNumber(to.number);
  if (number == nullptr || !number->voice) {
    return ApiError{20422, 404, "no account has a number \"to\" that takes calls", {}};
  }
  Call& call = AddCall(*accounts_[number->account], now);
  call.to = to.number;
  call.from = from.number;
  call.direction = "inbound";
  call.status = "ringing";
  call.started_us = now;
  call.spoken = inbound.body;
  call.fallback_url = std::string(number->Setting("voice_fallback_url"));
  call.fallback_method = std::string(number->Setting("voice_fallback_method", "POST"));
  call.status_callback = std::string(number->Setting("status_callback"));
  call.status_callback_method = std::string(number->Setting("status_callback_method", "POST"));
  call.events.push_back("completed");
  ++counters.received;
  Received received;
  received.sid = call.sid;
  const std::string url(number->Setting("voice_url"));
  if (url.empty()) {
    received.silent_reason = "the number has no VoiceUrl";
    EndCall(call, "failed", now);
    return received;
  }
  AskForTwiml(call, url, std::string(number->Setting("voice_method", "POST")), {}, now);
  received.webhook_id = webhooks_.back().id;
  CallChanged(call);
  return received;
}

Params World::CallParams(const Call& call) const {
  Params params{{"CallSid", call.sid},        {"AccountSid", accounts_[call.account]->sid},
                {"From", call.from},          {"To", call.to},
                {"Caller", call.from},        {"Called", call.to},
                {"CallStatus", call.status},  {"ApiVersion", "2010-04-01"},
                {"Direction", call.direction}};
  for (const char* who : {"From", "To", "Caller", "Called"}) {
    const std::string prefix(who);
    params.emplace_back(prefix + "City", "SIMVILLE");
    params.emplace_back(prefix + "State", "NY");
    params.emplace_back(prefix + "Zip", "10001");
    params.emplace_back(prefix + "Country", "US");
  }
  return params;
}

void World::AskForTwiml(Call& call, std::string url, std::string method, Params extra, Micros now) {
  WebhookUrl parsed;
  if (++call.documents > kTwimlDocumentsMax || !ParseWebhookUrl(url, true, parsed)) {
    return EndCall(call, "failed", now);  // 11215
  }
  Webhook& webhook =
      Owe(WebhookKind::kVoice, *accounts_[call.account], std::move(url), std::move(method));
  webhook.resource_sid = call.sid;
  webhook.fallback_url = call.fallback_url;
  webhook.fallback_method = call.fallback_method;
  webhook.params = CallParams(call);
  for (auto& param : extra) webhook.params.push_back(std::move(param));
}

void World::AdvanceCall(Call& call, const std::string& status, Micros now) {
  if (call.ended_us != 0) return;
  if (status == "hold-over") return EndCall(call, "completed", now);
  call.status = status;
  call.updated_us = now;
  if (status == "ringing") {
    call.started_us = now;
    CallStatusCallback(call, "ringing", now);
    PushCall(now + settings.call_ring_ms * kMillisecond, call.sid, "in-progress");
  } else if (status == "in-progress") {
    if (settings.call_outcome != "completed") return EndCall(call, settings.call_outcome, now);
    call.answered_us = now;
    CallStatusCallback(call, "answered", now);
    if (!call.twiml.empty()) {
      const auto parsed = ParseTwiml(call.twiml);
      if (const auto* response = std::get_if<XmlElement>(&parsed)) {
        RunVoiceTwiml(call, *response, "", now);
      } else {
        EndCall(call, "failed", now);
      }
      return;
    }
    if (call.url.empty()) return EndCall(call, "completed", now);
    AskForTwiml(call, call.url, call.method, {}, now);
  }
  CallChanged(call);
}

void World::RunVoiceTwiml(Call& call, const XmlElement& response, const std::string& base_url,
                          Micros now) {
  if (call.status == "ringing" && call.direction == "inbound") {
    const XmlElement* reject = response.Child("Reject");
    if (reject != nullptr && response.children.front().name == "Reject") {
      return EndCall(call, reject->Attribute("reason") == "busy" ? "busy" : "no-answer", now);
    }
    call.status = "in-progress";
    call.answered_us = call.updated_us = now;
  }
  const Account& account = *accounts_[call.account];
  for (const XmlElement& verb : response.children) {
    if (call.steps.size() >= kStepsMax) return EndCall(call, "failed", now);
    std::string text = verb.text;
    for (const XmlElement& child : verb.children) {
      if (!text.empty() && !child.text.empty()) text += " ";
      text += child.text;
    }
    if (verb.name == "Record" && !call.spoken.empty()) text = call.spoken;
    if (verb.name == "Pause") text = std::string(verb.Attribute("length", "1")) + " s";
    call.steps.push_back({{"verb", verb.name}, {"text", text}});
    const std::string action = ResolveUrl(base_url, verb.Attribute("action"));
    const std::string method(verb.Attribute("method", "POST"));
    if (verb.name == "Hangup") return EndCall(call, "completed", now);
    if (verb.name == "Redirect") {
      return AskForTwiml(call, ResolveUrl(base_url, verb.text), method, {}, now);
    }
    if (verb.name == "Dial" && !verb.Attribute("action").empty()) {
      return AskForTwiml(call, action, method,
                         {{"DialCallSid", NewSid("CA")},
                          {"DialCallStatus", "completed"},
                          {"DialCallDuration", "1"}},
                         now);
    }
    if (verb.name != "Record") continue;
    if (recordings_.size() >= kRecordingsMax) recordings_.pop_front();
    const Recording& recording = recordings_.emplace_back(
        Recording{NewSid("RE"), call.account, call.sid, kRecordingSeconds, now});
    const Params about{{"RecordingUrl", options_.public_url + "/2010-04-01/Accounts/" +
                                            account.sid + "/Recordings/" + recording.sid},
                       {"RecordingSid", recording.sid},
                       {"RecordingDuration", std::to_string(recording.duration_s)}};
    WebhookUrl parsed;
    const auto tell = [&](std::string_view attribute, const char* status_name, const char* status,
                          const Params& more) {
      const std::string url = ResolveUrl(base_url, verb.Attribute(attribute));
      if (verb.Attribute(attribute).empty() || !ParseWebhookUrl(url, true, parsed)) return;
      Webhook& webhook = Owe(WebhookKind::kCallStatus, account, url, "POST");
      webhook.params = CallParams(call);
      for (const auto& param : about) webhook.params.push_back(param);
      webhook.params.emplace_back(status_name, status);
      for (const auto& param : more) webhook.params.push_back(param);
    };
    tell("recordingStatusCallback", "RecordingStatus", "completed", {});
    if (!call.spoken.empty()) {
      tell("transcribeCallback", "TranscriptionStatus", "completed",
           {{"TranscriptionText", call.spoken}, {"TranscriptionSid", NewSid("TR")}});
    }
    if (base_url.empty() && verb.Attribute("action").empty()) continue;
    // Without an action the recorder asks the same document again, as Twilio does.
    if (verb.Attribute("action").empty() && call.documents > 1) continue;
    Params extra = about;
    extra.emplace_back("Digits", "hangup");
    return AskForTwiml(call, action, method, std::move(extra), now);
  }
  PushCall(now + settings.call_duration_ms * kMillisecond, call.sid, "hold-over");
  CallChanged(call);
}

void World::EndCall(Call& call, std::string status, Micros now) {
  if (call.ended_us != 0) return;
  call.status = std::move(status);
  call.ended_us = call.updated_us = now;
  CallStatusCallback(call, "completed", now);
  CallChanged(call);
}

void World::CallStatusCallback(Call& call, std::string_view event, Micros now) {
  WebhookUrl parsed;
  if (call.status_callback.empty() || !settings.callbacks ||
      std::find(call.events.begin(), call.events.end(), event) == call.events.end() ||
      !ParseWebhookUrl(call.status_callback, true, parsed)) {
    return;
  }
  Webhook& webhook = Owe(WebhookKind::kCallStatus, *accounts_[call.account], call.status_callback,
                         call.status_callback_method);
  webhook.params = CallParams(call);
  for (auto& [name, value] : webhook.params) {
    if (name == "CallStatus" && event == "initiated") value = "initiated";
  }
  if (call.ended_us != 0) {
    const Micros seconds = call.answered_us == 0 ? 0 : (now - call.answered_us) / kSecond;
    webhook.params.emplace_back("CallDuration", std::to_string(seconds));
    webhook.params.emplace_back("Duration", std::to_string((seconds + 59) / 60));
  }
  webhook.params.emplace_back("Timestamp", FormatRfc2822(now));
  webhook.params.emplace_back("CallbackSource", "call-progress-events");
  webhook.params.emplace_back("SequenceNumber", std::to_string(call.sequence++));
}

std::optional<ApiError> World::UpdateCall(Call& call, const Params& params, Micros now) {
  const std::string status(Get(params, "Status"));
  if (!status.empty() && status != "canceled" && status != "completed") {
    return Refuse(21218, "Status can only be set to 'canceled' or 'completed'");
  }
  if (call.ended_us != 0) {
    return Refuse(21220, "Call is not in-progress. Cannot redirect.");
  }
  if (!status.empty()) {
    const bool waiting = call.status == "queued" || call.status == "ringing";
    if (status == "completed" || waiting) EndCall(call, status, now);
    return std::nullopt;
  }
  const std::string url(Get(params, "Url"));
  const std::string twiml(Get(params, "Twiml"));
  if (!twiml.empty()) {
    const auto parsed = ParseTwiml(twiml);
    const auto* response = std::get_if<XmlElement>(&parsed);
    if (response == nullptr) return Refuse(21218, "Twiml is not valid");
    RunVoiceTwiml(call, *response, "", now);
  } else if (!url.empty()) {
    WebhookUrl parsed;
    if (!ParseWebhookUrl(url, true, parsed)) {
      return Refuse(21205, "Url is not a valid URL: " + url);
    }
    AskForTwiml(call, url, std::string(Get(params, "Method", "POST")), {}, now);
  }
  return std::nullopt;
}

Json World::RenderCall(const Call& call) const {
  const Account& account = *accounts_[call.account];
  const std::string uri = "/2010-04-01/Accounts/" + account.sid + "/Calls/" + call.sid;
  const std::string& own = call.direction == "inbound" ? call.to : call.from;
  const Number* number = FindNumber(own);
  Json duration;
  if (call.ended_us != 0) {
    duration =
        std::to_string(call.answered_us == 0 ? 0 : (call.ended_us - call.answered_us) / kSecond);
  }
  Json subresources = Json::object();
  for (const char* name :
       {"notifications", "recordings", "payments", "events", "siprec", "streams", "transcriptions",
        "user_defined_message_subscriptions", "user_defined_messages"}) {
    std::string path;
    bool upper = true;
    for (const char c : std::string_view(name)) {
      if (c == '_') {
        upper = true;
        continue;
      }
      path.push_back(upper ? static_cast<char>(c - 32) : c);
      upper = false;
    }
    subresources[name] = uri + "/" + path + ".json";
  }
  return {{"sid", call.sid},
          {"date_created", FormatRfc2822(call.created_us)},
          {"date_updated", FormatRfc2822(call.updated_us)},
          {"parent_call_sid", NullableText(call.parent_sid)},
          {"account_sid", account.sid},
          {"to", call.to},
          {"to_formatted", FriendlyNumber(call.to)},
          {"from", call.from},
          {"from_formatted", FriendlyNumber(call.from)},
          {"phone_number_sid", number == nullptr ? Json() : Json(number->sid)},
          {"status", call.status},
          {"start_time", NullableTime(call.started_us)},
          {"end_time", NullableTime(call.ended_us)},
          {"duration", duration},
          {"price", call.ended_us != 0 && call.answered_us != 0 ? Json("-0.01300") : Json()},
          {"price_unit", "USD"},
          {"direction", call.direction},
          {"answered_by", nullptr},
          {"api_version", "2010-04-01"},
          {"forwarded_from", nullptr},
          {"group_sid", nullptr},
          {"caller_name", nullptr},
          {"queue_time", "0"},
          {"trunk_sid", nullptr},
          {"uri", uri + ".json"},
          {"subresource_uris", subresources}};
}

Json World::HandsetCall(const Call& call) const {
  const bool inbound = call.direction == "inbound";
  return {{"type", "call"},
          {"sid", call.sid},
          {"channel", "voice"},
          {"direction", inbound ? "inbound" : "outbound"},
          {"customer", inbound ? call.from : call.to},
          {"business", inbound ? call.to : call.from},
          {"status", call.status},
          {"steps", call.steps},
          {"at_us", call.created_us}};
}

void World::CallChanged(const Call& call) {
  if (on_change) on_change(HandsetCall(call));
}

Recording* World::FindRecording(const Account& account, std::string_view sid) {
  for (Recording& recording : recordings_) {
    if (recording.sid == sid && recording.account == account.index) return &recording;
  }
  return nullptr;
}

}  // namespace parley::simulator
