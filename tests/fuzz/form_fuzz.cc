// Form bodies: what is read is clean and bounded, and writing it anew gives the same.
#include "libs/twilio/form.h"
#include "tests/fuzz/fuzz.h"

namespace parley::fuzz {
namespace {

void CheckRead(std::string_view body) {
  const auto params = twilio::ParseForm(body);
  if (!params.ok()) return;
  FUZZ_EXPECT(body.size() <= twilio::kWebhookBodyBytesMax);
  FUZZ_EXPECT(params->size() <= twilio::kFormParamsMax);
  std::size_t bytes = 0;
  for (const twilio::FormParam param : *params) {
    FUZZ_EXPECT(IsCleanUtf8(param.name));
    FUZZ_EXPECT(IsCleanUtf8(param.value));
    FUZZ_EXPECT(params->Get(param.name) == params->All(param.name).front());
    bytes += param.name.size() + param.value.size();
  }
  FUZZ_EXPECT(bytes <= body.size());
  const std::string written = twilio::EncodeForm(*params);
  // An escape takes three bytes, and "name" comes back as "name=".
  const auto again = twilio::ParseForm(written, {.body_bytes_max = 5 * body.size() + 1});
  FUZZ_EXPECT(again.ok());
  FUZZ_EXPECT(Equal(*params, *again));
  FUZZ_EXPECT(twilio::EncodeForm(*again) == written);
}

void CheckLimits(std::string_view body) {
  const auto params = twilio::ParseForm(body, {.body_bytes_max = 64, .params_max = 3});
  FUZZ_EXPECT(!params.ok() || (body.size() <= 64 && params->size() <= 3));
}

void CheckWritten(FuzzedDataProvider& input) {
  const twilio::FormParams params = CleanParams(input, 8);
  std::string body = twilio::EncodeForm(params);
  const auto read = twilio::ParseForm(body);
  FUZZ_EXPECT(read.ok());
  FUZZ_EXPECT(Equal(params, *read));
  // Twilio writes a space as "+".
  for (std::size_t at = body.find("%20"); at != std::string::npos; at = body.find("%20", at)) {
    body.replace(at, 3, "+");
  }
  const auto plus = twilio::ParseForm(body);
  FUZZ_EXPECT(plus.ok() && Equal(params, *plus));
}

}  // namespace
}  // namespace parley::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parley::fuzz::CheckRead(parley::fuzz::View(data, size));
  parley::fuzz::CheckLimits(parley::fuzz::View(data, size));
  FuzzedDataProvider input(data, size);
  parley::fuzz::CheckWritten(input);
  return 0;
}
