#include "libs/twilio/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/twilio/tests/signature_vectors.h"

namespace parley::twilio {
namespace {

absl::Status Verify(const SignatureVector& v, std::string_view url, std::string_view signature) {
  if (!v.body.empty()) return VerifyBodySignature({url, v.body, signature}, kVectorToken);
  return VerifySignature({url, v.params, signature}, kVectorToken);
}

TEST(VerifySignature, AcceptsEveryKnownVector) {
  for (const SignatureVector& v : kSignatureVectors) {
    EXPECT_TRUE(Verify(v, v.url, v.signature).ok()) << "row " << v.row << " " << v.url;
  }
}

TEST(VerifySignature, RefusesEveryVectorWithAChange) {
  for (const SignatureVector& v : kSignatureVectors) {
    std::string wrong(v.signature);
    wrong[0] = wrong[0] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Verify(v, v.url, wrong).ok()) << "row " << v.row;
    EXPECT_FALSE(Verify(v, std::string(v.url) + "x", v.signature).ok()) << "row " << v.row;
    const Secret other{"54321"};
    EXPECT_FALSE(VerifySignature({v.url, v.params, v.signature}, other).ok()) << "row " << v.row;
  }
}

TEST(Sign, ReproducesTheVectorsThatAreSignedAsTheyStand) {
  for (const SignatureVector& v : kSignatureVectors) {
    EXPECT_EQ(Sign(v.url, v.params, kVectorToken), v.signature) << "row " << v.row;
  }
}

TEST(VerifySignature, AcceptsTheUrlWithAndWithoutPort) {
  constexpr std::string_view kWithout = "https://mycompany.com/myapp.php?foo=1&bar=2";
  constexpr std::string_view kWith = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
  constexpr std::string_view kOther = "https://mycompany.com:1234/myapp.php?foo=1&bar=2";
  for (const std::string_view signed_url : {kWithout, kWith}) {
    for (const std::string_view seen : {kWithout, kWith}) {
      EXPECT_TRUE(
          VerifySignature({seen, kVectorParams, Sign(signed_url, kVectorParams, kVectorToken)},
                          kVectorToken)
              .ok())
          << signed_url << " seen as " << seen;
    }
  }
  // Voice over https is signed without its port, whatever the port.
  EXPECT_TRUE(VerifySignature({kOther, kVectorParams, Sign(kWithout, kVectorParams, kVectorToken)},
                              kVectorToken)
                  .ok());
  // But a port is never invented.
  EXPECT_FALSE(VerifySignature({kWithout, kVectorParams, Sign(kOther, kVectorParams, kVectorToken)},
                               kVectorToken)
                   .ok());
}

TEST(VerifySignature, AcceptsTheLegacyFormOfTheQuery) {
  // Row 15, as the validator receives it.
  EXPECT_TRUE(VerifySignature({"https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing",
                               kVectorParams, "TfZzewPq8wqrGlMfyAud8+/IvJ0="},
                              kVectorToken)
                  .ok());
}

TEST(VerifySignature, RefusesAWrongOrderOfNamesAndValues) {
  // The negative vector of TWILIO.md 1.3: row 18 sorted by name and value as one text.
  const absl::Status status = VerifySignature({"https://mycompany.com/myapp.php?foo=1&bar=2",
                                               kVectorConference, "95+Bu0JVPi0r/SsESZCVf0dWAjw="},
                                              kVectorToken);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ErrorReason(status), "SIGNATURE_MISMATCH");
}

TEST(VerifySignature, NamesWhatIsWrongWithTheHeader) {
  const struct {
    const char* label;
    std::string_view signature;
    absl::StatusCode code;
    const char* reason;
  } cases[] = {
      {"missing", "", absl::StatusCode::kInvalidArgument, "SIGNATURE_MISSING"},
      {"too short", "abc=", absl::StatusCode::kInvalidArgument, "SIGNATURE_MALFORMED"},
      {"not base64", "RSOYDt4T1cUTdK1PDd93/VVr8B!=", absl::StatusCode::kInvalidArgument,
       "SIGNATURE_MALFORMED"},
      {"no padding", "RSOYDt4T1cUTdK1PDd93/VVr8B8A", absl::StatusCode::kInvalidArgument,
       "SIGNATURE_MALFORMED"},
      {"another's", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", absl::StatusCode::kUnauthenticated,
       "SIGNATURE_MISMATCH"},
  };
  for (const auto& c : cases) {
    const absl::Status status =
        VerifySignature({"https://mycompany.com/", kVectorParams, c.signature}, kVectorToken);
    EXPECT_EQ(status.code(), c.code) << c.label;
    EXPECT_EQ(ErrorReason(status), c.reason) << c.label;
  }
}

TEST(VerifySignature, NeverMatchesAnEmptyToken) {
  const std::string url = "https://mycompany.com/";
  const Secret none;
  EXPECT_FALSE(VerifySignature({url, kVectorParams, Sign(url, kVectorParams, none)}, none).ok());
}

TEST(VerifyBodySignature, ChecksTheHashOfTheBody) {
  const std::string url = "https://mycompany.com/myapp.php?bodySHA256=" + BodySha256(kVectorJson);
  const std::string signature = Sign(url, {}, kVectorToken);
  EXPECT_TRUE(VerifyBodySignature({url, kVectorJson, signature}, kVectorToken).ok());
  EXPECT_EQ(ErrorReason(VerifyBodySignature({url, "{}", signature}, kVectorToken)),
            "BODY_HASH_MISMATCH");
  const std::string bare = "https://mycompany.com/myapp.php";
  EXPECT_EQ(ErrorReason(VerifyBodySignature({bare, kVectorJson, Sign(bare, {}, kVectorToken)},
                                            kVectorToken)),
            "BODY_HASH_MISSING");
}

TEST(SignatureCandidates, LeavesTheFragmentOut) {
  EXPECT_THAT(SignatureCandidates("http://a.example/x#rc=5&rp=all"),
              testing::ElementsAre("http://a.example/x", "http://a.example:80/x"));
}

}  // namespace
}  // namespace parley::twilio
