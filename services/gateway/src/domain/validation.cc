#include "domain/validation.h"

#include <algorithm>

#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/twilio/url.h"
#include "libs/twilio/webhook.h"

namespace parley::gateway {
namespace {

absl::Status Problem(std::string_view reason, std::string_view field, std::string_view what) {
  return InvalidArgument(reason, std::string(field) + " " + std::string(what));
}

bool HasSpaceOrControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7f;
  });
}

}  // namespace

absl::Status FirstProblem(std::initializer_list<absl::Status> checks) {
  for (const absl::Status& check : checks) {
    if (!check.ok()) return check;
  }
  return absl::OkStatus();
}

absl::Status CheckText(std::string_view field, std::string_view text, Length length) {
  if (!IsCleanUtf8(text)) {
    return Problem("INVALID_TEXT", field, "is not valid UTF-8 text, or it holds a NUL character.");
  }
  const std::size_t size = CodePoints(text);
  if (size < length.min) {
    return size == 0 ? Problem("FIELD_REQUIRED", field, "is missing.")
                     : Problem("TEXT_TOO_SHORT", field,
                               "must have at least " + std::to_string(length.min) + " characters.");
  }
  if (size > length.max) {
    return Problem("TEXT_TOO_LONG", field,
                   "has " + std::to_string(size) + " characters; at most " +
                       std::to_string(length.max) + " are allowed.");
  }
  return absl::OkStatus();
}

absl::Status CheckPhone(std::string_view field, std::string_view number) {
  if (number.empty()) return Problem("FIELD_REQUIRED", field, "is missing.");
  if (IsE164(number)) return absl::OkStatus();
  return Problem("INVALID_PHONE_NUMBER", field,
                 "must be a phone number in E.164 form, for example +15550001000.");
}

absl::Status CheckPhoneOrEmpty(std::string_view field, std::string_view number) {
  return number.empty() ? absl::OkStatus() : CheckPhone(field, number);
}

absl::Status CheckEmail(std::string_view field, std::string_view email) {
  const std::size_t at = email.find('@');
  const bool shaped = IsCleanUtf8(email) && at != std::string_view::npos && at > 0 &&
                      at + 1 < email.size() && email.find('@', at + 1) == std::string_view::npos &&
                      email.size() <= kEmailMax && !HasSpaceOrControl(email);
  if (shaped) return absl::OkStatus();
  return Problem("INVALID_EMAIL", field, "must be an email address.");
}

absl::Status CheckEmailOrEmpty(std::string_view field, std::string_view email) {
  return email.empty() ? absl::OkStatus() : CheckEmail(field, email);
}

absl::Status CheckUrl(std::string_view field, std::string_view url) {
  const auto parts = twilio::SplitUrl(url);
  const bool good = parts.ok() && url.size() <= kUrlBytesMax && IsCleanUtf8(url) &&
                    !HasSpaceOrControl(url) && !parts->has_userinfo &&
                    (parts->scheme == "http" || parts->scheme == "https");
  if (good) return absl::OkStatus();
  return Problem("INVALID_URL", field,
                 "must be an http or https address of at most 2048 bytes, without a user name.");
}

absl::Status CheckPublicUrl(std::string_view field, std::string_view url, bool https_only) {
  if (url.empty()) return absl::OkStatus();
  PARLEY_RETURN_IF_ERROR(CheckUrl(field, url));
  const auto parts = twilio::SplitUrl(url);
  if (parts->has_query || url.find('#') != std::string_view::npos) {
    return Problem("INVALID_URL", field, "must have neither a query nor a fragment.");
  }
  if (https_only && parts->scheme != "https") {
    return Problem("INVALID_URL", field, "must begin with https:// in production.");
  }
  return absl::OkStatus();
}

absl::Status CheckChosenId(std::string_view field, std::string_view id) {
  if (id.empty() || IsUuid(id)) return absl::OkStatus();
  return Problem("INVALID_ID", field, "must be a UUID, or be left out.");
}

absl::Status CheckRange(std::string_view field, std::int64_t value, std::int64_t min,
                        std::int64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return Problem("VALUE_OUT_OF_RANGE", field,
                 "must be from " + std::to_string(min) + " to " + std::to_string(max) + ".");
}

absl::Status CheckTime(std::string_view field, const google::protobuf::Timestamp& time) {
  constexpr std::int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z
  constexpr std::int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z
  const bool good = time.seconds() >= kFirstSecond && time.seconds() <= kLastSecond &&
                    time.nanos() >= 0 && time.nanos() <= 999'999'999;
  if (good) return absl::OkStatus();
  return Problem("VALUE_OUT_OF_RANGE", field, "must be a time of the years 1 to 9999.");
}

absl::Status CheckAccountSid(std::string_view field, std::string_view sid) {
  if (twilio::IsSid(sid, "AC")) return absl::OkStatus();
  return Problem("INVALID_ACCOUNT_SID", field,
                 "must be an account SID: AC and 32 hexadecimal digits.");
}

absl::Status CheckContent(const Content& content) {
  if (content.body.empty() && content.media_urls.empty()) {
    return InvalidArgument("EMPTY_MESSAGE", "A message needs a body, media or both.");
  }
  PARLEY_RETURN_IF_ERROR(CheckText("body", content.body, {0, kBodyMax}));
  if (content.media_urls.size() > kMediaMax) {
    return InvalidArgument("TOO_MANY_MEDIA", "mediaUrls has " +
                                                 std::to_string(content.media_urls.size()) +
                                                 " entries; at most 10 are allowed.");
  }
  for (std::size_t i = 0; i < content.media_urls.size(); ++i) {
    PARLEY_RETURN_IF_ERROR(CheckUrl("mediaUrls[" + std::to_string(i) + "]", content.media_urls[i]));
  }
  return absl::OkStatus();
}

absl::Status CheckMediumTakes(Medium medium, std::size_t media_count) {
  if (medium != v1::MEDIUM_SMS && medium != v1::MEDIUM_WHATSAPP) {
    return InvalidArgument("MEDIUM_NOT_SENDABLE", "Messages travel by SMS or WhatsApp only.");
  }
  if (medium == v1::MEDIUM_WHATSAPP && media_count > kWhatsAppMediaMax) {
    return InvalidArgument("TOO_MANY_MEDIA", "A WhatsApp message carries at most 1 attachment.");
  }
  return absl::OkStatus();
}

}  // namespace parley::gateway
