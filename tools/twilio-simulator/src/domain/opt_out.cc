#include "domain/opt_out.h"

#include "domain/text.h"

namespace parley::simulator {
namespace {

bool IsOneOf(std::string_view body, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (EqualsIgnoreCase(body, word)) return true;
  }
  return false;
}

std::string Key(std::string_view business, std::string_view customer) {
  std::string key(business);
  key.push_back('|');
  key += customer;
  return key;
}

}  // namespace

Keyword MatchKeyword(std::string_view body, bool toll_free) {
  body = Trim(body);
  if (toll_free) {
    if (IsOneOf(body, {"STOP"})) return Keyword::kStop;
    if (IsOneOf(body, {"START", "UNSTOP"})) return Keyword::kStart;
    return IsOneOf(body, {"HELP", "INFO"}) ? Keyword::kHelp : Keyword::kNone;
  }
  if (IsOneOf(body,
              {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})) {
    return Keyword::kStop;
  }
  if (IsOneOf(body, {"START", "YES", "UNSTOP"})) return Keyword::kStart;
  return IsOneOf(body, {"HELP", "INFO"}) ? Keyword::kHelp : Keyword::kNone;
}

std::string_view KeywordReply(Keyword keyword, bool toll_free) {
  switch (keyword) {
    case Keyword::kStop:
      return toll_free ? "NETWORK MSG: You replied with the word \"stop\" which blocks all texts "
                         "sent from this number. Text back \"unstop\" to receive messages again."
                       : "You have successfully been unsubscribed. You will not receive any more "
                         "messages from this number. Reply START to resubscribe.";
    case Keyword::kStart:
      return toll_free ? "NETWORK MSG: You have replied \"unstop\" and will begin receiving "
                         "messages again from this number."
                       : "You have successfully been re-subscribed to messages from this number. "
                         "Reply HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May "
                         "Apply.";
    case Keyword::kHelp:
      return "Reply STOP to unsubscribe. Msg&Data Rates May Apply.";
    case Keyword::kNone:
      break;
  }
  return {};
}

bool OptOuts::Stop(std::string_view business, std::string_view customer) {
  return pairs_.insert(Key(business, customer)).second;
}

bool OptOuts::Start(std::string_view business, std::string_view customer) {
  return pairs_.erase(Key(business, customer)) > 0;
}

bool OptOuts::Contains(std::string_view business, std::string_view customer) const {
  return !pairs_.empty() && pairs_.count(Key(business, customer)) > 0;
}

}  // namespace parley::simulator
