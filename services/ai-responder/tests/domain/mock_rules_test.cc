#include "domain/mock_rules.h"

#include <gtest/gtest.h>

namespace parley::ai {
namespace {

TEST(BuiltInRules, AnswerWhatCustomersAsk) {
  const std::string hello = "Hello Ada! How can we help you today?";
  const std::string hours = "We are open Monday to Friday, 9:00 to 17:00. How can we help?";
  const std::string price = "Thanks for asking! A colleague will send you our prices shortly.";
  struct Case {
    const char* body;
    std::string want;
  };
  const Case cases[] = {
      {"hello", hello},
      {"HI!", hello},
      {"Which of this?", "Thanks for your message! We received: Which of this?"},
      {"Hello, when are you open?", hours},
      {"opening hours", hours},
      {"I opened it", "Thanks for your message! We received: I opened it"},
      {"what is the PRICE?", price},
      {"how much is it", price},
      {"thanks", "You're welcome, Ada!"},
      {"\xF0\x9F\x98\x80", "Thanks for your message! We received: \xF0\x9F\x98\x80"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(AnswerBy(BuiltInRules(), {c.body, "Ada", "Shop"}), c.want) << c.body;
  }
}

TEST(AnswerBy, TakesTheFirstRuleThatMatches) {
  const Rule rules[] = {{"pizza", "first"}, {"piz", "second"}, {"kaffee", "third"}};
  struct Case {
    const char* body;
    const char* want;
  };
  const Case cases[] = {{"a PIZZA, please", "first"},
                        {"pizz", "second"},
                        {"Kaffeekanne", "third"},
                        {"tea", ""},
                        {"", ""}};
  for (const Case& c : cases) EXPECT_EQ(AnswerBy(rules, {c.body, "", ""}), c.want) << c.body;
}

TEST(AnswerBy, FillsEachPlaceholderOnce) {
  struct Case {
    const char* label;
    const char* text;
    TemplateValues values;
    const char* want;
  };
  const Case cases[] = {
      {"all three", "{channel}: {name} said {body}", {"b", "n", "c"}, "c: n said b"},
      {"repeated", "{body}{body}", {"b", "", ""}, "bb"},
      {"no name", "Hello {name}!", {"b", "", ""}, "Hello there!"},
      {"a customer's placeholder stays",
       "{body} {name}",
       {"{name}{channel}", "n", "c"},
       "{name}{channel} n"},
      {"other braces stay", "{x} {body {body} }", {"b", "", ""}, "{x} {body b }"},
  };
  for (const Case& c : cases) {
    const Rule rules[] = {{"", c.text}};
    EXPECT_EQ(AnswerBy(rules, c.values), c.want) << c.label;
  }
}

TEST(RulesOf, PutsAnOrganizationsRulesBeforeTheDefault) {
  events::v1::AiSettings settings;
  EXPECT_EQ(AnswerBy(RulesOf(settings), {"hi", "Ada", ""}),
            "Hello Ada! How can we help you today?");
  events::v1::MockRule& rule = *settings.add_mock_rules();
  rule.set_contains(
      "\xC3\x96"
      "ffnungszeiten");
  rule.set_template_("9 to 5");
  EXPECT_EQ(AnswerBy(RulesOf(settings), {"\xC3\xB6"
                                         "FFNUNGSZEITEN?",
                                         "", ""}),
            "9 to 5");
  EXPECT_EQ(AnswerBy(RulesOf(settings), {"hi", "Ada", ""}),
            "Thanks for your message! We received: hi");
}

TEST(FoldCase, KnowsTheLettersOfEurope) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"ABC xyz 1!", "abc xyz 1!"},
      {"\xC3\x84\xC3\x9F\xC3\x97", "\xC3\xA4\xC3\x9F\xC3\x97"},  // Ä ß ×.
      {"\xCE\xA9\xCE\x91", "\xCF\x89\xCE\xB1"},                  // Ω Α.
      {"\xD0\x9F\xD0\xAF\xD0\x81", "\xD0\xBF\xD1\x8F\xD1\x91"},  // П Я Ё.
      {"\xE6\x97\xA5\xF0\x9F\x98\x80", "\xE6\x97\xA5\xF0\x9F\x98\x80"},
      {"\xC3", "\xC3"},
  };
  for (const Case& c : cases) EXPECT_EQ(FoldCase(c.text), c.want) << c.text;
}

}  // namespace
}  // namespace parley::ai
