// The known signatures of TWILIO.md 1.3, for every test that checks them.
#pragma once

#include <string_view>

#include "libs/base/secret.h"
#include "libs/twilio/form.h"

namespace parley::twilio {

inline const Secret kVectorToken{"12345"};

inline const FormParams kVectorParams = {{"CallSid", "CA1234567890ABCDE"},
                                         {"Caller", "+14158675309"},
                                         {"Digits", "1234"},
                                         {"From", "+14158675309"},
                                         {"To", "+18005551212"}};
inline const FormParams kVectorDocs = {{"CallSid", "CA1234567890ABCDE"},
                                       {"Caller", "+14158675310"},
                                       {"Digits", "1234"},
                                       {"From", "+14158675310"},
                                       {"To", "+18005551212"}};
inline const FormParams kVectorConference = {
    {"CallSid", "CA1234567890ABCDE"}, {"Caller", "+14158675309"}, {"Digits", "1234"},
    {"From", "+14158675309"},         {"To", "+18005551212"},     {"ReasonConferenceEnded", "test"},
    {"Reason", "Participant"}};
inline constexpr std::string_view kVectorJson = R"({"property": "value", "boolean": true})";

struct SignatureVector {
  int row;  // In TWILIO.md 1.3.
  std::string_view url;
  FormParams params;
  std::string_view body;  // Of a JSON request; empty: a form or GET.
  std::string_view signature;
};

inline const SignatureVector kSignatureVectors[] = {
    {1, "https://mycompany.com/myapp.php?foo=1&bar=2", kVectorParams, "",
     "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
    {2, "https://mycompany.com:443/myapp.php?foo=1&bar=2", kVectorParams, "",
     "kvajT1Ptam85bY51eRf/AJRuM3w="},
    {3, "http://mycompany.com:80/myapp.php?foo=1&bar=2", kVectorParams, "",
     "0ZXoZLH/DfblKGATFgpif+LLRf4="},
    {4, "http://mycompany.com:1234/myapp.php?foo=1&bar=2", kVectorParams, "",
     "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="},
    {5, "http://mycompany.com/myapp.php?foo=1&bar=2", kVectorParams, "",
     "OyGYPqTF6ztdbRNCvuQO/oPvqQ4="},
    {6, "https://mycompany.com:1234/myapp.php?foo=1&bar=2", kVectorParams, "",
     "CYn1h0gLBdNxDGkKJg6hYohgeD8="},
    {7,
     "https://mycompany.com/"
     "myapp.php?foo=1&bar=2&bodySHA256="
     "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
     {},
     kVectorJson,
     "a9nBmqA0ju/hNViExpshrM61xv4="},
    {8,
     "https://mycompany.com/"
     "myapp.php?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
     {},
     kVectorJson,
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
    {11, "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", kVectorParams, "",
     "CukzLTc1tT5dXEDIHm/tKBanW10="},
    {12, "https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2", kVectorParams, "",
     "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="},
    {13, "https://user@mycompany.com/myapp.php?foo=1&bar=2", kVectorParams, "",
     "2YRLlVAflCqxaNicjMpJcSTgzSs="},
    {14, "https://user@mycompany.com:443/myapp.php?foo=1&bar=2", kVectorParams, "",
     "aZfj4hyX1MLZhSS6QIL18Vn2/RA="},
    {15, "https://mycompany.com/myapp.php?foo=1&bar=2&Body=It%27s+amazing", kVectorParams, "",
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
    {18, "https://mycompany.com/myapp.php?foo=1&bar=2", kVectorConference, "",
     "vOEb5UThFn24KEfnOFLQY2AE5FY="},
    {19, "http://mycompany.com/myapp.php?foo=1&bar=2", kVectorConference, "",
     "n2xBNyzSW7rfYStDtOFiFMv7qNo="},
    {20,
     "https://mycompany.com/myapp.php?foo=1&bar=2",
     {{"property", "value"}, {"boolean", "true"}},
     "",
     "NBdBDr/T/lgjI+tlgpXjKZQZs/k="},
    {21, "https://mycompany.com/myapp.php?foo=1&bar=2", {}, "", "zYQTYrRWXE7LtzbG4PfP7/bkkGo="},
    {22, "https://mycompany.com/myapp.php", kVectorParams, "", "1xaxFBvyzXYvWplzNOSs28HWO94="},
    {23, "https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue", kVectorParams, "",
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
    {27, "https://mycompany.com/webhook/España?año=2023", kVectorParams, "",
     "G/Hx6mqqnjUNlPAoi2Sp9bGst0g="},
    {28,
     "https://mycompany.com/myapp.php?foo=1&bar=2",
     {{"callSid", "lowercase"}, {"CallSid", "uppercase"}, {"CALLSID", "allcaps"}},
     "",
     "jDK7WKT8wiNrwggd4ceTv4e1MJ4="},
    {29, "https://MyCompany.com/myapp.php?foo=1&bar=2", kVectorParams, "",
     "g9IN/x4Cft2g517EjYvEvM/W7LU="},
    {30, "https://MyCompany.com:1234/myapp.php?foo=1&bar=2", kVectorParams, "",
     "PCqOZm8cnu/L6+u5i5fuEd+Iac4="},
    {31, "http://MyCompany.com/myapp.php?foo=1&bar=2", kVectorParams, "",
     "XY7AlKOKL6im4yWyX84gldUrtis="},
    {32, "https://mycompany.com:443//myapp.php?foo=1&bar=2", kVectorParams, "",
     "A9lH3u16NjyiiM/+wylw5rirFUs="},
    {33, "https://example.com/myapp.php?foo=1&bar=2", kVectorDocs, "",
     "L/OH5YylLD5NRKLltdqwSvS0BnU="},
};

}  // namespace parley::twilio
