// Signatures: every candidate of a URL verifies, and nothing else does.
#include <algorithm>
#include <set>

#include "libs/twilio/signature.h"
#include "tests/fuzz/fuzz.h"

namespace parley::fuzz {
namespace {

// As it is, and with and without port, each with the query as it is and written anew.
constexpr std::size_t kCandidatesMax = 5;

void CheckCandidates(std::string_view url, const std::vector<std::string>& candidates) {
  FUZZ_EXPECT(!candidates.empty() && candidates.size() <= kCandidatesMax);
  FUZZ_EXPECT(candidates.front() == url.substr(0, url.find('#')));
  FUZZ_EXPECT(std::set(candidates.begin(), candidates.end()).size() == candidates.size());
  for (const std::string& candidate : candidates) {
    FUZZ_EXPECT(candidate.find('#') == std::string::npos);
  }
}

twilio::FormParams Reversed(const twilio::FormParams& params) {
  twilio::FormParams reversed;
  for (std::size_t i = params.size(); i-- > 0;) reversed.Add(params[i].name, params[i].value);
  return reversed;
}

void CheckVerification(FuzzedDataProvider& input) {
  const Secret token(input.ConsumeRandomLengthString(40));
  const std::string url = input.PickValueInArray({"", "https://a.example:8443/x?b=c'd e#f"}) +
                          input.ConsumeRandomLengthString(300);
  const twilio::FormParams params = CleanParams(input, 5);
  const std::vector<std::string> candidates = twilio::SignatureCandidates(url);
  CheckCandidates(url, candidates);
  if (token.empty()) {
    const std::string signature = twilio::Sign(url, params, token);
    FUZZ_EXPECT(!twilio::VerifySignature({url, params, signature}, token).ok());
    return;
  }
  std::set<std::string> valid;
  for (const std::string& candidate : candidates) {
    const std::string signature = twilio::Sign(candidate, params, token);
    FUZZ_EXPECT(twilio::VerifySignature({url, params, signature}, token).ok());
    FUZZ_EXPECT(twilio::VerifySignature({url, Reversed(params), signature}, token).ok());
    valid.insert(signature);
  }
  // A signature that is nearly right, and any text at all.
  std::string near = *valid.begin();
  const auto at = input.ConsumeIntegralInRange<std::size_t>(0, near.size() - 1);
  near[at] = input.ConsumeIntegral<char>();
  for (const std::string& signature : {near, input.ConsumeRandomLengthString(40)}) {
    FUZZ_EXPECT(twilio::VerifySignature({url, params, signature}, token).ok() ==
                valid.contains(signature));
  }
  const Secret other(std::string(token.Reveal()) + "x");
  FUZZ_EXPECT(!twilio::VerifySignature({url, params, *valid.begin()}, other).ok());
  twilio::FormParams more = params;
  more.Add("Body", "added on the way");
  // The same pair twice counts once, so it may have been there.
  const bool same = std::ranges::count(params.All("Body"), "added on the way") > 0;
  FUZZ_EXPECT(twilio::VerifySignature({url, more, *valid.begin()}, token).ok() == same);
}

void CheckBody(FuzzedDataProvider& input) {
  const Secret token("12345");
  const std::string path = input.ConsumeRandomLengthString(60);
  const std::string body = input.ConsumeRemainingBytesAsString();
  (void)twilio::VerifyBodySignature({path, body, "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, token);
  const std::string url = "https://a.example/x?bodySHA256=" + twilio::BodySha256(body);
  const std::string signature = twilio::Sign(url, {}, token);
  FUZZ_EXPECT(twilio::VerifyBodySignature({url, body, signature}, token).ok());
  FUZZ_EXPECT(!twilio::VerifyBodySignature({url, body + " ", signature}, token).ok());
}

}  // namespace
}  // namespace parley::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  parley::fuzz::CheckVerification(input);
  FuzzedDataProvider body(data, size);
  parley::fuzz::CheckBody(body);
  return 0;
}
