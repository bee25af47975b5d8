#include "libs/twilio/keywords.h"

#include <array>
#include <string>
#include <utility>

#include "libs/base/text.h"
#include "libs/twilio/number.h"

namespace parley::twilio {
namespace {

constexpr std::pair<std::string_view, Keyword> kWords[] = {
    {"stop", Keyword::kStop},   {"stopall", Keyword::kStop}, {"unsubscribe", Keyword::kStop},
    {"cancel", Keyword::kStop}, {"end", Keyword::kStop},     {"quit", Keyword::kStop},
    {"revoke", Keyword::kStop}, {"optout", Keyword::kStop},  {"start", Keyword::kStart},
    {"yes", Keyword::kStart},   {"unstop", Keyword::kStart}, {"help", Keyword::kHelp},
    {"info", Keyword::kHelp},
};
constexpr std::size_t kWordBytesMax = 11;  // "unsubscribe".

}  // namespace

Keyword FindKeyword(std::string_view body) {
  const std::string_view word = Trim(body);
  if (word.empty() || word.size() > kWordBytesMax) return Keyword::kNone;
  const std::string lower = Lower(word);
  for (const auto& [known, keyword] : kWords) {
    if (lower == known) return keyword;
  }
  return Keyword::kNone;
}

Keyword FindKeyword(const KeywordContext& context) {
  const std::string type = Lower(Trim(context.opt_out_type));
  if (type == "stop") return Keyword::kStop;
  if (type == "start") return Keyword::kStart;
  if (type == "help") return Keyword::kHelp;
  const Keyword keyword = FindKeyword(context.body);
  if (keyword == Keyword::kStart && Lower(Trim(context.body)) == "yes" &&
      GuessNumberType(context.business_number) == NumberType::kTollFree) {
    return Keyword::kNone;
  }
  return keyword;
}

std::string_view KeywordName(Keyword keyword) {
  switch (keyword) {
    case Keyword::kNone:
      return "";
    case Keyword::kStop:
      return "stop";
    case Keyword::kStart:
      return "start";
    case Keyword::kHelp:
      return "help";
  }
  return "";
}

}  // namespace parley::twilio
