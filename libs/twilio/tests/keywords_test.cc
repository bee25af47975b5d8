#include "libs/twilio/keywords.h"

#include <gtest/gtest.h>

namespace parley::twilio {
namespace {

TEST(FindKeyword, KnowsTheFamilies) {
  const struct {
    std::string_view body;
    Keyword want;
  } cases[] = {
      {"STOP", Keyword::kStop},         {"stopall", Keyword::kStop},
      {"Unsubscribe", Keyword::kStop},  {"CANCEL", Keyword::kStop},
      {"end", Keyword::kStop},          {"quit", Keyword::kStop},
      {"REVOKE", Keyword::kStop},       {"optout", Keyword::kStop},
      {" \tStop \r\n", Keyword::kStop}, {"START", Keyword::kStart},
      {"yes", Keyword::kStart},         {"UnStop", Keyword::kStart},
      {"HELP", Keyword::kHelp},         {"info", Keyword::kHelp},
      {"STOP PLEASE", Keyword::kNone},  {"stop.", Keyword::kNone},
      {"S T O P", Keyword::kNone},      {"", Keyword::kNone},
      {"   ", Keyword::kNone},          {"stopp", Keyword::kNone},
      {"ЅTOP", Keyword::kNone},  // A Cyrillic letter.
      {"unsubscribed", Keyword::kNone},
  };
  for (const auto& c : cases) EXPECT_EQ(FindKeyword(c.body), c.want) << "\"" << c.body << "\"";
}

TEST(FindKeyword, TwiliosOwnDecisionWins) {
  EXPECT_EQ(FindKeyword({.body = "arret", .opt_out_type = "STOP", .business_number = ""}),
            Keyword::kStop);
  EXPECT_EQ(FindKeyword({.body = "STOP", .opt_out_type = "HELP", .business_number = ""}),
            Keyword::kHelp);
  EXPECT_EQ(FindKeyword({.body = "hello", .opt_out_type = "", .business_number = ""}),
            Keyword::kNone);
}

TEST(FindKeyword, YesDoesNotUndoATollFreeOptOut) {
  EXPECT_EQ(FindKeyword({.body = "Yes", .opt_out_type = "", .business_number = "+18005551212"}),
            Keyword::kNone);
  EXPECT_EQ(FindKeyword({.body = "UNSTOP", .opt_out_type = "", .business_number = "+18005551212"}),
            Keyword::kStart);
  EXPECT_EQ(FindKeyword({.body = "Yes", .opt_out_type = "", .business_number = "+15005550006"}),
            Keyword::kStart);
}

}  // namespace
}  // namespace parley::twilio
