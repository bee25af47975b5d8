#include "domain/create_message.h"

#include <algorithm>

#include "domain/sid.h"
#include "domain/signature.h"

namespace parley::simulator {
namespace {

using MaybeError = std::optional<ApiError>;

// What the rules read, and what they find out on the way.
struct Check {
  const Directory* directory;
  const Account* account;
  const Settings* settings;
  const Params& params;
  Micros now;
  Draft draft;
  std::string from_text;
};

ApiError Refuse(int code, std::string message, int status = 400) {
  return {code, status, std::move(message), {}};
}

MaybeError ToIsPresent(Check& check) {
  if (!Get(check.params, "To").empty()) return std::nullopt;
  return Refuse(21604, "A 'To' phone number is required.");
}

MaybeError SenderIsPresent(Check& check) {
  check.from_text = std::string(Get(check.params, "From"));
  check.draft.service_sid = std::string(Get(check.params, "MessagingServiceSid"));
  // A service's SID is also accepted as From.
  if (check.draft.service_sid.empty() && HasSidShape(check.from_text, "MG")) {
    check.draft.service_sid = std::exchange(check.from_text, {});
  }
  if (!check.from_text.empty() || !check.draft.service_sid.empty()) return std::nullopt;
  return Refuse(21603, "A 'From' or 'MessagingServiceSid' parameter is required to send a message");
}

MaybeError SomethingToSend(Check& check) {
  const std::string* body = Find(check.params, "Body");
  check.draft.body = body == nullptr ? std::string() : *body;
  for (std::string& url : GetAll(check.params, "MediaUrl")) {
    if (!url.empty()) check.draft.media_urls.push_back(std::move(url));
  }
  check.draft.content_sid = std::string(Get(check.params, "ContentSid"));
  check.draft.content_variables = std::string(Get(check.params, "ContentVariables"));
  if (!check.draft.body.empty() || !check.draft.media_urls.empty() ||
      !check.draft.content_sid.empty()) {
    return std::nullopt;
  }
  if (body != nullptr) return Refuse(21602, "Message body is required.");
  return Refuse(21619, "A text message body or media urls must be specified.");
}

MaybeError BodyFits(Check& check) {
  if (check.draft.body.size() <= kBodyCharsMax ||
      CountCodePoints(check.draft.body) <= kBodyCharsMax) {
    return std::nullopt;
  }
  return Refuse(21617, "The concatenated message body exceeds the 1600 character limit.");
}

MaybeError MediaIsUsable(Check& check) {
  if (check.draft.media_urls.size() > kMediaMax) {
    return Refuse(21623, "Number of media files exceeds allowed limit");
  }
  WebhookUrl parsed;
  for (const std::string& url : check.draft.media_urls) {
    if (!ParseWebhookUrl(url, false, parsed)) return Refuse(21620, "Invalid media URL(s)");
  }
  return std::nullopt;
}

MaybeError ContentIsUsable(Check& check) {
  if (check.draft.content_sid.empty()) return std::nullopt;
  const Content* content = check.directory->FindContent(*check.account, check.draft.content_sid);
  if (content == nullptr) return Refuse(21655, "The ContentSid is Invalid");
  Json variables = Json::object();
  if (!check.draft.content_variables.empty()) {
    variables = Json::parse(check.draft.content_variables, nullptr, false);
    const bool usable =
        variables.is_object() && std::all_of(variables.begin(), variables.end(),
                                             [](const Json& value) { return value.is_string(); });
    if (!usable) return Refuse(21656, "The ContentVariables Parameter is invalid");
  }
  if (check.draft.body.empty()) {
    for (const auto& [type, value] : content->fields["types"].items()) {
      if (!value.is_object() || !value.contains("body") || !value["body"].is_string()) continue;
      check.draft.body = FillTemplate(value["body"].get_ref<const std::string&>(),
                                      content->fields["variables"], variables);
      break;
    }
  }
  return std::nullopt;
}

MaybeError ValidityIsInRange(Check& check) {
  const std::string* text = Find(check.params, "ValidityPeriod");
  std::int64_t seconds = 0;
  if (text == nullptr || text->empty()) return std::nullopt;
  if (ParseInt(*text, seconds) && seconds >= 1 && seconds <= 36000) return std::nullopt;
  return Refuse(21624, "ValidityPeriod " + *text + " is invalid");
}

MaybeError CallbackIsUsable(Check& check) {
  check.draft.status_callback = std::string(Get(check.params, "StatusCallback"));
  if (check.draft.status_callback.empty()) return std::nullopt;
  return CheckStatusCallback(check.draft.status_callback, *check.settings);
}

MaybeError ScheduleIsPossible(Check& check) {
  const std::string_view type = Get(check.params, "ScheduleType");
  if (type.empty()) return std::nullopt;  // SendAt alone is ignored.
  if (type != "fixed") return Refuse(35126, "ScheduleType is not supported");
  if (check.draft.service_sid.empty()) {
    return Refuse(35118, "MessagingServiceSid is required to schedule a message");
  }
  const std::string_view text = Get(check.params, "SendAt");
  if (text.empty()) return Refuse(35111, "SendAt is required to schedule a message");
  const auto parsed = ParseIso8601(text);
  if (!parsed || parsed->date_only) {
    return Refuse(35114, "SendAt must be written as [YYYY]-[MM]-[DD]T[HH]:[MM]:[SS]Z");
  }
  const Micros ahead = parsed->time - check.now;
  if (ahead < kScheduleAheadMin || ahead > kScheduleAheadMax) {
    return Refuse(35117, "SendAt must be at least 15 minutes and at most 35 days away");
  }
  check.draft.send_at = parsed->time;
  return std::nullopt;
}

MaybeError ToIsValid(Check& check) {
  const std::string_view text = Get(check.params, "To");
  check.draft.to = ParseAddress(text);
  const AddressKind kind = check.draft.to.kind;
  if (kind == AddressKind::kPhone || kind == AddressKind::kOther) return std::nullopt;
  return Refuse(21211, "The 'To' number " + std::string(text) + " is not a valid phone number.");
}

MaybeError FromIsValid(Check& check) {
  if (check.from_text.empty()) return std::nullopt;
  check.draft.from = ParseAddress(check.from_text);
  const AddressKind kind = check.draft.from.kind;
  const bool channel = check.draft.from.channel != Channel::kSms;
  const bool valid = channel ? kind == AddressKind::kPhone || kind == AddressKind::kOther
                             : kind != AddressKind::kInvalid;
  if (valid) return std::nullopt;
  return Refuse(21212, "The 'From' number " + check.from_text +
                           " is not a valid phone number, shortcode, or alphanumeric sender ID.");
}

MaybeError ChannelsMatch(Check& check) {
  if (check.from_text.empty() || check.draft.from.channel == check.draft.to.channel) {
    return std::nullopt;
  }
  return Refuse(21910, "Invalid From and To pair. From and To should be of the same channel");
}

MaybeError ServiceExists(Check& check) {
  if (check.draft.service_sid.empty()) return std::nullopt;
  const Service* service = check.directory->FindService(*check.account, check.draft.service_sid);
  if (service == nullptr) {
    return Refuse(21701, "The Messaging Service resource does not exist");
  }
  if (check.draft.status_callback.empty() &&
      service->fields.value("status_callback", Json()).is_string()) {
    check.draft.status_callback = service->fields["status_callback"].get<std::string>();
  }
  return std::nullopt;
}

MaybeError FromIsOwned(Check& check) {
  if (check.from_text.empty()) return std::nullopt;
  const Address& from = check.draft.from;
  const Number* number = check.directory->FindNumber(from.number);
  if (from.channel != Channel::kSms) {
    if (number != nullptr && number->account == check.account->index) {
      check.draft.sender = number;
      return std::nullopt;
    }
    if (from.channel == Channel::kWhatsApp && check.directory->IsSandbox(from.number)) {
      return std::nullopt;
    }
    return Refuse(63007, "Twilio could not find a Channel with the specified From address");
  }
  if (from.kind == AddressKind::kAlphanumeric) {
    // North American carriers take no sender names.
    if (check.draft.to.number.substr(0, 2) != "+1") return std::nullopt;
    return Refuse(21612, "Message cannot be sent with the current combination of 'To' (" +
                             check.draft.to.number + ") and/or 'From' (" + from.number +
                             ") parameters");
  }
  if (number != nullptr && number->account != check.account->index) {
    return Refuse(21660, "Mismatch between the 'From' number " + check.from_text +
                             " and the account " + check.account->sid);
  }
  if (number == nullptr || !number->sms) {
    return Refuse(21606, "The From phone number " + check.from_text +
                             " is not a valid, SMS-capable inbound phone number or short code for "
                             "your account.");
  }
  check.draft.sender = number;
  return std::nullopt;
}

MaybeError TrialRecipientIsVerified(Check& check) {
  if (check.account->type != "Trial") return std::nullopt;
  const auto& verified = check.account->verified_numbers;
  if (std::find(verified.begin(), verified.end(), check.draft.to.number) != verified.end()) {
    return std::nullopt;
  }
  return Refuse(21608, "The number " + check.draft.to.number +
                           " is unverified. Trial accounts cannot send messages to unverified "
                           "numbers; verify it, or upgrade the account.");
}

MaybeError RegionIsAllowed(Check& check) {
  for (const std::string& prefix : check.settings->geo_blocked_prefixes) {
    if (!prefix.empty() && check.draft.to.number.substr(0, prefix.size()) == prefix) {
      return Refuse(21408,
                    "Permission to send an SMS has not been enabled for the region indicated by "
                    "the 'To' number: " +
                        check.draft.to.number);
    }
  }
  return std::nullopt;
}

MaybeError RecipientIsSubscribed(Check& check) {
  // Through a service the same is found out later, and reported by callback.
  if (!check.draft.service_sid.empty() || check.draft.to.channel != Channel::kSms) {
    return std::nullopt;
  }
  if (!check.directory->IsOptedOut(check.draft.from.number, check.draft.to.number)) {
    return std::nullopt;
  }
  return Refuse(21610, "Attempt to send to unsubscribed recipient");
}

using Rule = MaybeError (*)(Check&);

constexpr Rule kRules[] = {
    ToIsPresent,       SenderIsPresent,       SomethingToSend,
    BodyFits,          MediaIsUsable,         ContentIsUsable,
    ValidityIsInRange, CallbackIsUsable,      ScheduleIsPossible,
    ToIsValid,         FromIsValid,           ChannelsMatch,
    ServiceExists,     FromIsOwned,           TrialRecipientIsVerified,
    RegionIsAllowed,   RecipientIsSubscribed,
};

bool IsPrivateHost(std::string_view host) {
  if (EqualsIgnoreCase(host, "localhost") || host.find('.') == std::string_view::npos) return true;
  for (const std::string_view prefix : {"127.", "10.", "192.168.", "169.254.", "0."}) {
    if (host.substr(0, prefix.size()) == prefix) return true;
  }
  if (host.substr(0, 4) == "172.") {
    std::int64_t second = 0;
    const auto parts = Split(host, '.');
    return parts.size() == 4 && ParseInt(parts[1], second) && second >= 16 && second <= 31;
  }
  return false;
}

}  // namespace

Result<Draft> CheckCreation(const Directory& directory, const Account& account,
                            const Settings& settings, const Params& params, Micros now) {
  Check check{&directory, &account, &settings, params, now, {}, {}};
  for (const Rule rule : kRules) {
    if (MaybeError error = rule(check)) return *std::move(error);
  }
  return std::move(check.draft);
}

Result<Draft> CheckTestCreation(const Params& params) {
  Check check{nullptr, nullptr, nullptr, params, 0, {}, {}};
  if (Get(params, "Body").empty() && Find(params, "MediaUrl") == nullptr &&
      !Get(params, "To").empty() && !Get(params, "From").empty()) {
    return Refuse(21602, "Message body is required.");
  }
  for (const Rule rule : {ToIsPresent, SenderIsPresent, SomethingToSend, BodyFits, MediaIsUsable}) {
    if (MaybeError error = rule(check)) return *std::move(error);
  }
  const std::string to(Get(params, "To"));
  const std::string& from = check.from_text;
  if (to == "+15005550001") {
    return Refuse(21211, "The 'To' number " + to + " is not a valid phone number.");
  }
  if (MaybeError error = ToIsValid(check)) return *std::move(error);
  if (from == "+15005550001") {
    return Refuse(21212, "The 'From' number " + from +
                             " is not a valid phone number, shortcode, or alphanumeric sender ID.");
  }
  if (from == "+15005550008") return Refuse(21611, "SMS queue is full.", 429);
  if (from != "+15005550006") {
    return Refuse(21606, "The From phone number " + from +
                             " is not a valid, SMS-capable inbound phone number or short code for "
                             "your account.");
  }
  if (to == "+15005550002") {
    return Refuse(21612, "The 'To' phone number: " + to +
                             ", is not currently reachable using the 'From' phone number: " + from +
                             " via SMS.");
  }
  if (to == "+15005550003") {
    return Refuse(21408,
                  "Permission to send an SMS has not been enabled for the region indicated by the "
                  "'To' number: " +
                      to);
  }
  if (to == "+15005550004") return Refuse(21610, "Attempt to send to unsubscribed recipient");
  if (to == "+15005550009") return Refuse(21614, "To number: " + to + ", is not a mobile number");
  check.draft.from = ParseAddress(from);
  return std::move(check.draft);
}

std::optional<ApiError> CheckStatusCallback(std::string_view url, const Settings& settings) {
  WebhookUrl parsed;
  if (url.size() <= kCallbackUrlCharsMax && ParseWebhookUrl(url, false, parsed) &&
      !(settings.require_public_callback_host && IsPrivateHost(parsed.host))) {
    return std::nullopt;
  }
  return Refuse(21609, "The 'StatusCallback' URL " + std::string(url) + " is not a valid URL.");
}

std::string FillTemplate(std::string_view text, const Json& defaults, const Json& variables) {
  std::string out;
  while (true) {
    const std::size_t open = text.find("{{");
    const std::size_t close = open == std::string_view::npos ? open : text.find("}}", open);
    if (close == std::string_view::npos) return out += text;
    const std::string name(Trim(text.substr(open + 2, close - open - 2)));
    out += text.substr(0, open);
    const auto take = [&](const Json& from) {
      if (!from.is_object() || !from.contains(name) || !from[name].is_string()) return false;
      out += from[name].get_ref<const std::string&>();
      return true;
    };
    if (!take(variables) && !take(defaults)) out += text.substr(open, close + 2 - open);
    text.remove_prefix(close + 2);
  }
}

}  // namespace parley::simulator
