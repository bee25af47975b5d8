// Keywords: only whole words, in any case and with white space around them (TWILIO.md 8).
#include <map>

#include "libs/twilio/keywords.h"
#include "tests/fuzz/fuzz.h"

namespace parley::fuzz {
namespace {

using twilio::FindKeyword;
using twilio::Keyword;

// Written down anew, so that a slip in the product's table is seen.
const std::map<std::string, Keyword, std::less<>>& Words() {
  static const std::map<std::string, Keyword, std::less<>> words = {
      {"STOP", Keyword::kStop},   {"STOPALL", Keyword::kStop}, {"UNSUBSCRIBE", Keyword::kStop},
      {"CANCEL", Keyword::kStop}, {"END", Keyword::kStop},     {"QUIT", Keyword::kStop},
      {"REVOKE", Keyword::kStop}, {"OPTOUT", Keyword::kStop},  {"START", Keyword::kStart},
      {"YES", Keyword::kStart},   {"UNSTOP", Keyword::kStart}, {"HELP", Keyword::kHelp},
      {"INFO", Keyword::kHelp}};
  return words;
}

Keyword Expected(std::string_view body) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  while (!body.empty() && kSpace.find(body.front()) != std::string_view::npos) {
    body.remove_prefix(1);
  }
  while (!body.empty() && kSpace.find(body.back()) != std::string_view::npos) body.remove_suffix(1);
  std::string word(body);
  for (char& c : word) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  const auto found = Words().find(word);
  return found == Words().end() ? Keyword::kNone : found->second;
}

// A known word with anything around it.
void CheckAround(FuzzedDataProvider& input) {
  auto word = Words().begin();
  std::advance(word, input.ConsumeIntegralInRange<std::size_t>(0, Words().size() - 1));
  std::string text = word->first;
  for (char& c : text) {
    if (input.ConsumeBool()) c = static_cast<char>(c - 'A' + 'a');
  }
  const std::string before = input.ConsumeRandomLengthString(8);
  const std::string body = before + text + input.ConsumeRandomLengthString(8);
  FUZZ_EXPECT(FindKeyword(text) == word->second);
  FUZZ_EXPECT(FindKeyword(body) == Expected(body));
  FUZZ_EXPECT(FindKeyword("\n " + text + "\t") == word->second);
  FUZZ_EXPECT(FindKeyword(text + " please") == Keyword::kNone);
  FUZZ_EXPECT(FindKeyword("no " + text) == Keyword::kNone);
}

// Twilio's own decision wins, and a toll-free number does not take YES.
void CheckContext(FuzzedDataProvider& input) {
  const std::string type = input.PickValueInArray({"", "STOP", "START", "HELP", "MAYBE"});
  const std::string number = input.PickValueInArray({"+15005550006", "+18005550199", "12345"});
  const std::string body = input.ConsumeRemainingBytesAsString();
  const Keyword found =
      FindKeyword({.body = body, .opt_out_type = type, .business_number = number});
  const Keyword by_type = Expected(type);
  if (by_type != Keyword::kNone) {
    FUZZ_EXPECT(found == by_type);
  } else if (number == "+18005550199" && Lower(Trim(body)) == "yes") {
    FUZZ_EXPECT(found == Keyword::kNone);
  } else {
    FUZZ_EXPECT(found == Expected(body));
  }
}

}  // namespace
}  // namespace parley::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley::fuzz;  // NOLINT: the entry point stands outside.
  FUZZ_EXPECT(FindKeyword(View(data, size)) == Expected(View(data, size)));
  FuzzedDataProvider around(data, size);
  CheckAround(around);
  FuzzedDataProvider context(data, size);
  CheckContext(context);
  return 0;
}
