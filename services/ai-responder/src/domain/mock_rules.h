// The mock provider's answers: rules with templates. Pure and deterministic, so that tests and
// demonstrations know what comes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parley/events/v1/conversation_event.pb.h"

namespace parley::ai {

struct Rule {
  std::string contains;     // Looked for in any case; empty matches everything.
  std::string answer;       // With {body}, {name} and {channel}.
  bool whole_word = false;  // "hi" is then not found in "which".
};

// What a template's placeholders become. They are replaced once: a customer who writes "{name}"
// reads "{name}". Other braces stay.
struct TemplateValues {
  std::string body;
  std::string name;  // Empty reads "there", as in "Hello there!".
  std::string channel;
};

// Opening hours, price, thanks, greeting and, last, an answer for everything else.
std::span<const Rule> BuiltInRules();

// An organization's own rules, followed by the built-in answer for everything else; without own
// rules the built-in ones.
std::vector<Rule> RulesOf(const events::v1::AiSettings& settings);

// The answer of the first rule that matches `values.body`; empty if none does.
std::string AnswerBy(std::span<const Rule> rules, const TemplateValues& values);

// Lower case of ASCII, Latin-1, Greek and Cyrillic letters in UTF-8; all else unchanged.
std::string FoldCase(std::string_view text);

}  // namespace parley::ai
