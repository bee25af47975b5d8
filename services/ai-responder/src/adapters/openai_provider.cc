#include "adapters/openai_provider.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "domain/prompt.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace parley::ai {
namespace {

using absl::StatusCode;
using nlohmann::json;

const char* RoleName(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
  }
  return "user";
}

std::string RequestBody(const std::vector<PromptMessage>& prompt, const std::string& model) {
  json messages = json::array();
  for (const PromptMessage& message : prompt) {
    messages.push_back({{"role", RoleName(message.role)}, {"content", message.text}});
  }
  return json{{"model", model}, {"messages", std::move(messages)}, {"stream", false}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

// The value at `key` if `value` is an object that has it, else null.
const json& At(const json& value, const char* key) {
  static const json kNull;
  if (!value.is_object()) return kNull;
  const auto found = value.find(key);
  return found == value.end() ? kNull : *found;
}

// The text of a message's content: a string, or (some endpoints) an array of parts.
std::string TextOf(const json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (!content.is_array()) return text;
  for (const json& part : content) {
    if (At(part, "text").is_string()) text += At(part, "text").get<std::string>();
  }
  return text;
}

absl::StatusOr<std::string> ParseAnswer(const std::string& body) {
  // Invalid UTF-8 is a parse error too; nothing throws.
  const json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  const json& choices = At(answer, "choices");
  if (!choices.is_array() || choices.empty() || !At(choices[0], "message").is_object()) {
    return Internal("invalid");
  }
  return TextOf(At(At(choices[0], "message"), "content"));
}

// True if the error says that the account has no money left, which no wait of ours mends.
bool IsQuotaError(const std::string& body) {
  const json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  return At(At(answer, "error"), "code") == "insufficient_quota" ||
         At(At(answer, "error"), "type") == "insufficient_quota";
}

struct Failure {
  absl::Status status;
  bool retryable = false;
};

Failure FromHttp(const http::GuardedResponse& response) {
  const auto final = [](std::string_view reason, std::string_view message) {
    return Failure{FailedPrecondition(reason, message), false};
  };
  const int code = response.status;
  if (code == 401 || code == 403) {
    return final("PROVIDER_KEY", "The AI provider refused the key; check it in the AI settings.");
  }
  if (code == 404) {
    return final("PROVIDER_MODEL",
                 "The AI provider does not know the address or the model; check both in the AI "
                 "settings.");
  }
  if (code == 402 || (code == 429 && IsQuotaError(response.body))) {
    return final("PROVIDER_QUOTA", "The account at the AI provider has no credit left.");
  }
  if (code == 429) {
    return {ErrorStatus(StatusCode::kResourceExhausted, "PROVIDER_RATE_LIMITED",
                        "The AI provider is asked too often; it allows no more requests now."),
            true};
  }
  if (code == 408 || code >= 500) {
    return {Unavailable("PROVIDER_UNAVAILABLE",
                        "The AI provider has a failure (HTTP " + std::to_string(code) + ")."),
            true};
  }
  return final("PROVIDER_REFUSED",
               "The AI provider refused the request (HTTP " + std::to_string(code) + ").");
}

Failure FromCall(const absl::Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kPermissionDenied:
      return {FailedPrecondition("PROVIDER_ADDRESS", FromAbsl(status.message())), false};
    case StatusCode::kOutOfRange:
      return {FailedPrecondition("PROVIDER_INVALID_ANSWER",
                                 "The AI provider's answer is far too large."),
              false};
    case StatusCode::kDeadlineExceeded:
      return {ErrorStatus(StatusCode::kDeadlineExceeded, "PROVIDER_TIMEOUT",
                          "The AI provider did not answer in time."),
              true};
    default:
      return {Unavailable("PROVIDER_UNAVAILABLE", "The AI provider cannot be reached."), true};
  }
}

void CountRequest(const std::string& result) {
  telemetry::Counter("parley_ai_responder_provider_requests_total",
                     "Requests to AI endpoints by HTTP status, or \"none\" without an answer. "
                     "401: a wrong key. 429: raise the limit there.",
                     {{"status", result}})
      .Increment();
}

}  // namespace

absl::StatusOr<Completion> OpenAiProvider::Complete(const Turn& turn, const std::stop_token& stop) {
  PARLEY_ASSIGN_OR_RETURN(const http::GuardedRequest request, MakeRequest(turn));
  for (int attempt = 1;; ++attempt) {
    const absl::StatusOr<http::GuardedResponse> response = client_.Call(request, stop);
    if (!response.ok() && stop.stop_requested()) return absl::CancelledError("The process ends.");
    CountRequest(response.ok() ? std::to_string(response->status) : "none");
    if (response.ok() && response->status == 200) {
      const absl::StatusOr<std::string> text = ParseAnswer(response->body);
      if (text.ok()) return Completion{*text, "openai/" + ModelFor(turn)};
      return FailedPrecondition(
          "PROVIDER_INVALID_ANSWER",
          "The AI provider's answer is not a chat completion; check the address.");
    }
    const Failure failure = response.ok() ? FromHttp(*response) : FromCall(response.status());
    if (!failure.retryable) return failure.status;
    const Time now = environment_.clock.Now();
    const auto wait = NextAttemptIn(
        options_.retry,
        {.attempt = attempt,
         .jitter = environment_.jitter(),
         .retry_after = response.ok() ? ParseRetryAfter(response->retry_after, now) : std::nullopt,
         .time_left = TimeLeft(turn.ready, now)});
    if (!wait) return failure.status;
    telemetry::Info("ai_retried", {{"turn_id", turn.ready.turn_id()},
                                   {"reason", ErrorReason(failure.status)},
                                   {"attempt", attempt},
                                   {"wait_ms", wait->count()}});
    if (!environment_.wait(stop, *wait)) return absl::CancelledError("The process ends.");
  }
}

absl::StatusOr<http::GuardedRequest> OpenAiProvider::MakeRequest(const Turn& turn) const {
  const std::string& own_url = turn.ready.settings().base_url();
  std::string url = own_url.empty() ? options_.base_url : own_url;
  if (url.empty()) {
    return FailedPrecondition("AI_NOT_CONFIGURED",
                              "No address of an AI endpoint is set; enter one in the AI settings.");
  }
  while (url.ends_with('/')) url.pop_back();
  PARLEY_ASSIGN_OR_RETURN(const std::vector<PromptMessage> prompt,
                          BuildPrompt(turn.ready, options_.system_prompt));
  PARLEY_ASSIGN_OR_RETURN(const Secret key, KeyFor(turn));
  http::GuardedRequest request{.method = "POST",
                               .url = url + "/chat/completions",
                               .headers = {{"Accept", "application/json"}},
                               .body = RequestBody(prompt, ModelFor(turn)),
                               .content_type = "application/json"};
  if (!key.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + std::string(key.Reveal()));
  }
  return request;
}

absl::StatusOr<Secret> OpenAiProvider::KeyFor(const Turn& turn) const {
  const events::v1::AiSettings& settings = turn.ready.settings();
  if (settings.sealed_key().empty()) {
    // An organization's own address never sees the operator's key.
    return settings.base_url().empty() ? options_.key : Secret();
  }
  absl::StatusOr<Secret> key =
      keys_.Open(settings.sealed_key(), {crypto::kAiKey, turn.organization_id});
  // A line break would end the header that the key is put into.
  const auto unprintable = [](char c) { return c <= ' ' || c > '~'; };
  if (!key.ok() || std::any_of(key->Reveal().begin(), key->Reveal().end(), unprintable)) {
    return FailedPrecondition(
        "AI_KEY_UNREADABLE",
        "The AI provider's key cannot be read; enter it again in the AI settings.");
  }
  return key;
}

std::string OpenAiProvider::ModelFor(const Turn& turn) const {
  const std::string& own = turn.ready.settings().model();
  return own.empty() ? options_.model : own;
}

}  // namespace parley::ai
