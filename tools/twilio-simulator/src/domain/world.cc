#include "domain/world.h"

#include <algorithm>
#include <limits>

#include "domain/signature.h"

namespace parley::simulator {

World::World(WorldOptions options)
    : dice(Scatter(options.key)),
      options_(std::move(options)),
      sids_(Scatter(options_.key + 1)),
      tokens_(Scatter(options_.key + 2)),
      messages_(options_.messages_max) {
  messages_.on_forget = [this](std::uint64_t number, const Message& message) {
    if (message.extra) {
      if (!message.extra->custom_sid.empty()) custom_sids_.erase(message.extra->custom_sid);
      for (const std::string& sid : message.extra->media) DeleteMedia(sid);
    }
    while (!ledger_.empty() && ledger_.front().message <= number) ledger_.pop_front();
  };
}

void World::Push(Micros due, EventKind kind, std::uint64_t ref, Status status, bool call_back) {
  events_.push(Event{due, next_event_++, ref, kind, status, call_back});
}

Micros World::NextDue() const {
  return events_.empty() ? std::numeric_limits<Micros>::max() : events_.top().due;
}

void World::Advance(Micros now) {
  while (!events_.empty() && events_.top().due <= now) {
    const Event event = events_.top();
    events_.pop();
    Run(event, now);
  }
}

void World::Run(const Event& event, Micros now) {
  switch (event.kind) {
    case EventKind::kStatus:
      if (event.call_back) {
        CallBack(event.ref, event.status, now);
      } else {
        Changed(event.ref, now);
      }
      return;
    case EventKind::kDispatch:
      Dispatch(event.ref, now);
      return;
    case EventKind::kCall: {
      const auto found = call_events_.find(event.ref);
      if (found == call_events_.end()) return;
      const CallEvent call_event = std::move(found->second);
      call_events_.erase(found);
      for (Call& call : calls_) {
        if (call.sid == call_event.sid) return AdvanceCall(call, call_event.status, now);
      }
    }
  }
}

Webhook& World::Owe(WebhookKind kind, const Account& account, std::string url, std::string method) {
  Webhook& webhook = webhooks_.emplace_back();
  webhook.id = next_webhook_++;
  webhook.kind = kind;
  webhook.url = std::move(url);
  webhook.method = method.empty() ? "POST" : std::move(method);
  webhook.auth_token = account.auth_token;
  webhook.idempotency_token = FormatUuid(tokens_.Next(), tokens_.Next());
  ++counters.webhooks;
  return webhook;
}

void World::OnWebhook(const Webhook& webhook, const WebhookResult& result, Micros now) {
  if (!result.delivered) ++counters.webhooks_failed;
  if (webhook.kind == WebhookKind::kMediaFetch) return OnMediaFetched(webhook, result, now);
  if (webhook.kind != WebhookKind::kInboundMessage && webhook.kind != WebhookKind::kVoice) return;
  Call* call = nullptr;
  if (webhook.kind == WebhookKind::kVoice) {
    // The latest calls are the ones that are still asked about.
    const auto found = std::find_if(calls_.rbegin(), calls_.rend(), [&](const Call& candidate) {
      return candidate.sid == webhook.resource_sid;
    });
    if (found == calls_.rend() || found->ended_us != 0) return;
    call = &*found;
  }
  if (!result.delivered) {
    if (call != nullptr) EndCall(*call, "failed", now);
    return;
  }
  if (result.status == 204 || Trim(result.body).empty()) {
    if (call != nullptr) EndCall(*call, "completed", now);
    return;
  }
  const std::string_view type =
      Trim(std::string_view(result.content_type)
               .substr(0, std::min(result.content_type.find(';'), result.content_type.size())));
  if (EqualsIgnoreCase(type, "text/plain") && call == nullptr) {
    XmlElement response;
    response.name = "Response";
    response.children.push_back(XmlElement{"Message", {}, std::string(result.body), {}});
    if (IsValidUtf8(result.body) && result.body.size() <= kTwimlBytesMax) {
      RunMessagingTwiml(webhook, response, now);
    }
    return;
  }
  const bool xml = EqualsIgnoreCase(type, "text/xml") ||
                   EqualsIgnoreCase(type, "application/xml") || EqualsIgnoreCase(type, "text/html");
  const auto parsed =
      xml ? ParseTwiml(result.body) : TwimlError{12300, "the answer's Content-Type is not TwiML's"};
  if (const auto* response = std::get_if<XmlElement>(&parsed)) {
    if (call != nullptr) {
      RunVoiceTwiml(*call, *response, webhook.url, now);
    } else {
      RunMessagingTwiml(webhook, *response, now);
    }
    return;
  }
  ++counters.webhooks_failed;
  // An answer that is no TwiML counts as a failed webhook: the fallback URL is asked next.
  if (!webhook.fallback_url.empty() && !result.via_fallback) {
    const std::uint32_t account =
        call != nullptr ? call->account : messages_.AccountOf(webhook.message);
    Webhook again = webhook;
    Webhook& next =
        Owe(webhook.kind, *accounts_[account], webhook.fallback_url, webhook.fallback_method);
    again.id = next.id;
    again.url = next.url;
    again.method = next.method;
    again.fallback_url.clear();
    again.params.emplace_back("ErrorCode", std::to_string(std::get<TwimlError>(parsed).code));
    again.params.emplace_back("ErrorUrl", webhook.url.substr(0, webhook.url.find('#')));
    next = std::move(again);
    return;
  }
  if (call != nullptr) EndCall(*call, "failed", now);
}

void World::Reset() {
  messages_.Clear();
  custom_sids_.clear();
  ledger_.clear();
  ledger_end_ = 0;
  windows_.clear();
  sandbox_members_.clear();
  opt_outs.Clear();
  media_.clear();
  media_order_.clear();
  media_bytes_ = 0;
  uploads_.clear();
  upload_order_.clear();
  upload_bytes_ = 0;
  calls_.clear();
  recordings_.clear();
  call_events_.clear();
  events_ = {};
  webhooks_.clear();
  faults = {};
  settings = {};
  counters = {};
}

Account& World::AddAccount(std::string sid, std::string auth_token, Micros now) {
  if (Account* known = FindAccount(sid)) {
    known->auth_token = std::move(auth_token);
    return *known;
  }
  Account& account = *accounts_.emplace_back(std::make_unique<Account>());
  account.index = static_cast<std::uint32_t>(accounts_.size() - 1);
  account.sid = std::move(sid);
  account.auth_token = std::move(auth_token);
  account.owner_sid = account.sid;
  account.friendly_name = "Simulated account";
  account.created_us = account.updated_us = now;
  accounts_by_sid_.emplace(account.sid, &account);
  return account;
}

Account* World::FindAccount(std::string_view sid) {
  const auto found = accounts_by_sid_.find(sid);
  return found == accounts_by_sid_.end() ? nullptr : found->second;
}

std::string World::NewToken() {
  return DerivedSid("", std::to_string(tokens_.Next()) + std::to_string(tokens_.Next()));
}

Number& World::AddNumber(const Account& account, std::string text, std::string type, Micros now) {
  if (const auto found = numbers_by_text_.find(text); found != numbers_by_text_.end()) {
    return *found->second;
  }
  Number& number = *numbers_.emplace_back(std::make_unique<Number>());
  number.sid = DerivedSid("PN", account.sid + text);
  number.account = account.index;
  number.number = std::move(text);
  number.type = std::move(type);
  number.friendly_name = FriendlyNumber(number.number);
  number.created_us = number.updated_us = now;
  if (number.type == "short-code") number.voice = false;
  numbers_by_text_.emplace(number.number, &number);
  return number;
}

const Number* World::FindNumber(std::string_view number) const {
  const auto found = numbers_by_text_.find(number);
  return found == numbers_by_text_.end() ? nullptr : found->second;
}

Number* World::FindNumberBySid(const Account& account, std::string_view sid) {
  for (const auto& number : numbers_) {
    if (number->account == account.index && number->sid == sid) return number.get();
  }
  return nullptr;
}

void World::RemoveNumber(const Number& number) {
  for (const auto& service : services) std::erase(service->number_sids, number.sid);
  numbers_by_text_.erase(number.number);
  std::erase_if(numbers_, [&](const auto& owned) { return owned.get() == &number; });
}

const Service* World::FindService(const Account& account, std::string_view sid) const {
  for (const auto& service : services) {
    if (service->account == account.index && service->sid == sid) return service.get();
  }
  return nullptr;
}

const Content* World::FindContent(const Account& account, std::string_view sid) const {
  for (const auto& content : contents) {
    if (content->account == account.index && content->sid == sid) return content.get();
  }
  return nullptr;
}

bool World::IsSandbox(std::string_view number) const {
  return !options_.sandbox_number.empty() && number == options_.sandbox_number;
}

bool World::IsOptedOut(std::string_view business, std::string_view customer) const {
  return opt_outs.Contains(business, customer);
}

void World::RenderLedgerEntry(std::string& out, const LedgerEntry& entry, Micros now) const {
  const Message* message = messages_.Find(entry.message);
  if (message == nullptr) return;
  out += "{\"index\":" + std::to_string(entry.index) + ",\"sid\":\"" + MessageSid(entry.message) +
         "\",\"account_sid\":\"" + accounts_[message->account]->sid + "\",\"from\":";
  if (message->has_sender) {
    AppendJson(out, messages_.Text(message->from));
  } else {
    out += "null";
  }
  out += ",\"to\":";
  AppendJson(out, messages_.Text(message->to));
  out += ",\"body\":";
  AppendJson(out, message->body);
  out += ",\"media_urls\":[";
  if (message->extra) {
    bool first = true;
    for (const std::string& sid : message->extra->media) {
      const auto found = media_.find(sid);
      if (found == media_.end()) continue;
      if (!std::exchange(first, false)) out += ",";
      AppendJson(out, found->second.source_url);
    }
  }
  out += "],\"arrived_at_us\":" + std::to_string(entry.arrived_us) + ",\"status\":\"";
  out += StatusName(message->StatusAt(now));
  out += "\",\"error_code\":";
  const bool failed = message->error_code != 0 && IsTerminal(message->StatusAt(now));
  out += failed ? std::to_string(message->error_code) : "null";
  const auto optional_text = [&out](std::string_view name, const std::string* text) {
    out += ",\"";
    out += name;
    out += "\":";
    if (text == nullptr || text->empty()) {
      out += "null";
    } else {
      AppendJson(out, *text);
    }
  };
  const MessageExtra* extra = message->extra.get();
  optional_text("status_callback", extra ? &extra->status_callback : nullptr);
  optional_text("messaging_service_sid", extra ? &extra->service_sid : nullptr);
  optional_text("content_sid", extra ? &extra->content_sid : nullptr);
  out += ",\"num_segments\":" + std::to_string(message->segments) + "}";
}

std::string ResolveUrl(std::string_view base, std::string_view url) {
  if (url.empty()) return std::string(base);
  if (url.find("://") != std::string_view::npos) return std::string(url);
  base = base.substr(0, base.find('#'));
  const std::size_t authority = base.find("://");
  if (authority == std::string_view::npos) return std::string(url);
  const std::size_t path = std::min(base.find('/', authority + 3), base.size());
  if (url.front() == '/') return std::string(base.substr(0, path)) + std::string(url);
  const std::string_view without_query = base.substr(0, base.find('?'));
  const std::size_t last = without_query.rfind('/');
  if (last == std::string_view::npos || last < path) {
    return std::string(without_query) + "/" + std::string(url);
  }
  return std::string(without_query.substr(0, last + 1)) + std::string(url);
}

}  // namespace parley::simulator
