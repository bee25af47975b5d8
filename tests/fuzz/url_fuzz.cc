// URLs: the parts are the whole, byte for byte, and what is added can be read back.
#include "libs/twilio/callback.h"
#include "libs/twilio/url.h"
#include "tests/fuzz/fuzz.h"

namespace parley::fuzz {
namespace {

std::string Join(const twilio::UrlParts& parts) {
  std::string url(parts.scheme);
  url += "://";
  if (parts.has_userinfo) url.append(parts.userinfo).append("@");
  url += parts.host;
  if (!parts.port.empty()) url.append(":").append(parts.port);
  url += parts.path;
  if (parts.has_query) url.append("?").append(parts.query);
  return url;
}

void CheckSplit(std::string_view url) {
  const std::string_view bare = twilio::WithoutFragment(url);
  FUZZ_EXPECT(url.substr(0, bare.size()) == bare);
  FUZZ_EXPECT(bare.find('#') == std::string_view::npos);
  const auto parts = twilio::SplitUrl(url);
  if (!parts.ok()) return;
  FUZZ_EXPECT(Join(*parts) == bare);
  FUZZ_EXPECT(!parts->host.empty());
  FUZZ_EXPECT(parts->path.empty() || parts->path.front() == '/');
  FUZZ_EXPECT(parts->port.find_first_not_of("0123456789") == std::string_view::npos);
  FUZZ_EXPECT(bare.size() == url.size() || url.substr(bare.size() + 1) == parts->fragment);
  const auto prefix = twilio::OriginAndPrefix(url);
  FUZZ_EXPECT(prefix.ok() && prefix->back() != '/');
  const auto again = twilio::OriginAndPrefix(*prefix);
  FUZZ_EXPECT(again.ok() && *again == *prefix);
}

void CheckQuery(std::string_view url, FuzzedDataProvider& input) {
  const twilio::FormParams params = CleanParams(input, 4);
  const std::string with = twilio::AppendQuery(url, params);
  const std::string_view bare = twilio::WithoutFragment(with);
  FUZZ_EXPECT(with.substr(bare.size()) == url.substr(twilio::WithoutFragment(url).size()));
  if (params.empty()) {
    FUZZ_EXPECT(with == url);
    return;
  }
  const std::string added = twilio::EncodeForm(params);
  FUZZ_EXPECT(bare.ends_with(added));
  const auto before = twilio::SplitUrl(url);
  if (!before.ok()) return;
  const auto after = twilio::SplitUrl(with);
  FUZZ_EXPECT(after.ok() && after->has_query && after->host == before->host);
  const auto old_params = twilio::ParseForm(before->query);
  if (!old_params.ok()) return;
  const auto read = twilio::ParseForm(after->query, {.body_bytes_max = with.size()});
  FUZZ_EXPECT(read.ok() && read->size() == old_params->size() + params.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    FUZZ_EXPECT((*read)[old_params->size() + i] == params[i]);
  }
}

void CheckOverrides(std::string_view url, FuzzedDataProvider& input) {
  const auto milliseconds = [&](int max) {
    return std::chrono::milliseconds(input.ConsumeIntegralInRange(100, max));
  };
  twilio::ConnectionOverrides overrides;
  if (input.ConsumeBool()) overrides.retry_count = input.ConsumeIntegralInRange(0, 5);
  if (input.ConsumeBool()) overrides.retry_on = input.PickValueInArray({"all", "4xx,5xx", "ct"});
  if (input.ConsumeBool()) overrides.connect_timeout = milliseconds(10'000);
  if (input.ConsumeBool()) overrides.read_timeout = milliseconds(15'000);
  if (input.ConsumeBool()) overrides.total_timeout = milliseconds(15'000);
  const std::string with = twilio::WithConnectionOverrides(url, overrides);
  const std::string_view bare = twilio::WithoutFragment(with);
  FUZZ_EXPECT(bare == twilio::WithoutFragment(url));
  const auto read = twilio::ParseConnectionOverrides(
      bare.size() < with.size() ? std::string_view(with).substr(bare.size() + 1) : "");
  FUZZ_EXPECT(read.retry_count == overrides.retry_count && read.retry_on == overrides.retry_on);
  FUZZ_EXPECT(read.connect_timeout == overrides.connect_timeout);
  FUZZ_EXPECT(read.read_timeout == overrides.read_timeout);
  FUZZ_EXPECT(read.total_timeout == overrides.total_timeout);
}

// What a fragment says stays in Twilio's ranges, whatever it holds.
void CheckFragment(std::string_view fragment) {
  const auto read = twilio::ParseConnectionOverrides(fragment);
  FUZZ_EXPECT(!read.retry_count || (*read.retry_count >= 0 && *read.retry_count <= 5));
  for (const auto& time : {read.connect_timeout, read.read_timeout, read.total_timeout}) {
    FUZZ_EXPECT(!time || (time->count() >= 100 && time->count() <= 15'000));
  }
  (void)read.RetriesOn("5xx");
}

// The query of a status callback comes back as it was given.
void CheckTarget(FuzzedDataProvider& input) {
  const twilio::CallbackTarget target{.message_id = "0192f000-0000-7000-8000-000000000001",
                                      .attempt = input.ConsumeIntegralInRange(1, 1000)};
  const std::string url = twilio::StatusCallbackUrl("https://parley.example", target);
  const auto parts = twilio::SplitUrl(url);
  FUZZ_EXPECT(parts.ok());
  const auto query = twilio::ParseForm(parts->query);
  FUZZ_EXPECT(query.ok());
  const auto read = twilio::ParseCallbackTarget(*query);
  FUZZ_EXPECT(read.ok() && *read == target);
}

}  // namespace
}  // namespace parley::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;  // NOLINT: the entry point stands outside.
  fuzz::CheckSplit(fuzz::View(data, size));
  fuzz::CheckFragment(fuzz::View(data, size));
  FuzzedDataProvider input(data, size);
  fuzz::CheckTarget(input);
  fuzz::CheckOverrides("https://parley.example/a?b=c#d", input);
  const std::string url = input.ConsumeRandomLengthString(300);
  fuzz::CheckOverrides(url, input);
  fuzz::CheckQuery(url, input);
  if (const auto query = twilio::ParseForm(fuzz::View(data, size)); query.ok()) {
    const auto target = twilio::ParseCallbackTarget(*query);
    FUZZ_EXPECT(!target.ok() || (target->attempt >= 0 && target->attempt <= 1000));
  }
  return 0;
}
