#include "libs/twilio/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::twilio {
namespace {

const Secret kToken{"12345"};

const FormParams kBase = {{"CallSid", "CA1234567890ABCDE"},
                          {"Caller", "+14158675309"},
                          {"Digits", "1234"},
                          {"From", "+14158675309"},
                          {"To", "+18005551212"}};
const FormParams kDocs = {{"CallSid", "CA1234567890ABCDE"},
                          {"Caller", "+14158675310"},
                          {"Digits", "1234"},
                          {"From", "+14158675310"},
                          {"To", "+18005551212"}};
const FormParams kConference = {
    {"CallSid", "CA1234567890ABCDE"}, {"Caller", "+14158675309"}, {"Digits", "1234"},
    {"From", "+14158675309"},         {"To", "+18005551212"},     {"ReasonConferenceEnded", "test"},
    {"Reason", "Participant"}};
constexpr std::string_view kJson = R"({"property": "value", "boolean": true})";

struct Vector {
  int row;  // In TWILIO.md 1.3.
  std::string_view url;
  FormParams params;
  std::string_view body;  // Of a JSON request; empty: a form or GET.
  std::string_view signature;
};

const Vector kVectors[] = {
    {1, "https://mycompany.com/myapp.php?foo=1&bar=2", kBase, "", "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
    {2, "https://mycompany.com:443/myapp.php?foo=1&bar=2", kBase, "",
     "kvajT1Ptam85bY51eRf/AJRuM3w="},
    {3, "http://mycompany.com:80/myapp.php?foo=1&bar=2", kBase, "", "0ZXoZLH/DfblKGATFgpif+LLRf4="},
    {4, "http://mycompany.com:1234/myapp.php?foo=1&bar=2", kBase, "",
     "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="},
    {5, "http://mycompany.com/myapp.php?foo=1&bar=2", kBase, "", "OyGYPqTF6ztdbRNCvuQO/oPvqQ4="},
    {6, "https://mycompany.com:1234/myapp.php?foo=1&bar=2", kBase, "",
     "CYn1h0gLBdNxDGkKJg6hYohgeD8="},
    {7,
     "https://mycompany.com/"
     "myapp.php?foo=1&bar=2&bodySHA256="
     "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
     {},
     kJson,
     "a9nBmqA0ju/hNViExpshrM61xv4="},
    {8,
     "https://mycompany.com/"
     "myapp.php?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
     {},
     kJson,
     "y77kIzt2vzLz71DgmJGsen2scGs="},
    {9,
     "https://mycompany.com:443/"
     "myapp.php?foo=1&bar=2&bodySHA256="
     "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
     {},
     "{}",
     "Ldidvp12m26NI7eqEvxnEpkd9Hc="},
    {10,
     "https://mycompany.com/"
     "myapp.php?foo=1&bar=2&bodySHA256="
     "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
     {},
     "{}",
     "rw/jVviOgicj2+kHZULvebnA4ag="},
    {11, "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", kBase, "",
     "CukzLTc1tT5dXEDIHm/tKBanW10="},
    {12, "https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2", kBase, "",
     "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="},
    {13, "https://user@mycompany.com/myapp.php?foo=1&bar=2", kBase, "",
     "2YRLlVAflCqxaNicjMpJcSTgzSs="},
    {14, "https://user@mycompany.com:443/myapp.php?foo=1&bar=2", kBase, "",
     "aZfj4hyX1MLZhSS6QIL18Vn2/RA="},
    {15, "https://mycompany.com/myapp.php?foo=1&bar=2&Body=It%27s+amazing", kBase, "",
     "TfZzewPq8wqrGlMfyAud8+/IvJ0="},
    {17,
     "https://mycompany.com/myapp.php?foo=1&bar=2",
     {{"Sid", "CA123"},
      {"SidAccount", "AC123"},
      {"Digits", "5678"},
      {"Digits", "1234"},
      {"Digits", "1234"}},
     "",
     "IK+Dwps556ElfBT0I3Rgjkr1wJU="},
    {18, "https://mycompany.com/myapp.php?foo=1&bar=2", kConference, "",
     "vOEb5UThFn24KEfnOFLQY2AE5FY="},
    {19, "http://mycompany.com/myapp.php?foo=1&bar=2", kConference, "",
     "n2xBNyzSW7rfYStDtOFiFMv7qNo="},
    {20,
     "https://mycompany.com/myapp.php?foo=1&bar=2",
     {{"property", "value"}, {"boolean", "true"}},
     "",
     "NBdBDr/T/lgjI+tlgpXjKZQZs/k="},
    {21, "https://mycompany.com/myapp.php?foo=1&bar=2", {}, "", "zYQTYrRWXE7LtzbG4PfP7/bkkGo="},
    {22, "https://mycompany.com/myapp.php", kBase, "", "1xaxFBvyzXYvWplzNOSs28HWO94="},
    {23, "https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue", kBase, "",
     "er2tvAP1Wx+iuTTE2BPgvEaN1cs="},
    {24,
     "https://mycompany.com/myapp.php?foo=1&bar=2",
     {{"Message", "Hello & goodbye! @#$%^*()"},
      {"From", "+1 (415) 867-5309"},
      {"Special", "unicode: ñáéíóú"}},
     "",
     "dCPiR4WtQ6QFN6pJh81CtlCcWLQ="},
    {25,
     "https://mycompany.com/myapp.php?foo=1&bar=2",
     {{"Digits", ""}, {"CallSid", "CA1234567890ABCDE"}, {"EmptyParam", ""}},
     "",
     "9HHp/OqQMEwdrVebHDdA/+tqjX8="},
    {26,
     "https://mycompany.com/myapp.php?foo=1&bar=2",
     {{"Zebra", "last"}, {"Alpha", "first"}, {"Beta", "second"}, {"Gamma", "third"}},
     "",
     "enveUe73ZTVLAekHxez3Qx6JuuQ="},
    {27, "https://mycompany.com/webhook/España?año=2023", kBase, "",
     "G/Hx6mqqnjUNlPAoi2Sp9bGst0g="},
    {28,
     "https://mycompany.com/myapp.php?foo=1&bar=2",
     {{"callSid", "lowercase"}, {"CallSid", "uppercase"}, {"CALLSID", "allcaps"}},
     "",
     "jDK7WKT8wiNrwggd4ceTv4e1MJ4="},
    {29, "https://MyCompany.com/myapp.php?foo=1&bar=2", kBase, "", "g9IN/x4Cft2g517EjYvEvM/W7LU="},
    {30, "https://MyCompany.com:1234/myapp.php?foo=1&bar=2", kBase, "",
     "PCqOZm8cnu/L6+u5i5fuEd+Iac4="},
    {31, "http://MyCompany.com/myapp.php?foo=1&bar=2", kBase, "", "XY7AlKOKL6im4yWyX84gldUrtis="},
    {32, "https://mycompany.com:443//myapp.php?foo=1&bar=2", kBase, "",
     "A9lH3u16NjyiiM/+wylw5rirFUs="},
    {33, "https://example.com/myapp.php?foo=1&bar=2", kDocs, "", "L/OH5YylLD5NRKLltdqwSvS0BnU="},
};

absl::Status Verify(const Vector& v, std::string_view url, std::string_view signature) {
  if (!v.body.empty()) return VerifyBodySignature({url, v.body, signature}, kToken);
  return VerifySignature({url, v.params, signature}, kToken);
}

TEST(VerifySignature, AcceptsEveryKnownVector) {
  for (const Vector& v : kVectors) {
    EXPECT_TRUE(Verify(v, v.url, v.signature).ok()) << "row " << v.row << " " << v.url;
  }
}

TEST(VerifySignature, RefusesEveryVectorWithAChange) {
  for (const Vector& v : kVectors) {
    std::string wrong(v.signature);
    wrong[0] = wrong[0] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Verify(v, v.url, wrong).ok()) << "row " << v.row;
    EXPECT_FALSE(Verify(v, std::string(v.url) + "x", v.signature).ok()) << "row " << v.row;
    const Secret other{"54321"};
    EXPECT_FALSE(VerifySignature({v.url, v.params, v.signature}, other).ok()) << "row " << v.row;
  }
}

TEST(Sign, ReproducesTheVectorsThatAreSignedAsTheyStand) {
  for (const Vector& v : kVectors) {
    EXPECT_EQ(Sign(v.url, v.params, kToken), v.signature) << "row " << v.row;
  }
}

TEST(VerifySignature, AcceptsTheUrlWithAndWithoutPort) {
  constexpr std::string_view kWithout = "https://mycompany.com/myapp.php?foo=1&bar=2";
  constexpr std::string_view kWith = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
  constexpr std::string_view kOther = "https://mycompany.com:1234/myapp.php?foo=1&bar=2";
  for (const std::string_view signed_url : {kWithout, kWith}) {
    for (const std::string_view seen : {kWithout, kWith}) {
      EXPECT_TRUE(VerifySignature({seen, kBase, Sign(signed_url, kBase, kToken)}, kToken).ok())
          << signed_url << " seen as " << seen;
    }
  }
  // Voice over https is signed without its port, whatever the port.
  EXPECT_TRUE(VerifySignature({kOther, kBase, Sign(kWithout, kBase, kToken)}, kToken).ok());
  // But a port is never invented.
  EXPECT_FALSE(VerifySignature({kWithout, kBase, Sign(kOther, kBase, kToken)}, kToken).ok());
}

TEST(VerifySignature, AcceptsTheLegacyFormOfTheQuery) {
  // Row 15, as the validator receives it.
  EXPECT_TRUE(VerifySignature({"https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing",
                               kBase, "TfZzewPq8wqrGlMfyAud8+/IvJ0="},
                              kToken)
                  .ok());
}

TEST(VerifySignature, RefusesAWrongOrderOfNamesAndValues) {
  // The negative vector of TWILIO.md 1.3: row 18 sorted by name and value as one text.
  const absl::Status status = VerifySignature(
      {"https://mycompany.com/myapp.php?foo=1&bar=2", kConference, "95+Bu0JVPi0r/SsESZCVf0dWAjw="},
      kToken);
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
        VerifySignature({"https://mycompany.com/", kBase, c.signature}, kToken);
    EXPECT_EQ(status.code(), c.code) << c.label;
    EXPECT_EQ(ErrorReason(status), c.reason) << c.label;
  }
}

TEST(VerifySignature, NeverMatchesAnEmptyToken) {
  const std::string url = "https://mycompany.com/";
  const Secret none;
  EXPECT_FALSE(VerifySignature({url, kBase, Sign(url, kBase, none)}, none).ok());
}

TEST(VerifyBodySignature, ChecksTheHashOfTheBody) {
  const std::string url = "https://mycompany.com/myapp.php?bodySHA256=" + BodySha256(kJson);
  const std::string signature = Sign(url, {}, kToken);
  EXPECT_TRUE(VerifyBodySignature({url, kJson, signature}, kToken).ok());
  EXPECT_EQ(ErrorReason(VerifyBodySignature({url, "{}", signature}, kToken)), "BODY_HASH_MISMATCH");
  const std::string bare = "https://mycompany.com/myapp.php";
  EXPECT_EQ(ErrorReason(VerifyBodySignature({bare, kJson, Sign(bare, {}, kToken)}, kToken)),
            "BODY_HASH_MISSING");
}

TEST(SignatureCandidates, LeavesTheFragmentOut) {
  EXPECT_THAT(SignatureCandidates("http://a.example/x#rc=5&rp=all"),
              testing::ElementsAre("http://a.example/x", "http://a.example:80/x"));
}

}  // namespace
}  // namespace parley::twilio
