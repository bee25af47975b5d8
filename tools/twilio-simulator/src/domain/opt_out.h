// The carrier's and Twilio's keywords (TWILIO.md §8), and who stopped whom. Single-threaded.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

namespace parley::simulator {

enum class Keyword { kNone, kStop, kStart, kHelp };

// The whole body must be the word; case and outer spaces do not matter. A toll-free number's
// carrier knows fewer words.
Keyword MatchKeyword(std::string_view body, bool toll_free);

// What Twilio answers to a keyword by itself; "" where it stays silent.
std::string_view KeywordReply(Keyword keyword, bool toll_free);

// Pairs of a business (a number, or a Messaging Service's SID) and a customer's number.
class OptOuts {
 public:
  // Return whether that changed anything.
  bool Stop(std::string_view business, std::string_view customer);
  bool Start(std::string_view business, std::string_view customer);
  bool Contains(std::string_view business, std::string_view customer) const;
  void Clear() { pairs_.clear(); }
  const std::unordered_set<std::string>& pairs() const { return pairs_; }
  // `pair` as pairs() shows it.
  void Restore(std::string pair) { pairs_.insert(std::move(pair)); }

 private:
  std::unordered_set<std::string> pairs_;  // "business|customer"
};

}  // namespace parley::simulator
