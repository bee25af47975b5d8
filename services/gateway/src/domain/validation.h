// What the API accepts. Each check answers OK, or kInvalidArgument with a stable reason and a
// sentence that names the field as the client wrote it. Lengths are in code points. Pure.
//
//   PARLEY_RETURN_IF_ERROR(FirstProblem({CheckText("displayName", name, {1, 200}),
//                                        CheckPhone("phoneNumber", number)}));
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "domain/message.h"

namespace parley::gateway {

inline constexpr std::size_t kNameMax = 200;
inline constexpr std::size_t kBodyMax = 1'600;
inline constexpr std::size_t kPasswordBytesMax = 1'000;
inline constexpr std::size_t kEmailMax = 320;
inline constexpr std::size_t kUrlBytesMax = 2'048;
inline constexpr std::size_t kPromptMax = 20'000;
inline constexpr std::size_t kTemplateMax = 1'600;
inline constexpr std::size_t kGreetingMax = 4'000;  // What Twilio says aloud at once.
inline constexpr std::size_t kModelMax = 200;
inline constexpr std::size_t kAiKeyBytesMax = 1'000;
inline constexpr std::size_t kMediaMax = 10;
inline constexpr std::size_t kWhatsAppMediaMax = 1;
inline constexpr int kAiDelayMsMax = 600'000;

// Inclusive.
struct Length {
  std::size_t min = 0;
  std::size_t max = 0;
};

// The first that is not OK.
absl::Status FirstProblem(std::initializer_list<absl::Status> checks);

// Clean UTF-8 within the length. Reasons: INVALID_TEXT, FIELD_REQUIRED, TEXT_TOO_LONG.
absl::Status CheckText(std::string_view field, std::string_view text, Length length);

// E.164, by shape only. Reasons: FIELD_REQUIRED, INVALID_PHONE_NUMBER.
absl::Status CheckPhone(std::string_view field, std::string_view number);
absl::Status CheckPhoneOrEmpty(std::string_view field, std::string_view number);

// "someone@host". Reason: INVALID_EMAIL.
absl::Status CheckEmail(std::string_view field, std::string_view email);
absl::Status CheckEmailOrEmpty(std::string_view field, std::string_view email);

// An http or https URL with a host and without a user. Reason: INVALID_URL.
absl::Status CheckUrl(std::string_view field, std::string_view url);

// A public address that webhooks come to: as CheckUrl, without query and fragment, and https where
// `https_only`. Empty is fine. Reason: INVALID_URL.
absl::Status CheckPublicUrl(std::string_view field, std::string_view url, bool https_only);

// A UUID, or empty. Reason: INVALID_ID.
absl::Status CheckChosenId(std::string_view field, std::string_view id);

// Reason: VALUE_OUT_OF_RANGE.
absl::Status CheckRange(std::string_view field, std::int64_t value, std::int64_t min,
                        std::int64_t max);

// Of the years 1 to 9999, as protobuf says and JSON enforces; gRPC carries anything. Check it
// before anything computes with it. Reason: VALUE_OUT_OF_RANGE.
absl::Status CheckTime(std::string_view field, const google::protobuf::Timestamp& time);

// "AC" and 32 hexadecimal digits. Reason: INVALID_ACCOUNT_SID.
absl::Status CheckAccountSid(std::string_view field, std::string_view sid);

// A message to a customer: a text, media or both. Reasons: EMPTY_MESSAGE, TEXT_TOO_LONG,
// TOO_MANY_MEDIA, INVALID_URL.
struct Content {
  std::string_view body;
  const std::vector<std::string>& media_urls;
};
absl::Status CheckContent(const Content& content);

// What only the conversation's medium tells. Reasons: TOO_MANY_MEDIA, MEDIUM_NOT_SENDABLE.
absl::Status CheckMediumTakes(Medium medium, std::size_t media_count);

}  // namespace parley::gateway
