#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/crypto/credential.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/seal.h"

namespace parley::crypto {
namespace {

const std::string kFirst = "k1:" + Base64(std::string(32, 'a')) + "\n";
const std::string kSecond = "k2:" + Base64(std::string(32, 'b')) + "\n";

TEST(Digest, MatchesKnownVectors) {
  EXPECT_EQ(Hex(Sha256("{}")), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  EXPECT_EQ(Hex(HmacSha1("key", "The quick brown fox jumps over the lazy dog")),
            "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9");
  EXPECT_EQ(Base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  EXPECT_EQ(*Base64Decode("YW55IGNhcm5hbCBwbGVhcw=="), "any carnal pleas");
  EXPECT_FALSE(Base64Decode("YW5*").ok());
  EXPECT_TRUE(ConstantTimeEquals("same", "same"));
  EXPECT_FALSE(ConstantTimeEquals("same", "sama"));
  EXPECT_FALSE(ConstantTimeEquals("same", "sam"));
}

TEST(KeyRing, OpensWhatAnOlderKeySealed) {
  const KeyRing old_ring = *KeyRing::Parse(kFirst);
  const KeyRing rotated = *KeyRing::Parse("# new first\n" + kSecond + kFirst);
  const SealContext context{kTwilioToken, "AC1"};
  const std::string sealed = old_ring.Seal(Secret("token"), context);
  EXPECT_EQ(sealed.find("token"), std::string::npos);
  EXPECT_EQ(rotated.Open(sealed, context)->Reveal(), "token");
  EXPECT_EQ(ErrorReason(old_ring.Open(rotated.Seal(Secret("t"), context), context).status()),
            "UNKNOWN_KEY");
}

TEST(KeyRing, BindsAValueToItsPurposeAndSubject) {
  const KeyRing ring = *KeyRing::Parse(kFirst);
  std::string sealed = ring.Seal(Secret("token"), {kTwilioToken, "AC1"});
  EXPECT_FALSE(ring.Open(sealed, {kTwilioToken, "AC2"}).ok());
  EXPECT_FALSE(ring.Open(sealed, {kAiKey, "AC1"}).ok());
  sealed.back() = static_cast<char>(sealed.back() ^ 1);
  EXPECT_FALSE(ring.Open(sealed, {kTwilioToken, "AC1"}).ok());
  EXPECT_FALSE(ring.Open("", {kTwilioToken, "AC1"}).ok());
  EXPECT_FALSE(ring.Open(std::string("\x01\xff", 2), {kTwilioToken, "AC1"}).ok());
}

TEST(KeyRing, RefusesFilesWithoutAValidKey) {
  for (const std::string text : {"", "# only a comment", "nocolon", "k:c2hvcnQ=", ":YQ=="}) {
    EXPECT_FALSE(KeyRing::Parse(text).ok()) << text;
  }
  EXPECT_EQ(ErrorReason(KeyRing::FromFile("/nonexistent").status()), "KEY_FILE_MISSING");
}

TEST(Credential, VerifiesOnlyTheRightPassword) {
  const std::string hash = HashPassword(Secret("correct horse"));
  EXPECT_TRUE(hash.starts_with("$argon2id$"));
  EXPECT_TRUE(VerifyPassword(Secret("correct horse"), hash));
  EXPECT_FALSE(VerifyPassword(Secret("wrong"), hash));
  EXPECT_FALSE(VerifyPassword(Secret("x"), "not a hash"));
}

TEST(Credential, TokensAreRandomAndStoredHashed) {
  const Secret token = NewToken("pk");
  EXPECT_TRUE(token.Reveal().starts_with("pk_"));
  EXPECT_NE(token, NewToken("pk"));
  EXPECT_EQ(HashToken(token.Reveal()).size(), 64u);
}

}  // namespace
}  // namespace parley::crypto
