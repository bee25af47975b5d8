#include "libs/twilio/client.h"

#include <charconv>

#include "libs/base/status.h"
#include "libs/crypto/digest.h"
#include "libs/twilio/errors.h"
#include "libs/twilio/form.h"
#include "libs/twilio/webhook.h"

namespace parley::twilio {
namespace {

constexpr std::string_view kReasonPrefix = "TWILIO_";
constexpr int kRequestTimeout = 408;

std::string BasicAuthorization(std::string_view user, const Secret& password) {
  return "Basic " + crypto::Base64(std::string(user) + ":" + std::string(password.Reveal()));
}

void AddIfSet(std::string& form, std::string_view name, std::string_view value) {
  if (!value.empty()) AppendFormParam(form, name, value);
}

absl::StatusCode CodeFor(int http_status) {
  if (http_status >= 500) return absl::StatusCode::kUnavailable;
  switch (http_status) {
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return absl::StatusCode::kAborted;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInvalidArgument;
  }
}

absl::Status ToStatus(const HttpAnswer& answer) {
  const ErrorBody body = ParseErrorBody(answer.body);
  const ErrorEntry& entry = DescribeError(body.code, answer.status);
  const std::string code =
      body.code != 0 ? std::to_string(body.code) : "HTTP_" + std::to_string(answer.status);
  std::string sentence(entry.meaning);
  sentence.append(" ").append(entry.remedy).append(" (Twilio ").append(code).append(")");
  return ErrorStatus(CodeFor(answer.status), std::string(kReasonPrefix) + code, sentence);
}

// "2023-08-24T05:01:45Z": whole seconds, as Twilio's filters take it.
std::string FilterTime(Time time) {
  std::string text = FormatTime(std::chrono::floor<std::chrono::seconds>(time));
  const auto dot = text.find('.');
  if (dot != std::string::npos) text = text.substr(0, dot) + "Z";
  return text;
}

SendOutcome ReadAnswer(HttpAnswer answer) {
  if (answer.status >= 200 && answer.status < 300) {
    auto message = ParseCreatedMessage(answer.body);
    if (!message.ok()) return Unknown{answer.status, "the answer to a creation cannot be read"};
    return Accepted{std::move(message->sid), message->status, message->segments,
                    message->error_code};
  }
  if (answer.status >= 400 && answer.status < 500 && answer.status != kRequestTimeout) {
    ErrorBody body = ParseErrorBody(answer.body);
    return Refused{answer.status, body.code, std::move(body.message), answer.retry_after};
  }
  return Unknown{answer.status, "HTTP " + std::to_string(answer.status)};
}

}  // namespace

Account::Account(std::string account_sid, const Secret& auth_token)
    : sid_(std::move(account_sid)),
      authorization_(BasicAuthorization(sid_, auth_token)),
      path_("/2010-04-01/Accounts/" + sid_),
      messages_path_(path_ + "/Messages.json") {}

Account::Account(std::string account_sid, std::string_view key_sid, const Secret& key_secret)
    : sid_(std::move(account_sid)),
      authorization_(BasicAuthorization(key_sid, key_secret)),
      path_("/2010-04-01/Accounts/" + sid_),
      messages_path_(path_ + "/Messages.json") {}

Client::Client(std::unique_ptr<HttpTransport> transport) : transport_(std::move(transport)) {}

absl::StatusOr<std::unique_ptr<Client>> Client::Create(TransportOptions options) {
  PARLEY_ASSIGN_OR_RETURN(auto transport, HttpTransport::Create(std::move(options)));
  return std::unique_ptr<Client>(new Client(std::move(transport)));
}

SendOutcome Client::CreateMessage(const Account& account, const NewMessage& message,
                                  std::optional<SteadyTime> write_by, WriteGate about_to_write) {
  std::string form;
  AppendFormParam(form, "To", message.to);
  AddIfSet(form, "From", message.from);
  AddIfSet(form, "MessagingServiceSid", message.messaging_service_sid);
  AddIfSet(form, "Body", message.body);
  for (const std::string& url : message.media_urls) AppendFormParam(form, "MediaUrl", url);
  AddIfSet(form, "ContentSid", message.content_sid);
  AddIfSet(form, "ContentVariables", message.content_variables);
  AddIfSet(form, "StatusCallback", message.status_callback);
  if (message.validity_period) {
    AppendFormParam(form, "ValidityPeriod", std::to_string(message.validity_period->count()));
  }
  auto result = transport_->Exchange({.method = "POST",
                                      .target = account.messages_path(),
                                      .authorization = account.authorization(),
                                      .form = form,
                                      .write_by = write_by,
                                      .about_to_write = std::move(about_to_write)});
  if (auto* failure = std::get_if<HttpFailure>(&result)) {
    if (failure->written) return Unknown{0, std::move(failure->reason)};
    return NotWritten{failure->too_late, std::move(failure->reason)};
  }
  return ReadAnswer(std::move(std::get<HttpAnswer>(result)));
}

absl::StatusOr<std::string> Client::Call(const Account& account, std::string_view method,
                                         std::string_view target, std::string_view form) {
  auto result = transport_->Exchange({.method = method,
                                      .target = target,
                                      .authorization = account.authorization(),
                                      .form = form,
                                      .write_by = std::nullopt,
                                      .about_to_write = {}});
  if (const auto* failure = std::get_if<HttpFailure>(&result)) {
    return Unavailable("TWILIO_UNREACHABLE", "Twilio could not be reached: " + failure->reason +
                                                 ". Check the network and TWILIO_API_BASE_URL.");
  }
  auto& answer = std::get<HttpAnswer>(result);
  if (answer.status < 200 || answer.status >= 300) return ToStatus(answer);
  return std::move(answer.body);
}

absl::StatusOr<std::string> Client::GetPage(const Account& account, std::string_view page_uri) {
  // It came from Twilio, but credentials go nowhere else than to this account.
  if (page_uri.substr(0, account.path().size() + 1) != account.path() + "/" ||
      page_uri.find_first_of(" \r\n") != std::string_view::npos) {
    return InvalidArgument("PAGE_URI_INVALID", "The page does not belong to this account.");
  }
  return Call(account, "GET", page_uri, "");
}

absl::StatusOr<AccountResource> Client::FetchAccount(const Account& account) {
  PARLEY_ASSIGN_OR_RETURN(const std::string body,
                          Call(account, "GET", account.path() + ".json", ""));
  return ParseAccount(body);
}

absl::StatusOr<MessageResource> Client::FetchMessage(const Account& account, std::string_view sid) {
  if (!IsMessageSid(sid)) return InvalidArgument("SID_INVALID", "This is no message SID.");
  PARLEY_ASSIGN_OR_RETURN(
      const std::string body,
      Call(account, "GET", account.path() + "/Messages/" + std::string(sid) + ".json", ""));
  return ParseMessage(body);
}

absl::StatusOr<MessagePage> Client::ListMessages(const Account& account,
                                                 const MessageFilter& filter) {
  std::string query;
  AddIfSet(query, "To", filter.to);
  AddIfSet(query, "From", filter.from);
  if (filter.sent_from) AppendFormParam(query, "DateSent>", FilterTime(*filter.sent_from));
  if (filter.sent_until) AppendFormParam(query, "DateSent<", FilterTime(*filter.sent_until));
  AppendFormParam(query, "PageSize", std::to_string(filter.page_size));
  return ListMessagesAt(account, account.messages_path() + "?" + query);
}

absl::StatusOr<MessagePage> Client::ListMessagesAt(const Account& account,
                                                   std::string_view page_uri) {
  PARLEY_ASSIGN_OR_RETURN(const std::string body, GetPage(account, page_uri));
  return ParseMessagePage(body);
}

absl::StatusOr<std::vector<MediaResource>> Client::ListMedia(const Account& account,
                                                             std::string_view message_sid) {
  if (!IsMessageSid(message_sid)) return InvalidArgument("SID_INVALID", "This is no message SID.");
  PARLEY_ASSIGN_OR_RETURN(
      const std::string body,
      Call(account, "GET", account.path() + "/Messages/" + std::string(message_sid) + "/Media.json",
           ""));
  return ParseMediaList(body);
}

absl::StatusOr<PhoneNumberPage> Client::ListIncomingPhoneNumbers(const Account& account,
                                                                 const PhoneNumberFilter& filter) {
  std::string query;
  AddIfSet(query, "PhoneNumber", filter.phone_number);
  AppendFormParam(query, "PageSize", std::to_string(filter.page_size));
  return ListIncomingPhoneNumbersAt(account,
                                    account.path() + "/IncomingPhoneNumbers.json?" + query);
}

absl::StatusOr<PhoneNumberPage> Client::ListIncomingPhoneNumbersAt(const Account& account,
                                                                   std::string_view page_uri) {
  PARLEY_ASSIGN_OR_RETURN(const std::string body, GetPage(account, page_uri));
  return ParsePhoneNumberPage(body);
}

absl::StatusOr<PhoneNumberResource> Client::UpdateIncomingPhoneNumber(
    const Account& account, std::string_view number_sid, const NumberWebhooks& webhooks) {
  if (!IsSid(number_sid, "PN")) return InvalidArgument("SID_INVALID", "This is no number's SID.");
  std::string form;
  const auto set = [&form](std::string_view url_name, std::string_view method_name,
                           std::string_view url) {
    if (url.empty()) return;
    AppendFormParam(form, url_name, url);
    AppendFormParam(form, method_name, "POST");
  };
  set("SmsUrl", "SmsMethod", webhooks.sms_url);
  set("SmsFallbackUrl", "SmsFallbackMethod", webhooks.sms_fallback_url);
  set("VoiceUrl", "VoiceMethod", webhooks.voice_url);
  set("VoiceFallbackUrl", "VoiceFallbackMethod", webhooks.voice_fallback_url);
  set("StatusCallback", "StatusCallbackMethod", webhooks.status_callback);
  PARLEY_ASSIGN_OR_RETURN(
      const std::string body,
      Call(account, "POST",
           account.path() + "/IncomingPhoneNumbers/" + std::string(number_sid) + ".json", form));
  return ParsePhoneNumber(body);
}

int TwilioCode(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  if (std::string_view(reason).substr(0, kReasonPrefix.size()) != kReasonPrefix) return 0;
  int code = 0;
  const char* begin = reason.data() + kReasonPrefix.size();
  const auto [end, error] = std::from_chars(begin, reason.data() + reason.size(), code);
  return error == std::errc() && end == reason.data() + reason.size() ? code : 0;
}

}  // namespace parley::twilio
