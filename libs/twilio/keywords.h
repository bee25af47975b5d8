// The words by which a customer opts out and in (TWILIO.md 8). Pure.
#pragma once

#include <string_view>

namespace parley::twilio {

enum class Keyword { kNone, kStop, kStart, kHelp };

// The keyword that `body` is: one word and nothing else, in any case, white space around it
// allowed. "STOP PLEASE" is none.
Keyword FindKeyword(std::string_view body);

struct KeywordContext {
  std::string_view body;
  // Twilio's OptOutType parameter (Advanced Opt-Out); empty if absent. It is Twilio's own
  // decision, also on words that only that account knows, so it wins over the body.
  std::string_view opt_out_type;
  // The number that was written to. A toll-free number's opt-out lives in the carriers' network
  // and only START and UNSTOP end it; YES does not.
  std::string_view business_number;
};

Keyword FindKeyword(const KeywordContext& context);

// "stop", "start", "help"; "" for kNone.
std::string_view KeywordName(Keyword keyword);

}  // namespace parley::twilio
