// Any endpoint that speaks OpenAI's chat completions: POST {base URL}/chat/completions.
// Source: OpenAI API reference, "Create chat completion".
#pragma once

#include <functional>
#include <string>

#include "domain/retry.h"
#include "libs/base/clock.h"
#include "libs/base/secret.h"
#include "libs/crypto/seal.h"
#include "libs/http/guarded_client.h"
#include "ports.h"

namespace parley::ai {

struct OpenAiOptions {
  // The operator's defaults. The key goes to this base URL only, and only for organizations that
  // set no base URL and no key of their own.
  std::string base_url;
  Secret key;
  std::string model;
  std::string system_prompt;
  RetryPolicy retry;
};

// What changes from run to run, for tests to pin.
struct OpenAiEnvironment {
  const Clock& clock;
  std::function<double()> jitter;  // From [0, 1); thread-safe.
  // Waits, or returns false as soon as `stop` is requested.
  std::function<bool(const std::stop_token& stop, std::chrono::milliseconds wait)> wait;
};

class OpenAiProvider final : public Provider {
 public:
  // `client` and `keys` must outlive this object.
  OpenAiProvider(OpenAiOptions options, const http::GuardedClient& client,
                 const crypto::KeyRing& keys, OpenAiEnvironment environment)
      : options_(std::move(options)),
        client_(client),
        keys_(keys),
        environment_(std::move(environment)) {}

  // 429, 5xx, 408 and failing connections are tried again while the turn has time. Errors:
  // AI_NOT_CONFIGURED, AI_KEY_UNREADABLE, NOTHING_TO_ANSWER, PROVIDER_ADDRESS, PROVIDER_KEY,
  // PROVIDER_MODEL, PROVIDER_QUOTA, PROVIDER_RATE_LIMITED, PROVIDER_REFUSED, PROVIDER_TIMEOUT,
  // PROVIDER_UNAVAILABLE, PROVIDER_INVALID_ANSWER, PROVIDER_EMPTY_ANSWER.
  absl::StatusOr<Completion> Complete(const Turn& turn, const std::stop_token& stop) override;

 private:
  absl::StatusOr<http::GuardedRequest> MakeRequest(const Turn& turn) const;
  absl::StatusOr<Secret> KeyFor(const Turn& turn) const;
  std::string ModelFor(const Turn& turn) const;

  const OpenAiOptions options_;
  const http::GuardedClient& client_;
  const crypto::KeyRing& keys_;
  const OpenAiEnvironment environment_;
};

}  // namespace parley::ai
