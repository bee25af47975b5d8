// Sealed credentials: XChaCha20-Poly1305 (libsodium) under a key ring.
//
// A sealed value is "version byte, key id length, key id, nonce, ciphertext". What it is for and
// whose it is are authenticated with it, so a value copied to another row does not open.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/secret.h"

namespace parley::crypto {

// What a sealed value is bound to. Both are part of the stored contract: never rename.
struct SealContext {
  std::string_view purpose;  // For example "twilio-token".
  std::string_view subject;  // For example the account SID.
};

// The purposes in use.
inline constexpr std::string_view kTwilioToken = "twilio-token";     // Subject: account SID.
inline constexpr std::string_view kAiKey = "ai-key";                 // Subject: organization id.
inline constexpr std::string_view kSnapshot = "directory-snapshot";  // Subject: "webhook-ingest".

// Keys by id; the first seals, all open. Immutable, so safe to share between threads.
class KeyRing {
 public:
  // `text`: lines of "<key id>:<32 bytes, base64>"; blank lines and "#" comments are skipped.
  static absl::StatusOr<KeyRing> Parse(std::string_view text);
  // Errors: kNotFound if the file cannot be read; kInvalidArgument if it holds no valid key.
  static absl::StatusOr<KeyRing> FromFile(const std::string& path);

  std::string Seal(const Secret& plain, const SealContext& context) const;
  // Errors: kFailedPrecondition UNKNOWN_KEY, kDataLoss if it was changed or bound otherwise.
  absl::StatusOr<Secret> Open(std::string_view sealed, const SealContext& context) const;

 private:
  struct Key {
    std::string id;
    Secret bytes;
  };
  std::vector<Key> keys_;
};

}  // namespace parley::crypto
