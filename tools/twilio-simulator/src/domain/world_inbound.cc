// What customers send, and what the TwiML of the answer makes of it.
#include <algorithm>

#include "domain/segments.h"
#include "domain/signature.h"
#include "domain/world.h"

namespace parley::simulator {
namespace {

ApiError Refuse(std::string reason, int status = 400) {
  return {20422, status, std::move(reason), {}};
}

void AppendPlaces(Params& params, std::string_view who, bool known) {
  const std::string prefix(who);
  params.emplace_back(prefix + "Country", known ? "US" : "");
  params.emplace_back(prefix + "State", known ? "NY" : "");
  params.emplace_back(prefix + "City", known ? "SIMVILLE" : "");
  params.emplace_back(prefix + "Zip", known ? "10001" : "");
}

}  // namespace

Result<Received> World::Receive(const Inbound& inbound, Micros now) {
  if (inbound.channel != Channel::kSms && inbound.channel != Channel::kWhatsApp) {
    return Refuse("this channel cannot receive");
  }
  Address from = ParseAddress(inbound.from);
  Address to = ParseAddress(inbound.to);
  if (from.kind != AddressKind::kPhone && from.kind != AddressKind::kShortCode) {
    return Refuse("\"from\" is not a phone number");
  }
  from.channel = to.channel = inbound.channel;
  const Number* number = FindNumber(to.number);
  const Account* account = nullptr;
  if (number != nullptr) {
    account = accounts_[number->account].get();
  } else if (inbound.channel == Channel::kWhatsApp && IsSandbox(to.number) && !accounts_.empty()) {
    account = accounts_.front().get();
  }
  if (account == nullptr) return Refuse("no account has the number \"to\"", 404);
  if (inbound.media_urls.size() > kMediaMax) return Refuse("more than 10 media_urls");
  WebhookUrl parsed;
  for (const std::string& url : inbound.media_urls) {
    if (!ParseWebhookUrl(url, false, parsed)) {
      return Refuse("a media URL is not an absolute http or https URL");
    }
  }
  if (!inbound.message_sid.empty() && !HasSidShape(inbound.message_sid, "SM") &&
      !HasSidShape(inbound.message_sid, "MM")) {
    return Refuse("\"message_sid\" is not SM or MM and 32 hexadecimal digits");
  }

  Received received;
  std::uint64_t index = kNoMessage;
  const bool again =
      !inbound.message_sid.empty() && FindMessage(*account, inbound.message_sid, &index) != nullptr;
  if (!again) {
    Message message;
    message.created_us = now;
    message.account = account->index;
    message.direction = Direction::kInbound;
    message.initial = Status::kReceived;
    message.body = inbound.body;
    message.mms = !inbound.media_urls.empty() && inbound.channel == Channel::kSms;
    message.segments = static_cast<std::uint8_t>(
        inbound.channel == Channel::kSms ? std::min(CountSegments(inbound.body).count, 255) : 1);
    message.to = messages_.addresses().Intern(to.Text());
    message.from = messages_.addresses().Intern(from.Text());
    if (!inbound.message_sid.empty()) {
      message.Extra().custom_sid = inbound.message_sid;
      message.mms = inbound.message_sid[0] == 'M';
    }
    index = messages_.Append(std::move(message));
    if (!inbound.message_sid.empty()) custom_sids_[inbound.message_sid] = index;
    if (!inbound.media_urls.empty()) {
      AttachMedia(*messages_.Find(index), index, inbound.media_urls, settings.fetch_media, now);
    }
    ++counters.received;
    Changed(index, now);
  }
  received.message = index;
  received.sid = MessageSid(index);

  const Service* service = number != nullptr && !number->service_sid.empty()
                               ? FindService(*account, number->service_sid)
                               : nullptr;
  if (inbound.channel == Channel::kWhatsApp) {
    windows_[to.number + "|" + from.number] = now;
    if (IsSandbox(to.number)) {
      const std::string_view body = Trim(inbound.body);
      const bool joins = EqualsIgnoreCase(body.substr(0, 5), "join ");
      if (joins) sandbox_members_.insert(from.number);
      if (EqualsIgnoreCase(body, "stop")) sandbox_members_.erase(from.number);
      if (joins || sandbox_members_.count(from.number) == 0) {
        received.silent_reason = "the sandbox keeps this to itself: it is no member's message";
        return received;
      }
    }
  } else if (number != nullptr && number->type != "short-code" && !again) {
    const bool toll_free = number->type == "toll-free";
    const Keyword keyword = MatchKeyword(inbound.body, toll_free);
    const std::string business = service != nullptr ? service->sid : number->number;
    const bool stopped = opt_outs.Contains(business, from.number);
    if (keyword == Keyword::kStop && opt_outs.Stop(business, from.number)) {
      CarrierReply(*number, from, KeywordReply(keyword, toll_free), now);
    } else if (keyword == Keyword::kStart) {
      opt_outs.Start(business, from.number);
      CarrierReply(*number, from, KeywordReply(keyword, toll_free), now);
    } else if (keyword == Keyword::kHelp && !stopped) {
      CarrierReply(*number, from, KeywordReply(keyword, toll_free), now);
    }
  }

  // Who is told: the service, unless it leaves that to the number.
  std::string url, method, fallback, fallback_method;
  const auto text_of = [&](const char* field) {
    const Json value = service->fields.value(field, Json());
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  if (service != nullptr && !service->fields.value("use_inbound_webhook_on_number", false)) {
    url = text_of("inbound_request_url");
    method = text_of("inbound_method");
    fallback = text_of("fallback_url");
    fallback_method = text_of("fallback_method");
  } else if (number != nullptr) {
    url = std::string(number->Setting("sms_url"));
    method = std::string(number->Setting("sms_method", "POST"));
    fallback = std::string(number->Setting("sms_fallback_url"));
    fallback_method = std::string(number->Setting("sms_fallback_method", "POST"));
  }
  if (url.empty()) {
    received.silent_reason = "the number has no SmsUrl";
    return received;
  }

  const Message& message = *messages_.Find(index);
  Webhook& webhook = Owe(WebhookKind::kInboundMessage, *account, url, method);
  received.webhook_id = webhook.id;
  webhook.fallback_url = fallback;
  webhook.fallback_method = fallback_method.empty() ? "POST" : fallback_method;
  webhook.message = index;
  Params& params = webhook.params;
  const std::size_t media_count = message.extra ? message.extra->media.size() : 0;
  const std::string& sid = received.sid;
  if (inbound.channel == Channel::kSms) {
    AppendPlaces(params, "To", true);
    params.emplace_back("SmsMessageSid", sid);
    params.emplace_back("NumMedia", std::to_string(media_count));
    params.emplace_back("SmsSid", sid);
    AppendPlaces(params, "From", true);
    params.emplace_back("SmsStatus", "received");
    params.emplace_back("Body", message.body);
    params.emplace_back("To", to.Text());
    if (service != nullptr) params.emplace_back("MessagingServiceSid", service->sid);
    params.emplace_back("NumSegments", std::to_string(message.segments));
  } else {
    params.emplace_back("SmsMessageSid", sid);
    params.emplace_back("NumMedia", std::to_string(media_count));
    params.emplace_back("ProfileName",
                        inbound.profile_name.empty() ? "Customer" : inbound.profile_name);
    params.emplace_back("MessageType", media_count > 0 ? "image" : "text");
    params.emplace_back("SmsSid", sid);
    params.emplace_back("WaId", from.number.substr(1));
    params.emplace_back("SmsStatus", "received");
    params.emplace_back("Body", message.body);
    params.emplace_back("To", to.Text());
    if (service != nullptr) params.emplace_back("MessagingServiceSid", service->sid);
    params.emplace_back("NumSegments", "1");
    params.emplace_back("ReferralNumMedia", "0");
  }
  params.emplace_back("MessageSid", sid);
  params.emplace_back("AccountSid", account->sid);
  for (std::size_t i = 0; i < media_count; ++i) {
    const Media* media = FindMedia(message.extra->media[i]);
    if (media == nullptr) continue;
    params.emplace_back("MediaContentType" + std::to_string(i), media->content_type);
    params.emplace_back("MediaUrl" + std::to_string(i),
                        options_.public_url + "/2010-04-01/Accounts/" + account->sid +
                            "/Messages/" + sid + "/Media/" + media->sid);
  }
  params.emplace_back("From", from.Text());
  params.emplace_back("ApiVersion", "2010-04-01");
  return received;
}

// Twilio's own answer to a keyword: the customer sees it; it is in no ledger, and it goes out
// although the customer has just stopped the business's own messages.
void World::CarrierReply(const Number& number, const Address& customer, std::string_view text,
                         Micros now) {
  Message message;
  message.created_us = now;
  message.account = number.account;
  message.direction = Direction::kOutboundReply;
  message.carrier_reply = true;
  message.body = std::string(text);
  message.segments = static_cast<std::uint8_t>(CountSegments(text).count);
  message.to = messages_.addresses().Intern(customer.Text());
  message.from = messages_.addresses().Intern(number.number);
  message.sent_ms = static_cast<std::uint32_t>(settings.sent_delay_ms);
  message.final_ms = message.sent_ms + static_cast<std::uint32_t>(settings.final_status_delay_ms);
  const std::uint64_t index = messages_.Append(std::move(message));
  ScheduleEvents(index, now);
  Changed(index, now);
}

void World::RunMessagingTwiml(const Webhook& webhook, const XmlElement& response, Micros now) {
  const Message* inbound = messages_.Find(webhook.message);
  if (inbound == nullptr) return;
  const Account& account = *accounts_[inbound->account];
  const std::string customer = messages_.Text(inbound->from);
  const std::string business = messages_.Text(inbound->to);
  int replies = 0;
  for (const XmlElement& verb : response.children) {
    if (verb.name == "Redirect") {
      if (webhook.redirects + 1 >= kTwimlDocumentsMax) {
        ++counters.webhooks_failed;  // 14106
        return;
      }
      Webhook& next = Owe(WebhookKind::kInboundMessage, account, ResolveUrl(webhook.url, verb.text),
                          std::string(verb.Attribute("method", "POST")));
      next.params = webhook.params;
      next.message = webhook.message;
      next.redirects = webhook.redirects + 1;
      return;
    }
    if ((verb.name != "Message" && verb.name != "Sms") || ++replies > kTwimlRepliesMax) {
      ++counters.webhooks_failed;  // 14110, 14109
      continue;
    }
    Draft draft;
    draft.to = ParseAddress(verb.Attribute("to", customer));
    draft.from = ParseAddress(verb.Attribute("from", business));
    const XmlElement* body = verb.Child("Body");
    draft.body = body != nullptr ? body->text : verb.text;
    for (const XmlElement& child : verb.children) {
      WebhookUrl parsed;
      if (child.name != "Media") continue;
      std::string url = ResolveUrl(webhook.url, child.text);
      if (draft.media_urls.size() < kMediaMax && ParseWebhookUrl(url, false, parsed)) {
        draft.media_urls.push_back(std::move(url));
      }
    }
    draft.status_callback = std::string(verb.Attribute("statusCallback"));
    if (draft.status_callback.empty())
      draft.status_callback = std::string(verb.Attribute("action"));
    if (!draft.status_callback.empty()) {
      draft.status_callback = ResolveUrl(webhook.url, draft.status_callback);
      if (CheckStatusCallback(draft.status_callback, settings)) draft.status_callback.clear();
    }
    const Number* number = FindNumber(draft.from.number);
    const bool owned =
        (number != nullptr && number->account == account.index) || IsSandbox(draft.from.number);
    const bool usable = draft.to.kind == AddressKind::kPhone && owned &&
                        draft.to.channel == draft.from.channel &&
                        (!draft.body.empty() || !draft.media_urls.empty()) &&
                        CountCodePoints(draft.body) <= kBodyCharsMax;
    if (!usable) {
      ++counters.webhooks_failed;  // 14101 to 14103, 14108
      continue;
    }
    Submit(account, std::move(draft), Direction::kOutboundReply, now);
  }
}

}  // namespace parley::simulator
