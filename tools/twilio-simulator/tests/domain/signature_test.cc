#include "domain/signature.h"

#include <gtest/gtest.h>

namespace parley::simulator {
namespace {

const Params kCall = {{"CallSid", "CA1234567890ABCDE"},
                      {"Caller", "+14158675309"},
                      {"Digits", "1234"},
                      {"From", "+14158675309"},
                      {"To", "+18005551212"}};

Params With(Params params, const Params& more) {
  params.insert(params.end(), more.begin(), more.end());
  return params;
}

// Vectors that Twilio's own SDKs test themselves with; the token is "12345".
TEST(Sign, GivesTheSignaturesOfTwiliosVectors) {
  const std::string first = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
  const std::string empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
  const Params conference =
      With(kCall, {{"Reason", "Participant"}, {"ReasonConferenceEnded", "test"}});
  const struct {
    const char* label;
    std::string url;
    Params params;
    const char* want;
  } cases[] = {
      {"base case", "https://mycompany.com/myapp.php?foo=1&bar=2", kCall,
       "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
      {"https with its port", "https://mycompany.com:443/myapp.php?foo=1&bar=2", kCall,
       "kvajT1Ptam85bY51eRf/AJRuM3w="},
      {"http with its port", "http://mycompany.com:80/myapp.php?foo=1&bar=2", kCall,
       "0ZXoZLH/DfblKGATFgpif+LLRf4="},
      {"http, another port", "http://mycompany.com:1234/myapp.php?foo=1&bar=2", kCall,
       "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="},
      {"http without port", "http://mycompany.com/myapp.php?foo=1&bar=2", kCall,
       "OyGYPqTF6ztdbRNCvuQO/oPvqQ4="},
      {"https, another port", "https://mycompany.com:1234/myapp.php?foo=1&bar=2", kCall,
       "CYn1h0gLBdNxDGkKJg6hYohgeD8="},
      {"JSON body",
       "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=" + first,
       {},
       "a9nBmqA0ju/hNViExpshrM61xv4="},
      {"JSON body, no other query",
       "https://mycompany.com/myapp.php?bodySHA256=" + first,
       {},
       "y77kIzt2vzLz71DgmJGsen2scGs="},
      {"empty JSON with port",
       "https://mycompany.com:443/myapp.php?foo=1&bar=2&bodySHA256=" + empty,
       {},
       "Ldidvp12m26NI7eqEvxnEpkd9Hc="},
      {"empty JSON",
       "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=" + empty,
       {},
       "rw/jVviOgicj2+kHZULvebnA4ag="},
      {"user and password", "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", kCall,
       "CukzLTc1tT5dXEDIHm/tKBanW10="},
      {"user, password and port", "https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2",
       kCall, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="},
      {"user only", "https://user@mycompany.com/myapp.php?foo=1&bar=2", kCall,
       "2YRLlVAflCqxaNicjMpJcSTgzSs="},
      {"user and port", "https://user@mycompany.com:443/myapp.php?foo=1&bar=2", kCall,
       "aZfj4hyX1MLZhSS6QIL18Vn2/RA="},
      {"apostrophe in the query", "https://mycompany.com/myapp.php?foo=1&bar=2&Body=It%27s+amazing",
       kCall, "TfZzewPq8wqrGlMfyAud8+/IvJ0="},
      {"repeated names collapse",
       "https://mycompany.com/myapp.php?foo=1&bar=2",
       {{"Sid", "CA123"},
        {"SidAccount", "AC123"},
        {"Digits", "5678"},
        {"Digits", "1234"},
        {"Digits", "1234"}},
       "IK+Dwps556ElfBT0I3Rgjkr1wJU="},
      {"sorted by name alone", "https://mycompany.com/myapp.php?foo=1&bar=2", conference,
       "vOEb5UThFn24KEfnOFLQY2AE5FY="},
      {"the same on http", "http://mycompany.com/myapp.php?foo=1&bar=2", conference,
       "n2xBNyzSW7rfYStDtOFiFMv7qNo="},
      {"form fields",
       "https://mycompany.com/myapp.php?foo=1&bar=2",
       {{"property", "value"}, {"boolean", "true"}},
       "NBdBDr/T/lgjI+tlgpXjKZQZs/k="},
      {"no parameters",
       "https://mycompany.com/myapp.php?foo=1&bar=2",
       {},
       "zYQTYrRWXE7LtzbG4PfP7/bkkGo="},
      {"no query", "https://mycompany.com/myapp.php", kCall, "1xaxFBvyzXYvWplzNOSs28HWO94="},
      {"encoded query stays", "https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue",
       kCall, "er2tvAP1Wx+iuTTE2BPgvEaN1cs="},
      {"UTF-8 values",
       "https://mycompany.com/myapp.php?foo=1&bar=2",
       {{"Message", "Hello & goodbye! @#$%^*()"},
        {"From", "+1 (415) 867-5309"},
        {"Special", "unicode: ñáéíóú"}},
       "dCPiR4WtQ6QFN6pJh81CtlCcWLQ="},
      {"empty values",
       "https://mycompany.com/myapp.php?foo=1&bar=2",
       {{"Digits", ""}, {"CallSid", "CA1234567890ABCDE"}, {"EmptyParam", ""}},
       "9HHp/OqQMEwdrVebHDdA/+tqjX8="},
      {"sorting",
       "https://mycompany.com/myapp.php?foo=1&bar=2",
       {{"Zebra", "last"}, {"Alpha", "first"}, {"Beta", "second"}, {"Gamma", "third"}},
       "enveUe73ZTVLAekHxez3Qx6JuuQ="},
      {"a URL that is not ASCII", "https://mycompany.com/webhook/España?año=2023", kCall,
       "G/Hx6mqqnjUNlPAoi2Sp9bGst0g="},
      {"case decides the order",
       "https://mycompany.com/myapp.php?foo=1&bar=2",
       {{"callSid", "lowercase"}, {"CallSid", "uppercase"}, {"CALLSID", "allcaps"}},
       "jDK7WKT8wiNrwggd4ceTv4e1MJ4="},
      {"the host's case stays", "https://MyCompany.com/myapp.php?foo=1&bar=2", kCall,
       "g9IN/x4Cft2g517EjYvEvM/W7LU="},
      {"the host's case, port", "https://MyCompany.com:1234/myapp.php?foo=1&bar=2", kCall,
       "PCqOZm8cnu/L6+u5i5fuEd+Iac4="},
      {"the host's case, http", "http://MyCompany.com/myapp.php?foo=1&bar=2", kCall,
       "XY7AlKOKL6im4yWyX84gldUrtis="},
      {"double slash", "https://mycompany.com:443//myapp.php?foo=1&bar=2", kCall,
       "A9lH3u16NjyiiM/+wylw5rirFUs="},
  };
  for (const auto& c : cases) EXPECT_EQ(Sign("12345", c.url, c.params), c.want) << c.label;
}

TEST(ParseWebhookUrl, TakesTheUrlApartAsTwilioSignsIt) {
  const struct {
    const char* url;
    bool voice;
    const char* host;
    const char* port;
    const char* target;
    const char* to_sign;
  } cases[] = {
      {"https://a.example/x?y=1#rc=5&rp=all", false, "a.example", "443", "/x?y=1",
       "https://a.example/x?y=1"},
      {"http://a.example:8080", false, "a.example", "8080", "/", "http://a.example:8080"},
      {"http://u:p%40@a.example/x", false, "a.example", "80", "/x", "http://a.example/x"},
      {"https://a.example:8443/x", false, "a.example", "8443", "/x", "https://a.example:8443/x"},
      {"https://a.example:8443/x", true, "a.example", "8443", "/x", "https://a.example/x"},
      {"http://a.example:8080/x", true, "a.example", "8080", "/x", "http://a.example:8080/x"},
      {"HTTPS://A.example/x", false, "A.example", "443", "/x", "HTTPS://A.example/x"},
      {"http://[::1]:8080/x", false, "::1", "8080", "/x", "http://[::1]:8080/x"},
  };
  for (const auto& c : cases) {
    WebhookUrl url;
    ASSERT_TRUE(ParseWebhookUrl(c.url, c.voice, url)) << c.url;
    EXPECT_EQ(url.host, c.host) << c.url;
    EXPECT_EQ(url.port, c.port) << c.url;
    EXPECT_EQ(url.target, c.target) << c.url;
    EXPECT_EQ(url.to_sign, c.to_sign) << c.url;
  }
}

TEST(ParseWebhookUrl, RefusesWhatCannotBeCalled) {
  for (const char* text :
       {"", "example.com", "/path", "ftp://a.example/", "http://", "http:///x",
        "http://a_b.example/", "http://a.example:0/", "http://a.example:99999/",
        "http://a.example:x/", "http://a.example/\nX: y", "http://a .example/", "http://[]/"}) {
    WebhookUrl url;
    EXPECT_FALSE(ParseWebhookUrl(text, false, url)) << text;
  }
}

}  // namespace
}  // namespace parley::simulator
