// Numbers that an account has, and numbers that it could buy.
#include <algorithm>
#include <set>

#include "domain/signature.h"
#include "http/api.h"

namespace parley::simulator {
namespace {

// Parameters that are stored as they come, with the resource's field and its default.
struct Setting {
  const char* param;
  const char* field;
  const char* fallback;  // nullptr: null in the resource.
  bool url;
};
constexpr Setting kSettings[] = {
    {"SmsUrl", "sms_url", "", true},
    {"SmsMethod", "sms_method", "POST", false},
    {"SmsFallbackUrl", "sms_fallback_url", "", true},
    {"SmsFallbackMethod", "sms_fallback_method", "POST", false},
    {"SmsApplicationSid", "sms_application_sid", "", false},
    {"VoiceUrl", "voice_url", "", true},
    {"VoiceMethod", "voice_method", "POST", false},
    {"VoiceFallbackUrl", "voice_fallback_url", "", true},
    {"VoiceFallbackMethod", "voice_fallback_method", "POST", false},
    {"VoiceApplicationSid", "voice_application_sid", "", false},
    {"StatusCallback", "status_callback", "", true},
    {"StatusCallbackMethod", "status_callback_method", "POST", false},
    {"VoiceReceiveMode", "voice_receive_mode", "voice", false},
    {"TrunkSid", "trunk_sid", nullptr, false},
    {"AddressSid", "address_sid", nullptr, false},
    {"IdentitySid", "identity_sid", nullptr, false},
    {"BundleSid", "bundle_sid", nullptr, false},
    {"EmergencyStatus", "emergency_status", "Inactive", false},
    {"EmergencyAddressSid", "emergency_address_sid", nullptr, false},
    {"VoiceCallerIdLookup", "voice_caller_id_lookup", "false", false},
};

constexpr std::size_t kFriendlyNameCharsMax = 64;

Json RenderNumber(const Account& account, const Number& number) {
  const auto field = [&number](const char* name) -> Json {
    for (const Setting& setting : kSettings) {
      if (std::string_view(setting.field) != name) continue;
      const std::string_view value =
          number.Setting(name, setting.fallback == nullptr ? "" : setting.fallback);
      if (value.empty() && setting.fallback == nullptr) return Json();
      return Json(std::string(value));
    }
    return Json();
  };
  return {{"sid", number.sid},
          {"account_sid", account.sid},
          {"friendly_name", number.friendly_name},
          {"phone_number", number.number},
          {"voice_url", field("voice_url")},
          {"voice_method", field("voice_method")},
          {"voice_fallback_url", field("voice_fallback_url")},
          {"voice_fallback_method", field("voice_fallback_method")},
          {"voice_caller_id_lookup", number.Setting("voice_caller_id_lookup") == "true"},
          {"voice_application_sid", field("voice_application_sid")},
          {"voice_receive_mode", field("voice_receive_mode")},
          {"date_created", FormatRfc2822(number.created_us)},
          {"date_updated", FormatRfc2822(number.updated_us)},
          {"sms_url", field("sms_url")},
          {"sms_method", field("sms_method")},
          {"sms_fallback_url", field("sms_fallback_url")},
          {"sms_fallback_method", field("sms_fallback_method")},
          {"sms_application_sid", field("sms_application_sid")},
          {"capabilities",
           {{"voice", number.voice}, {"sms", number.sms}, {"mms", number.mms}, {"fax", false}}},
          {"beta", false},
          {"address_requirements", "none"},
          {"status_callback", field("status_callback")},
          {"status_callback_method", field("status_callback_method")},
          {"api_version", "2010-04-01"},
          {"trunk_sid", field("trunk_sid")},
          {"emergency_status", field("emergency_status")},
          {"emergency_address_sid", field("emergency_address_sid")},
          {"emergency_address_status", "unregistered"},
          {"address_sid", field("address_sid")},
          {"identity_sid", field("identity_sid")},
          {"bundle_sid", field("bundle_sid")},
          {"origin", "twilio"},
          {"status", "in-use"},
          {"type", number.type == "toll-free" ? "tollfree" : number.type},
          {"uri", "/2010-04-01/Accounts/" + account.sid + "/IncomingPhoneNumbers/" + number.sid +
                      ".json"}};
}

// Applies the form's settings; an error leaves the number as it was.
std::optional<ApiError> ApplySettings(Number& number, const Params& form, Micros now) {
  std::map<std::string, std::string> settings = number.settings;
  WebhookUrl parsed;
  for (const Setting& setting : kSettings) {
    const std::string* value = Find(form, setting.param);
    if (value == nullptr) continue;
    if (setting.url && !value->empty() && !ParseWebhookUrl(*value, false, parsed)) {
      const bool voice = std::string_view(setting.param).substr(0, 5) == "Voice";
      return ApiError{
          voice ? 21405 : 21402, 400, std::string(setting.param) + " is not valid: " + *value, {}};
    }
    const bool method = std::string_view(setting.param).ends_with("Method");
    if (method && *value != "GET" && *value != "POST" && !value->empty()) {
      return ApiError{21403, 400, std::string(setting.param) + " is not valid: " + *value, {}};
    }
    settings[setting.field] = *value;
  }
  if (const std::string* name = Find(form, "FriendlyName")) {
    if (CountCodePoints(*name) > kFriendlyNameCharsMax) {
      return ApiError{21478, 400, "FriendlyName is longer than 64 characters", {}};
    }
    number.friendly_name = *name;
  }
  number.settings = std::move(settings);
  number.updated_us = now;
  return std::nullopt;
}

ApiError Unavailable(const std::string& number) {
  return {21422, 400, number + " is not available", {}};
}

// The numbers on sale: +1 500 555 2000 … are local ones, +1 555 8xx are toll-free; none exists.
struct Offer {
  std::string number;
  std::string type;
  const char* locality;
  const char* region;
};

std::vector<Offer> Offers(std::string_view country, std::string_view kind,
                          std::string_view area_code) {
  constexpr std::size_t kOffers = 500;
  std::vector<Offer> offers;
  struct Place {
    const char* locality;
    const char* region;
  };
  constexpr Place kPlaces[] = {
      {"Simville", "CA"}, {"Mockton", "NY"}, {"Fakeport", "WA"}, {"Testburg", "TX"}};
  for (std::size_t i = 0; i < kOffers; ++i) {
    const std::string tail = std::to_string(2000 + i);
    const Place place = kPlaces[i % std::size(kPlaces)];
    if (country == "US" || country == "CA") {
      if (kind == "TollFree") {
        // "+1 555 …": no toll-free code exists there.
        offers.push_back({"+155580" + std::to_string(10000 + i), "toll-free", nullptr, nullptr});
      } else if (kind == "Local") {
        // Area codes of their own are answered with numbers that carry them behind +1555.
        const std::string number = area_code.empty() || area_code == "500"
                                       ? "+1500555" + tail
                                       : "+1555" + std::string(area_code) + tail;
        offers.push_back({number, "local", place.locality, country == "CA" ? "ON" : place.region});
      }
    } else if (kind == "Mobile" || kind == "Local") {
      // No country of the world has +999.
      offers.push_back({"+999" + std::string(kind == "Mobile" ? "7" : "2") + "00" + tail,
                        kind == "Mobile" ? "mobile" : "local", "Simville", nullptr});
    }
  }
  return offers;
}

bool IsOnSale(const std::string& number) {
  return number.substr(0, 8) == "+1500555" || number.substr(0, 5) == "+1555" ||
         number.substr(0, 4) == "+999";
}

std::string TypeOf(const std::string& number) {
  if (number.substr(0, 7) == "+155580") return "toll-free";
  if (number.substr(0, 5) == "+9997") return "mobile";
  return "local";
}

HttpResponse Purchase(ApiCall& call) {
  std::string text(Get(call.form, "PhoneNumber"));
  const std::string area_code(Get(call.form, "AreaCode"));
  if (text.empty() && area_code.empty()) {
    return ErrorAnswer({21450, 400, "PhoneNumber or AreaCode is required", {}});
  }
  if (call.caller.test) {
    if (text.empty() && area_code != "500") {
      return ErrorAnswer({21452, 400, "No phone numbers found in area code " + area_code, {}});
    }
    if (text == "+15005550000") return ErrorAnswer(Unavailable(text));
    if (!text.empty() && text != "+15005550006") {
      return ErrorAnswer({21421, 400, text + " is not a valid number", {}});
    }
    Number bought;
    bought.number = text.empty() ? "+15005550006" : text;
    bought.sid = call.world.NewSid("PN");
    bought.friendly_name = FriendlyNumber(bought.number);
    bought.created_us = bought.updated_us = call.now;
    if (auto error = ApplySettings(bought, call.form, call.now)) return ErrorAnswer(*error);
    return JsonAnswer(201, RenderNumber(call.account, bought));
  }
  if (!text.empty()) {
    const Address address = ParseAddress(text);
    if (address.kind != AddressKind::kPhone || address.channel != Channel::kSms) {
      return ErrorAnswer({21421, 400, text + " is not a valid number", {}});
    }
    text = address.number;
    if (call.world.FindNumber(text) != nullptr || !IsOnSale(text)) {
      return ErrorAnswer(Unavailable(text));
    }
  } else {
    if (area_code.size() != 3 || !AllDigits(area_code)) {
      return ErrorAnswer({21451, 400, "Area code " + area_code + " is not valid", {}});
    }
    for (const Offer& offer : Offers("US", "Local", area_code)) {
      if (IsE164(offer.number) && call.world.FindNumber(offer.number) == nullptr) {
        text = offer.number;
        break;
      }
    }
    if (text.empty() || area_code == "533") {
      return ErrorAnswer({21452, 400, "No phone numbers found in area code " + area_code, {}});
    }
  }
  if (call.world.numbers().size() >= kResourcesMax) return ErrorAnswer(Unavailable(text));
  Number trial;
  if (auto error = ApplySettings(trial, call.form, call.now)) return ErrorAnswer(*error);
  Number& number = call.world.AddNumber(call.account, text, TypeOf(text), call.now);
  ApplySettings(number, call.form, call.now);
  return JsonAnswer(201, RenderNumber(call.account, number));
}

// "Contains" and "PhoneNumber": "*" is one character, "%" any; a plain text matches anywhere.
bool MatchesPattern(std::string_view number, std::string_view pattern) {
  std::string folded;
  for (const char c : pattern) {
    // Letters as on a telephone's keys.
    constexpr std::string_view kKeys = "22233344455566677778889999";
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    folded.push_back(lower >= 'a' && lower <= 'z' ? kKeys[static_cast<std::size_t>(lower - 'a')]
                                                  : c);
  }
  const auto here = [&folded](std::string_view text) {
    // A greedy match with one point to fall back to: the last "%".
    std::size_t p = 0, t = 0, star = std::string::npos, mark = 0;
    while (p < folded.size()) {
      if (t < text.size() && (folded[p] == '*' || folded[p] == text[t])) {
        ++p, ++t;
      } else if (folded[p] == '%') {
        star = p++, mark = t;
      } else if (star != std::string::npos && mark < text.size()) {
        p = star + 1, t = ++mark;
      } else {
        return false;
      }
    }
    return true;
  };
  for (std::size_t start = 0; start <= number.size(); ++start) {
    if (here(number.substr(start))) return true;
  }
  return false;
}

}  // namespace

std::optional<HttpResponse> NumbersRoute(ApiCall& call, std::string_view method) {
  World& world = call.world;
  const std::string_view kind = call.Segment(1);
  const bool of_kind = kind == "Local" || kind == "Mobile" || kind == "TollFree";
  if (call.segments.size() == 1 || (call.segments.size() == 2 && of_kind)) {
    if (method == "POST") return Purchase(call);
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    const std::string pattern(Get(call.query, "PhoneNumber"));
    const std::string name(Get(call.query, "FriendlyName"));
    std::string digits = pattern;
    std::erase_if(digits, [](char c) { return c == '+' || c == ' ' || c == '-'; });
    std::vector<std::pair<std::string, Json>> items;
    const auto& all = world.numbers();
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
      const Number& number = **it;
      if (number.account != call.account.index || number.type == "short-code") continue;
      if (kind == "Local" && number.type != "local") continue;
      if (kind == "Mobile" && number.type != "mobile") continue;
      if (kind == "TollFree" && number.type != "toll-free") continue;
      if (!pattern.empty() && !MatchesPattern(number.number, digits)) continue;
      if (!name.empty() && number.friendly_name != name) continue;
      if (Get(call.query, "Beta") == "true" || Get(call.query, "Origin") == "hosted") continue;
      items.emplace_back(number.sid, RenderNumber(call.account, number));
    }
    return List2010(call, "incoming_phone_numbers", items);
  }
  Number* number = world.FindNumberBySid(call.account, call.Segment(1));
  if (number == nullptr || call.segments.size() != 2 || number->type == "short-code") {
    return std::nullopt;
  }
  if (method == "DELETE") {
    world.RemoveNumber(*number);
    return NoContent();
  }
  if (method == "POST") {
    if (const std::string_view target = Get(call.form, "AccountSid"); !target.empty()) {
      const Account* other = world.FindAccount(target);
      const bool related = other != nullptr &&
                           (other->sid == call.caller.sid || other->owner_sid == call.caller.sid);
      if (!related) {
        return ErrorAnswer({21404, 400, "The number cannot be moved to that account", {}});
      }
      number->account = other->index;
    }
    if (auto error = ApplySettings(*number, call.form, call.now)) return ErrorAnswer(*error);
  } else if (method != "GET") {
    return ErrorAnswer(MethodNotAllowed());
  }
  return JsonAnswer(200, RenderNumber(world.AccountAt(number->account), *number));
}

std::optional<HttpResponse> AvailableNumbersRoute(ApiCall& call, std::string_view method) {
  if (method != "GET") return ErrorAnswer(MethodNotAllowed());
  struct Country {
    const char* code;
    const char* name;
    bool toll_free, mobile;
  };
  constexpr Country kCountries[] = {{"US", "United States", true, false},
                                    {"CA", "Canada", true, false},
                                    {"GB", "United Kingdom", false, true},
                                    {"DE", "Germany", false, true},
                                    {"AU", "Australia", false, true}};
  const std::string base = "/2010-04-01/Accounts/" + call.account.sid + "/AvailablePhoneNumbers";
  const auto render = [&base](const Country& country) {
    const std::string own = base + "/" + country.code;
    Json subresources = {{"local", own + "/Local.json"}};
    if (country.toll_free) subresources["toll_free"] = own + "/TollFree.json";
    if (country.mobile) subresources["mobile"] = own + "/Mobile.json";
    return Json{{"country_code", country.code},
                {"country", country.name},
                {"uri", own + ".json"},
                {"beta", false},
                {"subresource_uris", subresources}};
  };
  if (call.segments.size() == 1) {
    Json countries = Json::array();
    for (const Country& country : kCountries) countries.push_back(render(country));
    return JsonAnswer(200, Json{{"uri", base + ".json"}, {"countries", countries}});
  }
  const auto* country = std::find_if(std::begin(kCountries), std::end(kCountries),
                                     [&](const Country& c) { return call.Segment(1) == c.code; });
  if (country == std::end(kCountries)) return std::nullopt;
  if (call.segments.size() == 2) return JsonAnswer(200, render(*country));
  static const std::set<std::string_view> kKinds = {
      "Local", "TollFree", "Mobile", "National", "Voip", "SharedCost", "MachineToMachine"};
  const std::string_view kind = call.Segment(2);
  if (call.segments.size() != 3 || kKinds.count(kind) == 0) return std::nullopt;

  const std::string area_code(Get(call.query, "AreaCode"));
  if (!area_code.empty() && (area_code.size() != 3 || !AllDigits(area_code))) {
    return ErrorAnswer({21451, 400, "Area code " + area_code + " is not valid", {}});
  }
  const std::string contains(Get(call.query, "Contains"));
  if (!contains.empty() && (contains.size() < 2 || contains.size() > 16)) {
    return ErrorAnswer({20001, 400, "Contains must have 2 to 16 characters", {}});
  }
  std::int64_t page_size = 30;
  if (const std::string* text = Find(call.query, "PageSize")) {
    if (!ParseInt(*text, page_size) || page_size < 1) {
      return ErrorAnswer({20422, 400, "PageSize must be a number of at least 1", {}});
    }
    page_size = std::min<std::int64_t>(page_size, kPageSizeMax);
  }
  std::string pattern = contains;
  std::erase_if(pattern, [](char c) { return c == '+' || c == ' ' || c == '-'; });
  const std::string_view region = Get(call.query, "InRegion");
  const std::string_view locality = Get(call.query, "InLocality");
  const bool mms = country->toll_free;
  Json list = Json::array();
  const bool none = area_code == "533" || Get(call.query, "FaxEnabled") == "true" ||
                    (!mms && Get(call.query, "MmsEnabled") == "true");
  for (const Offer& offer : none ? std::vector<Offer>() : Offers(country->code, kind, area_code)) {
    if (static_cast<std::int64_t>(list.size()) >= page_size) break;
    if (!IsE164(offer.number) || call.world.FindNumber(offer.number) != nullptr) continue;
    if (!pattern.empty() && !MatchesPattern(offer.number, pattern)) continue;
    if (!region.empty() && (offer.region == nullptr || region != offer.region)) continue;
    if (!locality.empty() && (offer.locality == nullptr || locality != offer.locality)) continue;
    const auto nullable = [](const char* text) { return text == nullptr ? Json() : Json(text); };
    list.push_back({{"friendly_name", FriendlyNumber(offer.number)},
                    {"phone_number", offer.number},
                    {"lata", offer.region == nullptr ? Json() : Json("132")},
                    {"locality", nullable(offer.locality)},
                    {"rate_center", offer.locality == nullptr ? Json() : Json("SIMVILLE")},
                    {"latitude", offer.locality == nullptr ? Json() : Json("40.000000")},
                    {"longitude", offer.locality == nullptr ? Json() : Json("-74.000000")},
                    {"region", nullable(offer.region)},
                    {"postal_code", offer.region == nullptr ? Json() : Json("10001")},
                    {"iso_country", country->code},
                    {"address_requirements", "none"},
                    {"beta", false},
                    {"capabilities", {{"voice", true}, {"SMS", true}, {"MMS", mms}}}});
  }
  std::string uri = call.path;
  if (!call.query.empty()) uri += "?" + EncodeForm(call.query);
  return JsonAnswer(200, Json{{"uri", uri}, {"available_phone_numbers", list}});
}

namespace {

Json RenderAccount(const Account& account) {
  const std::string base = "/2010-04-01/Accounts/" + account.sid;
  struct Sub {
    const char* name;
    const char* path;
  };
  constexpr Sub kSubs[] = {{"available_phone_numbers", "AvailablePhoneNumbers"},
                           {"calls", "Calls"},
                           {"conferences", "Conferences"},
                           {"incoming_phone_numbers", "IncomingPhoneNumbers"},
                           {"notifications", "Notifications"},
                           {"outgoing_caller_ids", "OutgoingCallerIds"},
                           {"recordings", "Recordings"},
                           {"transcriptions", "Transcriptions"},
                           {"addresses", "Addresses"},
                           {"signing_keys", "SigningKeys"},
                           {"connect_apps", "ConnectApps"},
                           {"sip", "SIP"},
                           {"authorized_connect_apps", "AuthorizedConnectApps"},
                           {"usage", "Usage"},
                           {"keys", "Keys"},
                           {"applications", "Applications"},
                           {"short_codes", "SMS/ShortCodes"},
                           {"queues", "Queues"},
                           {"messages", "Messages"},
                           {"balance", "Balance"}};
  Json subresources = Json::object();
  for (const Sub& sub : kSubs) subresources[sub.name] = base + "/" + sub.path + ".json";
  return {{"status", account.status},
          {"date_updated", FormatRfc2822(account.updated_us)},
          {"auth_token", account.auth_token},
          {"friendly_name", account.friendly_name},
          {"owner_account_sid", account.owner_sid},
          {"uri", base + ".json"},
          {"sid", account.sid},
          {"date_created", FormatRfc2822(account.created_us)},
          {"type", account.type},
          {"subresource_uris", subresources}};
}

HttpResponse Usage(const ApiCall& call) {
  std::uint64_t out = 0, in = 0, media = 0;
  double price = 0;
  const MessageStore& messages = call.world.messages();
  for (std::uint64_t i = messages.first(); i < messages.end(); ++i) {
    const Message& message = *messages.Find(i);
    if (message.account != call.account.index) continue;
    const bool inbound = message.direction == Direction::kInbound;
    (inbound ? in : out) += message.segments;
    media += message.mms ? 1 : 0;
    price += 0.0079 * message.segments;
  }
  char price_text[32];
  std::snprintf(price_text, sizeof price_text, "%.5f", price);
  const std::string date = FormatDate(call.now);
  const std::string wanted(Get(call.query, "Category"));
  std::vector<std::pair<std::string, Json>> items;
  const auto add = [&](const char* category, std::uint64_t count, const char* description) {
    if (!wanted.empty() && wanted != category) return;
    const std::string uri = call.path + "?Category=" + category;
    items.emplace_back(category, Json{{"category", category},
                                      {"description", description},
                                      {"account_sid", call.account.sid},
                                      {"start_date", date},
                                      {"end_date", date},
                                      {"as_of", FormatIso8601(call.now).substr(0, 19) + "+00:00"},
                                      {"count", std::to_string(count)},
                                      {"count_unit", "messages"},
                                      {"usage", std::to_string(count)},
                                      {"usage_unit", "messages"},
                                      {"price", price_text},
                                      {"price_unit", "usd"},
                                      {"api_version", "2010-04-01"},
                                      {"uri", uri},
                                      {"subresource_uris", Json::object()}});
  };
  add("sms", in + out, "SMS");
  add("sms-outbound", out, "Outbound SMS");
  add("sms-inbound", in, "Inbound SMS");
  add("mms", media, "MMS");
  add("calls", call.world.calls().size(), "Voice minutes");
  add("totalprice", in + out, "Total price");
  return List2010(call, "usage_records", items);
}

}  // namespace

std::optional<HttpResponse> AccountRoute(ApiCall& call, std::string_view method) {
  World& world = call.world;
  const std::string_view first = call.Segment(0);
  const bool collection = call.path.ends_with("/Accounts.json") || call.path.ends_with("/Accounts");
  if (collection) {
    if (method == "POST") {
      if (world.accounts().size() >= kResourcesMax) {
        return ErrorAnswer({20003, 403, "Too many accounts", {}});
      }
      Account& created = world.AddAccount(world.NewSid("AC"), world.NewToken(), call.now);
      created.owner_sid = call.caller.sid;
      created.friendly_name = std::string(Get(call.form, "FriendlyName", "SubAccount"));
      return JsonAnswer(201, RenderAccount(created));
    }
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    std::vector<std::pair<std::string, Json>> items;
    for (const auto& account : world.accounts()) {
      if (account->sid == call.caller.sid || account->owner_sid == call.caller.sid) {
        items.emplace_back(account->sid, RenderAccount(*account));
      }
    }
    return List2010(call, "accounts", items);
  }
  if (call.segments.empty()) {
    if (method == "POST") {
      if (const std::string* name = Find(call.form, "FriendlyName")) {
        call.account.friendly_name = *name;
      }
      const std::string status(Get(call.form, "Status"));
      if (!status.empty() && status != "active" && status != "suspended" && status != "closed") {
        return ErrorAnswer({20001, 400, "Status must be active, suspended or closed", {}});
      }
      if (!status.empty()) call.account.status = status;
      call.account.updated_us = call.now;
    } else if (method != "GET") {
      return ErrorAnswer(MethodNotAllowed());
    }
    return JsonAnswer(200, RenderAccount(call.account));
  }
  if (first == "Balance" && call.segments.size() == 1) {
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    return JsonAnswer(
        200, Json{{"account_sid", call.account.sid}, {"balance", "100.00"}, {"currency", "USD"}});
  }
  if (first == "Usage" && call.Segment(1) == "Records" && call.segments.size() <= 3) {
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    return Usage(call);
  }
  if (first == "SMS" && call.Segment(1) == "ShortCodes" && call.segments.size() == 2) {
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    std::vector<std::pair<std::string, Json>> items;
    for (const auto& number : world.numbers()) {
      if (number->account != call.account.index || number->type != "short-code") continue;
      const std::string sid = "SC" + number->sid.substr(2);
      items.emplace_back(sid, Json{{"sid", sid},
                                   {"account_sid", call.account.sid},
                                   {"friendly_name", number->friendly_name},
                                   {"short_code", number->number},
                                   {"api_version", "2010-04-01"},
                                   {"sms_url", std::string(number->Setting("sms_url"))},
                                   {"sms_method", "POST"}});
    }
    return List2010(call, "short_codes", items);
  }
  if (first == "Keys" && call.segments.size() == 1) {
    if (method == "POST") {
      if (call.account.keys.size() >= 1000) {
        return ErrorAnswer({20001, 400, "Too many keys", {}});
      }
      const std::string sid = world.NewSid("SK");
      const std::string secret = world.NewToken();
      call.account.keys[sid] = secret;
      return JsonAnswer(201, Json{{"sid", sid},
                                  {"friendly_name", std::string(Get(call.form, "FriendlyName"))},
                                  {"date_created", FormatRfc2822(call.now)},
                                  {"date_updated", FormatRfc2822(call.now)},
                                  {"secret", secret}});
    }
    if (method != "GET") return ErrorAnswer(MethodNotAllowed());
    std::vector<std::pair<std::string, Json>> items;
    for (const auto& key : call.account.keys) {
      items.emplace_back(key.first, Json{{"sid", key.first}, {"friendly_name", ""}});
    }
    return List2010(call, "keys", items);
  }
  return std::nullopt;
}

}  // namespace parley::simulator
