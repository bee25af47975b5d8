#include "domain/mock_rules.h"

#include <array>
#include <utility>

namespace parley::ai {
namespace {

constexpr char kDefaultAnswer[] = "Thanks for your message! We received: {body}";

// True for bytes of a word: letters, digits and everything beyond ASCII.
bool IsWordByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

bool Matches(const Rule& rule, std::string_view folded_body) {
  const std::string wanted = FoldCase(rule.contains);
  if (!rule.whole_word || wanted.empty()) return folded_body.find(wanted) != std::string::npos;
  for (std::size_t at = folded_body.find(wanted); at != std::string_view::npos;
       at = folded_body.find(wanted, at + 1)) {
    const std::size_t end = at + wanted.size();
    const bool starts = at == 0 || !IsWordByte(folded_body[at - 1]);
    const bool ends = end == folded_body.size() || !IsWordByte(folded_body[end]);
    if (starts && ends) return true;
  }
  return false;
}

std::string Fill(std::string_view text, const TemplateValues& values) {
  const std::pair<std::string_view, std::string_view> placeholders[] = {
      {"{body}", values.body},
      {"{name}", values.name.empty() ? std::string_view("there") : std::string_view(values.name)},
      {"{channel}", values.channel}};
  std::string filled;
  while (!text.empty()) {
    bool replaced = false;
    for (const auto& [placeholder, value] : placeholders) {
      if (!text.starts_with(placeholder)) continue;
      filled += value;
      text.remove_prefix(placeholder.size());
      replaced = true;
      break;
    }
    if (replaced) continue;
    filled += text.front();
    text.remove_prefix(1);
  }
  return filled;
}

}  // namespace

std::span<const Rule> BuiltInRules() {
  // A text that greets and asks gets the answer to its question, so the greeting comes late.
  static const std::array kRules = {
      Rule{"opening hours", "We are open Monday to Friday, 9:00 to 17:00. How can we help?", true},
      Rule{"open", "We are open Monday to Friday, 9:00 to 17:00. How can we help?", true},
      Rule{"hours", "We are open Monday to Friday, 9:00 to 17:00. How can we help?", true},
      Rule{"price", "Thanks for asking! A colleague will send you our prices shortly.", true},
      Rule{"prices", "Thanks for asking! A colleague will send you our prices shortly.", true},
      Rule{"how much", "Thanks for asking! A colleague will send you our prices shortly.", true},
      Rule{"thank you", "You're welcome, {name}!", true},
      Rule{"thanks", "You're welcome, {name}!", true},
      Rule{"hello", "Hello {name}! How can we help you today?", true},
      Rule{"hi", "Hello {name}! How can we help you today?", true},
      Rule{"hey", "Hello {name}! How can we help you today?", true},
      Rule{"", kDefaultAnswer},
  };
  return kRules;
}

std::vector<Rule> RulesOf(const events::v1::AiSettings& settings) {
  if (settings.mock_rules().empty()) return {BuiltInRules().begin(), BuiltInRules().end()};
  std::vector<Rule> rules;
  for (const events::v1::MockRule& rule : settings.mock_rules()) {
    rules.push_back({rule.contains(), rule.template_()});
  }
  rules.push_back({"", kDefaultAnswer});
  return rules;
}

std::string AnswerBy(std::span<const Rule> rules, const TemplateValues& values) {
  const std::string folded = FoldCase(values.body);
  for (const Rule& rule : rules) {
    if (Matches(rule, folded)) return Fill(rule.answer, values);
  }
  return {};
}

std::string FoldCase(std::string_view text) {
  std::string folded(text);
  for (std::size_t i = 0; i < folded.size(); ++i) {
    if (folded[i] >= 'A' && folded[i] <= 'Z') {
      folded[i] = static_cast<char>(folded[i] + ('a' - 'A'));
      continue;
    }
    const auto lead = static_cast<unsigned char>(folded[i]);
    if (lead < 0xc3 || lead > 0xd1 || i + 1 == folded.size()) continue;
    const unsigned point =
        ((lead & 0x1fU) << 6) | (static_cast<unsigned char>(folded[i + 1]) & 0x3fU);
    unsigned lower = point;
    if ((point >= 0xc0 && point <= 0xde && point != 0xd7) ||  // Latin-1 without the sign ×.
        (point >= 0x391 && point <= 0x3a9) ||                 // Greek.
        (point >= 0x410 && point <= 0x42f)) {                 // Cyrillic.
      lower = point + 0x20;
    } else if (point >= 0x400 && point <= 0x40f) {  // Cyrillic with marks.
      lower = point + 0x50;
    }
    folded[i] = static_cast<char>(0xc0 | (lower >> 6));
    folded[i + 1] = static_cast<char>(0x80 | (lower & 0x3f));
    ++i;
  }
  return folded;
}

}  // namespace parley::ai
