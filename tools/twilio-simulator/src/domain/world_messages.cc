// Messages from creation to their final state.
#include <algorithm>
#include <array>
#include <cstdio>

#include "domain/segments.h"
#include "domain/world.h"

namespace parley::simulator {
namespace {

constexpr int kAcceptedToQueuedMs = 20;
constexpr int kDuplicateAfterMs = 20;
constexpr Micros kPriceUnitMicros = 7900;  // $0.0079 a segment.
constexpr std::string_view kTrialPrefix = "Sent from your Twilio trial account - ";

std::uint32_t Milliseconds(Micros span) {
  return static_cast<std::uint32_t>(std::clamp<Micros>(span / kMillisecond, 0, kNever - 1));
}

std::string_view MessagePrefix(const Message& message) { return message.mms ? "MM" : "SM"; }

void AppendQuoted(std::string& out, std::string_view plain) {
  out.push_back('"');
  out += plain;
  out.push_back('"');
}

// Dates of one second are formatted once.
const std::string& CachedRfc2822(Micros time) {
  thread_local Micros second = -1;
  thread_local std::string text;
  if (time / kSecond != second) {
    second = time / kSecond;
    text = FormatRfc2822(time);
  }
  return text;
}

std::string Price(int segments) {
  char text[32];
  std::snprintf(text, sizeof text, "-%.5f", static_cast<double>(kPriceUnitMicros * segments) / 1e6);
  return text;
}

std::string_view FailureText(int code) {
  switch (code) {
    case 21610:
      return "Attempt to send to unsubscribed recipient";
    case 21703:
      return "The Messaging Service does not have a phone number available to send a message";
    case 30003:
      return "Unreachable destination handset";
    case 30005:
      return "Unknown destination handset";
    case 30006:
      return "Landline or unreachable carrier";
    case 30007:
      return "Message filtered";
    case 63015:
      return "Channel Sandbox can only send messages to phone numbers that have joined the Sandbox";
    case 63016:
      return "Failed to send freeform message because you are outside the allowed window. If you "
             "are using WhatsApp, please use a Message Template.";
    case 63019:
      return "Media failed to download";
    case 11200:
      return "HTTP retrieval failure";
    default:
      return "Unknown error";
  }
}

}  // namespace

Result<std::string> World::CreateMessage(const Account& account, const Params& params,
                                         Micros arrived_us, Micros now) {
  if (account.test) {
    Result<Draft> checked = CheckTestCreation(params);
    if (const ApiError* error = ErrorOf(checked)) return *error;
    const Draft& draft = std::get<Draft>(checked);
    Message message;
    message.created_us = now;
    message.account = account.index;
    message.body = draft.body;
    message.mms = !draft.media_urls.empty();
    message.segments = static_cast<std::uint8_t>(CountSegments(draft.body).count);
    std::string out;
    RenderFields(out, message, NewSid(MessagePrefix(message)), draft.to.Text(), draft.from.Text(),
                 now, /*created=*/true);
    return out;
  }
  if (account.status != "active") {
    return ApiError{20005, 403, "Account is not active", {}};
  }
  Result<Draft> checked = CheckCreation(*this, account, settings, params, now);
  if (const ApiError* error = ErrorOf(checked)) return *error;
  const std::uint64_t number =
      Submit(account, std::get<Draft>(std::move(checked)), Direction::kOutboundApi, now);
  ledger_.push_back({++ledger_end_, number, arrived_us});
  ++counters.created;
  std::string out;
  out.reserve(1100);
  RenderMessage(out, number, now, /*created=*/true);
  return out;
}

std::uint64_t World::Submit(const Account& account, Draft draft, Direction direction, Micros now) {
  Message message;
  message.created_us = now;
  message.account = account.index;
  message.direction = direction;
  message.has_sender = draft.from.kind != AddressKind::kInvalid;
  message.body = std::move(draft.body);
  if (account.type == "Trial") message.body.insert(0, kTrialPrefix);
  message.segments = static_cast<std::uint8_t>(std::min(CountSegments(message.body).count, 255));
  message.mms = !draft.media_urls.empty() || !draft.content_sid.empty();
  message.to = messages_.addresses().Intern(draft.to.Text());
  // Until the service chooses, the service itself stands for the sender.
  message.from =
      messages_.addresses().Intern(message.has_sender ? draft.from.Text() : draft.service_sid);
  if (!draft.status_callback.empty()) message.Extra().status_callback = draft.status_callback;
  if (!draft.service_sid.empty()) message.Extra().service_sid = draft.service_sid;
  if (!draft.content_sid.empty()) {
    message.Extra().content_sid = draft.content_sid;
    message.Extra().content_variables = draft.content_variables;
  }
  if (draft.send_at != 0) {
    message.initial = Status::kScheduled;
    message.queued_ms = Milliseconds(draft.send_at - now);
  } else if (!message.has_sender) {
    message.initial = Status::kAccepted;
    message.queued_ms = kAcceptedToQueuedMs;
  }
  const std::vector<std::string> media = std::move(draft.media_urls);
  const std::uint64_t number = messages_.Append(std::move(message));
  Message& stored = *messages_.Find(number);
  const bool fetching = !media.empty() && settings.fetch_media;
  if (!media.empty()) AttachMedia(stored, number, media, fetching, now);
  if (stored.initial != Status::kQueued) {
    Push(stored.After(stored.queued_ms), EventKind::kDispatch, number, Status::kQueued, false);
  } else if (!fetching) {
    PlanDelivery(stored, 0);
    ScheduleEvents(number, now);
  }
  Changed(number, now);
  return number;
}

// Decides what becomes of a message that is queued `start_ms` after its creation.
void World::PlanDelivery(Message& message, std::uint32_t start_ms) {
  const Address to = ParseAddress(messages_.Text(message.to));
  const Address from = ParseAddress(messages_.Text(message.from));
  int error = message.error_code;
  if (error == 0 && to.channel == Channel::kSms) {
    const bool stopped =
        opt_outs.Contains(from.number, to.number) ||
        (message.extra && opt_outs.Contains(message.extra->service_sid, to.number));
    if (stopped) error = 21610;
  }
  if (error == 0 && IsSandbox(from.number) && sandbox_members_.count(to.number) == 0) {
    error = 63015;
  }
  if (error == 0 && to.channel == Channel::kWhatsApp &&
      (!message.extra || message.extra->content_sid.empty())) {
    const auto window = windows_.find(from.number + "|" + to.number);
    if (window == windows_.end() || message.After(start_ms) - window->second > kWhatsAppWindow) {
      error = 63016;
    }
  }
  const auto sent_ms = start_ms + static_cast<std::uint32_t>(settings.sent_delay_ms);
  if (error != 0) {
    message.sent_ms = kNever;
    message.final_ms = sent_ms;
    message.final_status = Status::kFailed;
    message.error_code = error;
    return;
  }
  message.sent_ms = sent_ms;
  message.final_ms = sent_ms + static_cast<std::uint32_t>(settings.final_status_delay_ms);
  message.final_status = Status::kDelivered;
  if (dice.Roll(faults.undelivered_rate)) {
    message.final_status = Status::kUndelivered;
    message.error_code = faults.undelivered_error_code;
  } else if (to.channel == Channel::kWhatsApp && dice.Roll(settings.whatsapp_read_rate)) {
    message.read_ms = message.final_ms + static_cast<std::uint32_t>(settings.read_delay_ms);
  }
}

// Timers for what a planned message still goes through: only where somebody is told.
void World::ScheduleEvents(std::uint64_t number, Micros now) {
  const Message& message = *messages_.Find(number);
  struct Step {
    Status status;
    std::uint32_t at_ms;
  };
  std::vector<Step> steps;
  if (message.initial != Status::kQueued) steps.push_back({Status::kQueued, message.queued_ms});
  if (message.sent_ms != kNever) {
    if (settings.sending_callback) steps.push_back({Status::kSending, message.sent_ms});
    steps.push_back({Status::kSent, message.sent_ms});
  }
  if (message.final_ms != kNever) steps.push_back({message.final_status, message.final_ms});
  if (message.read_ms != kNever) steps.push_back({Status::kRead, message.read_ms});
  if (on_change) {
    for (const Step& step : steps) {
      Push(std::max(now, message.After(step.at_ms)), EventKind::kStatus, number, step.status,
           /*call_back=*/false);
    }
  }
  if (!settings.callbacks || !message.extra || message.extra->status_callback.empty()) return;
  if (faults.callback_shuffle) {
    for (std::size_t i = steps.size(); i > 1; --i) {
      const auto other = static_cast<std::size_t>(dice.Below(static_cast<int>(i)));
      std::swap(steps[i - 1].status, steps[other].status);
    }
  }
  for (const Step& step : steps) {
    if (dice.Roll(faults.callback_drop_rate)) continue;
    const Micros due = message.After(step.at_ms) + faults.callback_delay_ms * kMillisecond;
    Push(due, EventKind::kStatus, number, step.status, true);
    if (dice.Roll(faults.callback_duplicate_rate)) {
      Push(due + kDuplicateAfterMs * kMillisecond, EventKind::kStatus, number, step.status, true);
    }
  }
}

// An accepted or scheduled message comes up: its service chooses a sender.
void World::Dispatch(std::uint64_t number, Micros now) {
  Message* message = messages_.Find(number);
  if (message == nullptr || message->deleted || IsTerminal(message->StatusAt(now))) return;
  if (!message->has_sender) {
    const Address to = ParseAddress(messages_.Text(message->to));
    const std::string service_sid = message->extra ? message->extra->service_sid : std::string();
    Service* service = nullptr;
    for (const auto& candidate : services) {
      if (candidate->sid == service_sid) service = candidate.get();
    }
    const Number* chosen = nullptr;
    if (service != nullptr && !service->number_sids.empty()) {
      // One sender for each customer, as StickySender does.
      const std::size_t sticky = std::hash<std::string>{}(to.number) % service->number_sids.size();
      for (const auto& candidate : numbers_) {
        if (candidate->sid == service->number_sids[sticky]) chosen = candidate.get();
      }
    }
    if (chosen == nullptr) {
      message->error_code = 21703;
    } else {
      Address from = to;
      from.number = chosen->number;
      messages_.SetSender(number, from.Text());
    }
  }
  const bool fetching = message->extra && message->extra->media_pending > 0;
  if (fetching) return;
  PlanDelivery(*message, message->queued_ms);
  ScheduleEvents(number, now);
}

void World::Changed(std::uint64_t number, Micros now) {
  if (!on_change || messages_.Find(number) == nullptr) return;
  on_change(HandsetMessage(number, now));
}

void World::CallBack(std::uint64_t number, Status status, Micros now) {
  const Message* message = messages_.Find(number);
  if (message == nullptr || message->deleted || !message->extra || !settings.callbacks) return;
  const MessageExtra& extra = *message->extra;
  const Account& account = *accounts_[message->account];
  const std::string sid = MessageSid(number);
  const std::string name(StatusName(status));
  const std::string& to = messages_.Text(message->to);
  const std::string& from = messages_.Text(message->from);
  const bool failed = status == Status::kFailed || status == Status::kUndelivered;

  Webhook& webhook = Owe(WebhookKind::kStatusCallback, account, extra.status_callback, "POST");
  webhook.message = number;
  Params& params = webhook.params;
  const Address address = ParseAddress(to);
  if (failed) params.emplace_back("ErrorCode", std::to_string(message->error_code));
  if (address.channel == Channel::kSms) {
    if (status == Status::kDelivered || status == Status::kUndelivered) {
      params.emplace_back("RawDlrDoneDate", FormatDlrDate(now));
    }
  } else {
    std::string event = name;
    std::transform(event.begin(), event.end(), event.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    params.emplace_back("EventType", event);
  }
  params.emplace_back("SmsSid", sid);
  params.emplace_back("SmsStatus", name);
  params.emplace_back("MessageStatus", name);
  if (address.channel != Channel::kSms) params.emplace_back("ChannelToAddress", address.number);
  params.emplace_back("To", to);
  if (address.channel != Channel::kSms) {
    params.emplace_back("ChannelPrefix", to.substr(0, to.find(':')));
    if (failed) {
      params.emplace_back("ChannelStatusMessage", std::string(FailureText(message->error_code)));
    }
  }
  if (!extra.service_sid.empty()) params.emplace_back("MessagingServiceSid", extra.service_sid);
  params.emplace_back("MessageSid", sid);
  params.emplace_back("AccountSid", account.sid);
  if (message->has_sender) params.emplace_back("From", from);
  params.emplace_back("ApiVersion", "2010-04-01");
  if (address.channel != Channel::kSms) {
    params.emplace_back("ChannelInstallSid", DerivedSid("XE", account.sid + from));
  }
}

Message* World::FindMessage(const Account& account, std::string_view sid, std::uint64_t* number) {
  std::uint64_t found = kNoMessage;
  if (const auto custom = custom_sids_.find(std::string(sid)); custom != custom_sids_.end()) {
    found = custom->second;
  } else if (const auto decoded = sids_.Decode(sid)) {
    found = *decoded;
  }
  Message* message = messages_.Find(found);
  if (message == nullptr || message->deleted || message->account != account.index ||
      MessageSid(found) != sid) {
    return nullptr;
  }
  if (number != nullptr) *number = found;
  return message;
}

std::string World::MessageSid(std::uint64_t number) const {
  const Message* message = messages_.Find(number);
  if (message == nullptr) return {};
  if (message->extra && !message->extra->custom_sid.empty()) return message->extra->custom_sid;
  return sids_.Encode(MessagePrefix(*message), number);
}

MessagePage World::ListMessages(const Account& account, const MessageFilter& filter,
                                const PageRequest& page, Micros now) const {
  MessagePage result;
  const AddressBook& book = messages_.addresses();
  std::uint32_t to = kNever, from = kNever;
  if (!filter.to.empty()) {
    to = book.Lookup(ParseAddress(filter.to).Text());
    if (to == kNever) return result;
  }
  if (!filter.from.empty()) {
    from = book.Lookup(ParseAddress(filter.from).Text());
    if (from == kNever) return result;
  }
  const auto visible = [&](const Message& message) {
    if (message.account != account.index || message.deleted) return false;
    if (to != kNever && message.to != to) return false;
    if (from != kNever && (message.from != from || !message.has_sender)) return false;
    if (message.direction != Direction::kInbound &&
        now - message.created_us < faults.list_lag_ms * kMillisecond) {
      return false;
    }
    const Micros sent = message.SentAt(now);
    const Micros date = sent == 0 ? message.created_us : sent;
    return date >= filter.sent_from && date <= filter.sent_to;
  };
  // The chain by To or From, whichever is asked for, else all.
  const auto older = [&](std::uint64_t number) {
    const Message* message = messages_.Find(number);
    if (message == nullptr) return kNoMessage;
    if (to != kNever) return message->previous_to;
    if (from != kNever) return message->previous_from;
    return number == messages_.first() ? kNoMessage : number - 1;
  };
  std::uint64_t number = kNoMessage;
  if (to != kNever) {
    number = book.At(to).last_to;
  } else if (from != kNever) {
    number = book.At(from).last_from;
  } else if (messages_.end() > messages_.first()) {
    number = messages_.end() - 1;
  }

  std::uint64_t after = kNoMessage;   // PA…: those older than it.
  std::uint64_t before = kNoMessage;  // PB…: the nearest that are newer than it.
  if (page.page_token.size() == 36) {
    const std::string sid = page.page_token.substr(2);
    std::uint64_t anchor = kNoMessage;
    if (const auto custom = custom_sids_.find(sid); custom != custom_sids_.end()) {
      anchor = custom->second;
    } else if (const auto decoded = sids_.Decode(sid)) {
      anchor = *decoded;
    }
    (page.page_token.substr(0, 2) == "PB" ? before : after) = anchor;
  }
  std::size_t skip = after == kNoMessage && before == kNoMessage ? page.page * page.page_size : 0;
  if (after != kNoMessage || skip > 0) result.more_before = true;

  for (; number != kNoMessage; number = older(number)) {
    const Message* message = messages_.Find(number);
    if (message == nullptr) break;
    if (before != kNoMessage && number <= before) {
      result.more_after = true;
      break;
    }
    if (after != kNoMessage && number >= after) continue;
    if (!visible(*message)) continue;
    if (skip > 0) {
      --skip;
      continue;
    }
    if (result.messages.size() == page.page_size) {
      if (before == kNoMessage) {
        result.more_after = true;
        break;
      }
      result.messages.erase(result.messages.begin());
      result.more_before = true;
    }
    result.messages.push_back(number);
  }
  return result;
}

std::optional<ApiError> World::UpdateMessage(const Account& account, std::string_view sid,
                                             const Params& params, Micros now) {
  std::uint64_t number = 0;
  Message* message = FindMessage(account, sid, &number);
  if (message == nullptr) return NotFound("");
  const std::string* body = Find(params, "Body");
  if (body != nullptr && !body->empty()) {
    return ApiError{20422, 400, "Body can only be set to an empty text", {}};
  }
  if (const std::string* status = Find(params, "Status"); status != nullptr && !status->empty()) {
    if (*status != "canceled") {
      return ApiError{20422, 400, "Status can only be set to 'canceled'", {}};
    }
    if (message->StatusAt(now) != Status::kScheduled) {
      return ApiError{30409, 400, "Message cannot be canceled", {}};
    }
    message->final_status = Status::kCanceled;
    message->final_ms = message->Age(now);
    message->queued_ms = kNever;
    if (settings.callbacks && message->extra && !message->extra->status_callback.empty()) {
      Push(now + faults.callback_delay_ms * kMillisecond, EventKind::kStatus, number,
           Status::kCanceled, true);
    }
  }
  if (body != nullptr) message->redacted = true;
  Changed(number, now);
  return std::nullopt;
}

std::optional<ApiError> World::DeleteMessage(const Account& account, std::string_view sid,
                                             Micros now) {
  Message* message = FindMessage(account, sid, nullptr);
  if (message == nullptr) return NotFound("");
  if (!IsTerminal(message->StatusAt(now))) {
    return ApiError{
        20009, 409, "Cannot delete message because delivery has not been completed.", {}};
  }
  message->deleted = true;
  if (message->extra) {
    for (const std::string& media_sid : message->extra->media) DeleteMedia(media_sid);
  }
  return std::nullopt;
}

bool World::MarkRead(std::string_view sid, Micros now) {
  std::uint64_t number = 0;
  for (const auto& account : accounts_) {
    Message* message = FindMessage(*account, sid, &number);
    if (message == nullptr) continue;
    const Channel channel = ParseAddress(messages_.Text(message->to)).channel;
    if (message->StatusAt(now) != Status::kDelivered || channel == Channel::kSms) return false;
    message->read_ms = message->Age(now);
    if (message->extra && !message->extra->status_callback.empty()) {
      Push(now, EventKind::kStatus, number, Status::kRead, true);
    }
    Changed(number, now);
    return true;
  }
  return false;
}

void World::RenderMessage(std::string& out, std::uint64_t number, Micros now, bool created) const {
  const Message& message = *messages_.Find(number);
  RenderFields(out, message, MessageSid(number), messages_.Text(message.to),
               messages_.Text(message.from), now, created);
}

void World::RenderFields(std::string& out, const Message& message, std::string_view sid,
                         std::string_view to, std::string_view from, Micros now,
                         bool created) const {
  const Account& account = *accounts_[message.account];
  const Status status = created ? message.initial : message.StatusAt(now);
  const bool chosen =
      message.has_sender && status != Status::kScheduled && status != Status::kAccepted;
  const bool failed = status == Status::kFailed || status == Status::kUndelivered;
  const Micros sent = created ? 0 : message.SentAt(now);
  const std::size_t media = message.extra ? message.extra->media.size() : 0;
  std::string uri = "/2010-04-01/Accounts/" + account.sid + "/Messages/";
  uri += sid;

  out += "{\"body\":";
  AppendJson(out, message.redacted ? std::string_view() : std::string_view(message.body));
  out += ",\"num_segments\":";
  AppendQuoted(out, chosen ? std::to_string(message.segments) : "0");
  out += ",\"direction\":";
  AppendQuoted(out, DirectionName(message.direction));
  out += ",\"from\":";
  if (message.has_sender && status != Status::kScheduled) {
    AppendJson(out, from);
  } else {
    out += "null";
  }
  out += ",\"date_updated\":";
  AppendQuoted(out, CachedRfc2822(created ? now : message.StatusSince(now)));
  out += ",\"price\":";
  if (sent != 0 && now - sent >= settings.price_delay_ms * kMillisecond) {
    AppendQuoted(out, Price(message.segments));
  } else {
    out += "null";
  }
  out += ",\"error_message\":";
  if (failed) {
    AppendJson(out, FailureText(message.error_code));
  } else {
    out += "null";
  }
  out += ",\"uri\":";
  AppendQuoted(out, uri + ".json");
  out += ",\"account_sid\":";
  AppendQuoted(out, account.sid);
  out += ",\"num_media\":";
  AppendQuoted(out, std::to_string(media));
  out += ",\"to\":";
  AppendJson(out, to);
  out += ",\"date_created\":";
  AppendQuoted(out, CachedRfc2822(message.created_us));
  out += ",\"status\":";
  AppendQuoted(out, StatusName(status));
  out += ",\"sid\":";
  AppendQuoted(out, sid);
  out += ",\"date_sent\":";
  if (sent != 0) {
    AppendQuoted(out, CachedRfc2822(sent));
  } else {
    out += "null";
  }
  out += ",\"messaging_service_sid\":";
  if (message.extra && !message.extra->service_sid.empty()) {
    AppendQuoted(out, message.extra->service_sid);
  } else {
    out += "null";
  }
  out += ",\"error_code\":";
  out += failed ? std::to_string(message.error_code) : "null";
  out += ",\"price_unit\":\"USD\",\"api_version\":\"2010-04-01\",\"subresource_uris\":{\"media\":";
  AppendQuoted(out, uri + "/Media.json");
  if (!created) {
    out += ",\"feedback\":";
    AppendQuoted(out, uri + "/Feedback.json");
  }
  out += "}}";
}

Json World::HandsetMessage(std::uint64_t number, Micros now) const {
  const Message& message = *messages_.Find(number);
  const Status status = message.StatusAt(now);
  const std::string& to = messages_.Text(message.to);
  const std::string& from = messages_.Text(message.from);
  Json media = Json::array();
  if (message.extra) {
    for (const std::string& sid : message.extra->media) {
      const auto found = media_.find(sid);
      if (found == media_.end()) continue;
      media.push_back(
          {{"url", "/simulator/v1/media/" + sid}, {"content_type", found->second.content_type}});
    }
  }
  const Address to_address = ParseAddress(to);
  const Address from_address = ParseAddress(from);
  const bool inbound = message.direction == Direction::kInbound;
  const bool failed = status == Status::kFailed || status == Status::kUndelivered;
  return {{"type", "message"},
          {"sid", MessageSid(number)},
          {"channel", to_address.channel == Channel::kWhatsApp ? "whatsapp" : "sms"},
          {"direction", inbound ? "inbound" : "outbound"},
          {"customer", inbound ? from_address.number : to_address.number},
          {"business", inbound ? to_address.number : from_address.number},
          {"body", message.redacted ? std::string() : message.body},
          {"media", media},
          {"status", StatusName(status)},
          {"error_code", failed ? Json(message.error_code) : Json()},
          {"carrier_reply", message.carrier_reply},
          {"at_us", message.created_us}};
}

Json World::Thread(std::string_view customer, std::string_view business, std::size_t limit,
                   Micros now) const {
  std::vector<std::uint64_t> found;
  const AddressBook& book = messages_.addresses();
  for (const std::string& text : {std::string(customer), "whatsapp:" + std::string(customer)}) {
    const std::uint32_t id = book.Lookup(text);
    if (id == kNever) continue;
    for (const bool by_to : {true, false}) {
      std::size_t taken = 0;
      std::uint64_t number = by_to ? book.At(id).last_to : book.At(id).last_from;
      while (number != kNoMessage && taken < limit) {
        const Message* message = messages_.Find(number);
        if (message == nullptr) break;
        const std::string& other = messages_.Text(by_to ? message->from : message->to);
        if (business.empty() || ParseAddress(other).number == business) {
          found.push_back(number);
          ++taken;
        }
        number = by_to ? message->previous_to : message->previous_from;
      }
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (found.size() > limit) {
    found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(limit));
  }
  std::vector<std::pair<Micros, Json>> items;
  for (const std::uint64_t number : found) {
    items.emplace_back(messages_.Find(number)->created_us, HandsetMessage(number, now));
  }
  for (const Call& call : calls_) {
    const bool mine = call.from == customer || call.to == customer;
    const bool theirs = business.empty() || call.from == business || call.to == business;
    if (mine && theirs) items.emplace_back(call.created_us, HandsetCall(call));
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Json thread = Json::array();
  for (auto& item : items) thread.push_back(std::move(item.second));
  return thread;
}

}  // namespace parley::simulator
