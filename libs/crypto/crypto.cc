#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <semaphore>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/credential.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/seal.h"

namespace parley::crypto {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kKeyBytes = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
constexpr std::size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

void EnsureSodium() {
  static const int ready = sodium_init();
  if (ready < 0) std::abort();
}

std::string AssociatedData(const SealContext& context) {
  return std::to_string(context.purpose.size()) + ":" + std::string(context.purpose) +
         std::string(context.subject);
}

}  // namespace

std::string Sha256(std::string_view data) {
  std::string digest(32, '\0');
  if (EVP_Digest(data.data(), data.size(), Bytes(digest), nullptr, EVP_sha256(), nullptr) != 1) {
    std::abort();
  }
  return digest;
}

std::string HmacSha1(std::string_view key, std::string_view data) {
  std::string digest(20, '\0');
  unsigned int size = 0;
  if (HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), Bytes(data), data.size(),
           Bytes(digest), &size) == nullptr) {
    std::abort();
  }
  return digest;
}

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    text.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return text;
}

std::string Base64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), Bytes(bytes), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // The terminating NUL.
  return text;
}

absl::StatusOr<std::string> Base64Decode(std::string_view text) {
  std::string bytes(text.size(), '\0');
  std::size_t size = 0;
  if (sodium_base642bin(Bytes(bytes), bytes.size(), text.data(), text.size(), nullptr, &size,
                        nullptr, sodium_base64_VARIANT_ORIGINAL) != 0) {
    return InvalidArgument("INVALID_BASE64", "The text is not standard base64 with padding.");
  }
  bytes.resize(size);
  return bytes;
}

bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

absl::StatusOr<KeyRing> KeyRing::Parse(std::string_view text) {
  EnsureSodium();
  KeyRing ring;
  for (const std::string_view raw : Split(text, '\n')) {
    const std::string_view line = Trim(raw);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon > 64) {
      return InvalidArgument("INVALID_KEY", "A key line is not \"<key id>:<base64>\".");
    }
    PARLEY_ASSIGN_OR_RETURN(std::string bytes, Base64Decode(line.substr(colon + 1)));
    if (bytes.size() != kKeyBytes) {
      return InvalidArgument("INVALID_KEY", "A key is not 32 bytes long.");
    }
    ring.keys_.push_back({std::string(line.substr(0, colon)), Secret(std::move(bytes))});
  }
  if (ring.keys_.empty()) return InvalidArgument("INVALID_KEY", "The key file holds no key.");
  return ring;
}

absl::StatusOr<KeyRing> KeyRing::FromFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return NotFound("KEY_FILE_MISSING",
                    "The key file " + path + " cannot be read; create it or correct the setting.");
  }
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return Parse(text);
}

std::string KeyRing::Seal(const Secret& plain, const SealContext& context) const {
  const Key& key = keys_.front();
  std::string nonce(kNonceBytes, '\0');
  randombytes_buf(nonce.data(), nonce.size());
  const std::string data = AssociatedData(context);
  const std::string_view text = plain.Reveal();
  std::string cipher(text.size() + kTagBytes, '\0');
  crypto_aead_xchacha20poly1305_ietf_encrypt(Bytes(cipher), nullptr, Bytes(text), text.size(),
                                             Bytes(data), data.size(), nullptr, Bytes(nonce),
                                             Bytes(key.bytes.Reveal()));
  std::string sealed;
  sealed.push_back(kVersion);
  sealed.push_back(static_cast<char>(key.id.size()));
  return sealed + key.id + nonce + cipher;
}

absl::StatusOr<Secret> KeyRing::Open(std::string_view sealed, const SealContext& context) const {
  const absl::Status broken = ErrorStatus(absl::StatusCode::kDataLoss, "SEAL_BROKEN",
                                          "A sealed value was changed or belongs elsewhere.");
  if (sealed.size() < 2 || sealed[0] != kVersion) return broken;
  const auto id_size = static_cast<std::size_t>(static_cast<unsigned char>(sealed[1]));
  if (sealed.size() < 2 + id_size + kNonceBytes + kTagBytes) return broken;
  const std::string_view id = sealed.substr(2, id_size);
  const std::string_view nonce = sealed.substr(2 + id_size, kNonceBytes);
  const std::string_view cipher = sealed.substr(2 + id_size + kNonceBytes);
  for (const Key& key : keys_) {
    if (key.id != id) continue;
    const std::string data = AssociatedData(context);
    std::string plain(cipher.size() - kTagBytes, '\0');
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(Bytes(plain), nullptr, nullptr, Bytes(cipher),
                                                   cipher.size(), Bytes(data), data.size(),
                                                   Bytes(nonce), Bytes(key.bytes.Reveal())) != 0) {
      return broken;
    }
    return Secret(std::move(plain));
  }
  return FailedPrecondition("UNKNOWN_KEY",
                            "A value is sealed with a key that the key file does not hold.");
}

namespace {
std::counting_semaphore<2>& PasswordSlots() {
  static std::counting_semaphore<2> slots(2);
  return slots;
}
struct PasswordSlot {
  PasswordSlot() { PasswordSlots().acquire(); }
  ~PasswordSlot() { PasswordSlots().release(); }
};
}  // namespace

std::string HashPassword(const Secret& password) {
  EnsureSodium();
  const PasswordSlot slot;
  char hash[crypto_pwhash_STRBYTES];
  const std::string_view text = password.Reveal();
  if (crypto_pwhash_str(hash, text.data(), text.size(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                        crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
    std::abort();  // Out of memory.
  }
  return hash;
}

bool VerifyPassword(const Secret& password, const std::string& hash) {
  EnsureSodium();
  const PasswordSlot slot;
  const std::string_view text = password.Reveal();
  return crypto_pwhash_str_verify(hash.c_str(), text.data(), text.size()) == 0;
}

Secret NewToken(std::string_view prefix) {
  EnsureSodium();
  unsigned char bytes[32];
  randombytes_buf(bytes, sizeof bytes);
  std::string text(
      sodium_base64_encoded_len(sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes, sizeof bytes,
                    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  text.pop_back();
  return Secret(std::string(prefix) + "_" + text);
}

std::string HashToken(std::string_view token) { return Hex(Sha256(token)); }

}  // namespace parley::crypto
