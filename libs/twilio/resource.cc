#include "libs/twilio/resource.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "absl/time/time.h"
#include "libs/base/status.h"
#include "libs/twilio/webhook.h"

namespace parley::twilio {
namespace {

using Json = nlohmann::json;

absl::Status Unreadable(std::string_view why) {
  return InvalidArgument("TWILIO_ANSWER_UNREADABLE",
                         "Twilio's answer cannot be read: " + std::string(why) + ".");
}

// Texts and numbers both come as JSON strings in places; null means none.
std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
  return "";
}

int ToInt(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

int Number(const Json& object, const char* key) { return ToInt(Text(object, key)); }

bool Flag(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

// Never throws: parse errors give a discarded value.
Json ParseObject(std::string_view json) {
  return Json::parse(json.begin(), json.end(), /*cb=*/nullptr, /*allow_exceptions=*/false);
}

absl::StatusOr<MessageResource> ReadMessage(const Json& object) {
  MessageResource message;
  message.sid = Text(object, "sid");
  if (!IsMessageSid(message.sid)) return Unreadable("it names no message");
  message.status = ParseStatus(Text(object, "status")).value_or(MessageStatus::kQueued);
  message.direction = Text(object, "direction");
  message.from = Text(object, "from");
  message.to = Text(object, "to");
  message.body = Text(object, "body");
  message.messaging_service_sid = Text(object, "messaging_service_sid");
  message.segments = Number(object, "num_segments");
  message.media = Number(object, "num_media");
  if (const int code = Number(object, "error_code"); code != 0) message.error_code = code;
  message.error_message = Text(object, "error_message");
  message.created = ParseRfc2822(Text(object, "date_created"));
  message.sent = ParseRfc2822(Text(object, "date_sent"));
  message.price = Text(object, "price");
  message.price_unit = Text(object, "price_unit");
  return message;
}

absl::StatusOr<MediaResource> ReadMedia(const Json& object) {
  MediaResource media{.sid = Text(object, "sid"),
                      .content_type = Text(object, "content_type"),
                      .uri = Text(object, "uri")};
  constexpr std::string_view kSuffix = ".json";
  if (media.sid.empty() || media.uri.empty()) return Unreadable("it names no media");
  if (media.uri.ends_with(kSuffix)) media.uri.resize(media.uri.size() - kSuffix.size());
  return media;
}

absl::StatusOr<PhoneNumberResource> ReadPhoneNumber(const Json& object) {
  PhoneNumberResource number;
  number.sid = Text(object, "sid");
  number.phone_number = Text(object, "phone_number");
  if (number.sid.empty() || number.phone_number.empty()) return Unreadable("it names no number");
  number.friendly_name = Text(object, "friendly_name");
  number.sms_url = Text(object, "sms_url");
  number.sms_fallback_url = Text(object, "sms_fallback_url");
  number.voice_url = Text(object, "voice_url");
  number.voice_fallback_url = Text(object, "voice_fallback_url");
  number.status_callback = Text(object, "status_callback");
  const auto capabilities = object.find("capabilities");
  if (capabilities != object.end() && capabilities->is_object()) {
    number.sms = Flag(*capabilities, "sms");
    number.mms = Flag(*capabilities, "mms");
    number.voice = Flag(*capabilities, "voice");
  }
  return number;
}

// Reads the list under `key` with `read`, and the address of the next page.
template <class Item, class Read>
absl::Status ReadPage(std::string_view json, const char* key, Read read, std::vector<Item>& items,
                      std::string& next_page_uri) {
  const Json object = ParseObject(json);
  if (!object.is_object()) return Unreadable("it is no JSON object");
  const auto list = object.find(key);
  if (list == object.end() || !list->is_array()) return Unreadable("it holds no list");
  items.reserve(list->size());
  for (const Json& entry : *list) {
    if (!entry.is_object()) return Unreadable("an entry of its list is no object");
    PARLEY_ASSIGN_OR_RETURN(Item item, read(entry));
    items.push_back(std::move(item));
  }
  next_page_uri = Text(object, "next_page_uri");
  return absl::OkStatus();
}

// Reads the members of the outermost object that a creation's answer is read for, and builds
// nothing of the rest.
class CreatedReader : public nlohmann::json_sax<Json> {
 public:
  const CreatedMessage& message() const { return message_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override { return Number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return Number(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t& value) override {
    switch (Take()) {
      case Member::kSid:
        message_.sid = std::move(value);
        break;
      case Member::kStatus:
        message_.status = ParseStatus(value).value_or(MessageStatus::kQueued);
        break;
      case Member::kSegments:
        message_.segments = ToInt(value);
        break;
      case Member::kErrorCode:
        SetError(ToInt(value));
        break;
      case Member::kOther:
        break;
    }
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool key(string_t& name) override {
    member_ = depth_ != 1              ? Member::kOther
              : name == "sid"          ? Member::kSid
              : name == "status"       ? Member::kStatus
              : name == "num_segments" ? Member::kSegments
              : name == "error_code"   ? Member::kErrorCode
                                       : Member::kOther;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
    return false;
  }

 private:
  enum class Member { kOther, kSid, kStatus, kSegments, kErrorCode };

  Member Take() { return depth_ == 1 ? member_ : Member::kOther; }
  bool Number(std::int64_t value) {
    const Member member = Take();
    if (member == Member::kSegments) message_.segments = static_cast<int>(value);
    if (member == Member::kErrorCode) SetError(static_cast<int>(value));
    return true;
  }
  void SetError(int code) {
    if (code != 0) message_.error_code = code;
  }
  bool Enter() {
    ++depth_;
    return true;
  }
  bool Leave() {
    --depth_;
    return true;
  }

  CreatedMessage message_;
  Member member_ = Member::kOther;
  int depth_ = 0;
};

}  // namespace

std::optional<Time> ParseRfc2822(std::string_view text) {
  if (text.empty()) return std::nullopt;
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S %z", ToAbsl(text), &time, &error)) {
    return std::nullopt;
  }
  return FromMicros(absl::ToUnixMicros(time));
}

absl::StatusOr<CreatedMessage> ParseCreatedMessage(std::string_view json) {
  CreatedReader reader;
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) return Unreadable("it is no JSON");
  if (!IsMessageSid(reader.message().sid)) return Unreadable("it names no message");
  return reader.message();
}

absl::StatusOr<MessageResource> ParseMessage(std::string_view json) {
  const Json object = ParseObject(json);
  if (!object.is_object()) return Unreadable("it is no JSON object");
  return ReadMessage(object);
}

absl::StatusOr<MessagePage> ParseMessagePage(std::string_view json) {
  MessagePage page;
  PARLEY_RETURN_IF_ERROR(
      ReadPage(json, "messages", ReadMessage, page.messages, page.next_page_uri));
  return page;
}

absl::StatusOr<std::vector<MediaResource>> ParseMediaList(std::string_view json) {
  std::vector<MediaResource> media;
  std::string next_page_uri;  // A message has at most ten.
  PARLEY_RETURN_IF_ERROR(ReadPage(json, "media_list", ReadMedia, media, next_page_uri));
  return media;
}

absl::StatusOr<AccountResource> ParseAccount(std::string_view json) {
  const Json object = ParseObject(json);
  if (!object.is_object()) return Unreadable("it is no JSON object");
  AccountResource account{.sid = Text(object, "sid"),
                          .friendly_name = Text(object, "friendly_name"),
                          .status = Text(object, "status"),
                          .type = Text(object, "type"),
                          .owner_sid = Text(object, "owner_account_sid")};
  if (!IsSid(account.sid, "AC")) return Unreadable("it names no account");
  return account;
}

absl::StatusOr<PhoneNumberResource> ParsePhoneNumber(std::string_view json) {
  const Json object = ParseObject(json);
  if (!object.is_object()) return Unreadable("it is no JSON object");
  return ReadPhoneNumber(object);
}

absl::StatusOr<PhoneNumberPage> ParsePhoneNumberPage(std::string_view json) {
  PhoneNumberPage page;
  PARLEY_RETURN_IF_ERROR(
      ReadPage(json, "incoming_phone_numbers", ReadPhoneNumber, page.numbers, page.next_page_uri));
  return page;
}

ErrorBody ParseErrorBody(std::string_view json) {
  const Json object = ParseObject(json);
  if (!object.is_object()) return {};
  return {.code = Number(object, "code"), .message = Text(object, "message")};
}

}  // namespace parley::twilio
