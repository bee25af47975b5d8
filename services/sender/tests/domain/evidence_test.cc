#include "domain/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::sender {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const Time kStart = FromMicros(1'800'000'000'000'000);

std::string Sid(char digit) { return "SM" + std::string(32, digit); }

// Requested that long after the start; the deadline is 16 s later.
Suspect MakeSuspect(int nr, std::chrono::seconds requested, const std::string& body) {
  Suspect suspect;
  suspect.key = {"o", "m" + std::to_string(nr), 0};
  suspect.journal = 100 + nr;
  suspect.due = true;
  suspect.requested_at = kStart + requested;
  suspect.deadline = suspect.requested_at + 16s;
  suspect.not_after = kStart + 1h;
  suspect.body = body;
  return suspect;
}

twilio::MessageResource Shown(char sid, std::chrono::seconds created, const std::string& body) {
  twilio::MessageResource message;
  message.sid = Sid(sid);
  message.direction = "outbound-api";
  message.body = body;
  message.created = kStart + created;
  return message;
}

PairRows Rows(std::vector<Suspect> suspects) {
  PairRows rows;
  rows.now = kStart + 1min;
  rows.suspects = std::move(suspects);
  return rows;
}

ListView List(std::vector<twilio::MessageResource> messages) {
  ListView list;
  list.messages = std::move(messages);
  return list;
}

std::vector<std::string> Sids(const std::vector<Look>& looks) {
  std::vector<std::string> sids;
  for (const Look& look : looks) sids.push_back(look.message_sid);
  return sids;
}

TEST(Weigh, FindsASendByWhatItIs) {
  Suspect pictures = MakeSuspect(1, 0s, "");
  pictures.media = 2;
  Suspect made_at_twilio = MakeSuspect(1, 0s, "");
  made_at_twilio.is_template = true;
  auto two_pictures = Shown('a', 1s, "");
  two_pictures.media = 2;
  auto one_picture = two_pictures;
  one_picture.media = 1;
  auto reply = Shown('a', 1s, "hi");
  reply.direction = "outbound-reply";
  auto undated = Shown('a', 1s, "hi");
  undated.created.reset();
  const Suspect text = MakeSuspect(1, 0s, "hi");
  const struct {
    const char* label;
    Suspect suspect;
    twilio::MessageResource shown;
    bool found;
  } cases[] = {
      {"the same text", text, Shown('a', 1s, "hi"), true},
      {"another text", text, Shown('a', 1s, "ho"), false},
      {"a longer text", text, Shown('a', 1s, "hi "), false},
      {"a trial account's", text, Shown('a', 1s, "Sent from your Twilio trial account - hi"), true},
      {"Twilio's clock is behind", text, Shown('a', -15s, "hi"), true},
      {"made before the request", text, Shown('a', -16s, "hi"), false},
      {"as late as the deadline and the slack", text, Shown('a', 31s, "hi"), true},
      {"made later", text, Shown('a', 32s, "hi"), false},
      {"not made by a request", text, reply, false},
      {"without a time", text, undated, false},
      {"as many pictures", pictures, two_pictures, true},
      {"fewer pictures", pictures, one_picture, false},
      {"a template's text is not known", made_at_twilio, Shown('a', 1s, "Dear you"), true},
  };
  for (const auto& c : cases) {
    const std::vector<Look> looks = Weigh(Rows({c.suspect}), List({c.shown}));
    EXPECT_THAT(Sids(looks), ElementsAre(c.found ? Sid('a') : "")) << c.label;
  }
}

TEST(Weigh, GivesASidOnce) {
  PairRows rows = Rows({MakeSuspect(1, 0s, "hi")});
  rows.claimed = {Sid('a')};
  EXPECT_THAT(Sids(Weigh(rows, List({Shown('a', 1s, "hi")}))), ElementsAre(""));
  // Two pages that overlap show one message twice.
  rows = Rows({MakeSuspect(1, 0s, "hi"), MakeSuspect(2, 1s, "hi")});
  for (Suspect& suspect : rows.suspects) suspect.looks = 3;
  EXPECT_THAT(Sids(Weigh(rows, List({Shown('a', 1s, "hi"), Shown('a', 1s, "hi")}))),
              ElementsAre(Sid('a'), ""));
}

TEST(Weigh, TellsEqualTextsApartByCount) {
  PairRows rows = Rows({MakeSuspect(1, 0s, "hi"), MakeSuspect(2, 2s, "hi"),
                        MakeSuspect(3, 4s, "hi"), MakeSuspect(4, 5s, "ho")});
  const ListView all = List(
      {Shown('d', 5s, "ho"), Shown('c', 4s, "hi"), Shown('b', 2s, "hi"), Shown('a', 1s, "hi")});
  EXPECT_THAT(Sids(Weigh(rows, all)), ElementsAre(Sid('a'), Sid('b'), Sid('c'), Sid('d')));
  const ListView two = List({Shown('d', 5s, "ho"), Shown('c', 4s, "hi"), Shown('b', 2s, "hi")});
  EXPECT_THAT(Sids(Weigh(rows, two)), ElementsAre("", "", "", Sid('d')))
      << "too early to say which of them is missing";
  for (Suspect& suspect : rows.suspects) suspect.looks = 1;
  EXPECT_THAT(Sids(Weigh(rows, two)), ElementsAre(Sid('b'), Sid('c'), "", Sid('d')));
}

TEST(Weigh, TakesNothingFromASendWhoseAnswerIsStillToCome) {
  PairRows rows = Rows({MakeSuspect(1, 0s, "hi"), MakeSuspect(2, 2s, "hi")});
  rows.suspects[0].looks = 3;
  rows.suspects[1].state = State::kSending;
  rows.suspects[1].due = false;
  const std::vector<Look> looks = Weigh(rows, List({Shown('a', 2s, "hi")}));
  ASSERT_THAT(Sids(looks), ElementsAre(""));
  EXPECT_EQ(looks[0].findings.back().kind, FindingKind::kAmbiguous);
}

TEST(Weigh, ATemplateIsFoundOnlyIfItCanBeNothingElse) {
  PairRows rows = Rows({MakeSuspect(1, 0s, ""), MakeSuspect(2, 2s, "")});
  for (Suspect& suspect : rows.suspects) {
    suspect.is_template = true;
    suspect.looks = 3;
  }
  std::vector<Look> looks = Weigh(rows, List({Shown('a', 2s, "Dear you")}));
  EXPECT_THAT(Sids(looks), ElementsAre("", ""));
  EXPECT_EQ(looks[0].findings.back().kind, FindingKind::kAmbiguous);
  rows.suspects.pop_back();
  looks = Weigh(rows, List({Shown('a', 2s, "Dear you"), Shown('b', 2s, "Dear you")}));
  EXPECT_THAT(Sids(looks), ElementsAre(""));
}

TEST(Weigh, SaysWhatTheListSays) {
  const Suspect suspect = MakeSuspect(1, 0s, "hi");
  ListView unreadable;
  unreadable.readable = false;
  ListView later;
  later.newest = suspect.deadline + kClockSlack + 1s;
  ListView not_later;
  not_later.newest = suspect.deadline + kClockSlack;
  ListView alike = List({Shown('a', 1s, "hI")});
  alike.newest = later.newest;
  ListView earlier = List({Shown('a', -60s, "hi")});
  earlier.newest = later.newest;
  const struct {
    const char* label;
    ListView list;
    FindingKind want;
  } cases[] = {
      {"nothing", List({}), FindingKind::kListWithout},
      {"nothing that is later than the deadline", not_later, FindingKind::kListWithout},
      {"later messages of the sender", later, FindingKind::kListShowsLater},
      {"one that may be it", alike, FindingKind::kAmbiguous},
      {"the same text of another time", earlier, FindingKind::kAmbiguous},
      {"it could not be read", unreadable, FindingKind::kListUnreadable},
  };
  for (const auto& c : cases) {
    const std::vector<Look> looks = Weigh(Rows({suspect}), c.list);
    ASSERT_EQ(looks.size(), 1U) << c.label;
    EXPECT_THAT(looks[0].findings, ElementsAre(Finding{c.want, kStart + 1min, 1})) << c.label;
    EXPECT_EQ(looks[0].journal, suspect.journal) << c.label;
  }
}

TEST(Weigh, CountsLooksThatSayTheSame) {
  Suspect suspect = MakeSuspect(1, 0s, "hi");
  suspect.looks = 2;
  suspect.findings = {{FindingKind::kListUnreadable, kStart, 1},
                      {FindingKind::kListWithout, kStart, 1}};
  const std::vector<Look> looks = Weigh(Rows({suspect}), List({}));
  EXPECT_EQ(looks[0].looks, 3);
  EXPECT_THAT(looks[0].findings, ElementsAre(Finding{FindingKind::kListUnreadable, kStart, 1},
                                             Finding{FindingKind::kListWithout, kStart + 1min, 2}));
}

TEST(Weigh, LooksAgainWithGrowingWaitsUntilItIsOver) {
  Suspect suspect = MakeSuspect(1, 0s, "hi");
  const std::chrono::seconds waits[] = {10s, 30s, 2min, 5min, 15min, 30min, 30min};
  for (const std::chrono::seconds wait : waits) {
    const std::vector<Look> looks = Weigh(Rows({suspect}), List({}));
    EXPECT_EQ(looks[0].wait, wait) << suspect.looks;
    suspect.looks = looks[0].looks;
  }
  PairRows rows = Rows({suspect});
  rows.now = suspect.not_after + kSearchAfter - 1s;
  EXPECT_EQ(Weigh(rows, List({}))[0].wait, 1s);
  rows.now = suspect.not_after + kSearchAfter;
  EXPECT_FALSE(Weigh(rows, List({}))[0].wait.has_value());
}

TEST(Weigh, LeavesAloneWhatIsNotDue) {
  PairRows rows = Rows({MakeSuspect(1, 0s, "hi"), MakeSuspect(2, 0s, "ho")});
  rows.suspects[0].due = false;
  rows.suspects[1].due = false;
  EXPECT_THAT(Weigh(rows, List({})), IsEmpty());
  EXPECT_THAT(Sids(Weigh(rows, List({Shown('a', 1s, "ho")}))), ElementsAre(Sid('a')))
      << "what is shown is settled all the same";
}

TEST(WantsNewest, OnlyWhereItCouldSpeak) {
  std::vector<Suspect> suspects = {MakeSuspect(1, 0s, "hi")};
  const Time later = suspects[0].deadline + kClockSlack;
  EXPECT_FALSE(WantsNewest(suspects, later, {})) << "nothing can be later yet";
  EXPECT_TRUE(WantsNewest(suspects, later + 1s, {}));
  EXPECT_TRUE(WantsNewest(suspects, later + 1s, later));
  EXPECT_FALSE(WantsNewest(suspects, later + 1s, later + 1s)) << "it is known";
  suspects[0].due = false;
  EXPECT_FALSE(WantsNewest(suspects, later + 1s, {}));
}

TEST(Findings, SurviveAColumn) {
  const std::vector<Finding> findings = {{FindingKind::kListWithout, kStart, 3},
                                         {FindingKind::kListShowsLater, kStart + 1s, 1}};
  EXPECT_EQ(ReadFindings(WriteFindings(findings)), findings);
  EXPECT_THAT(ReadFindings(""), IsEmpty());
  EXPECT_THAT(ReadFindings("1:2;x:1:1;9:1:1;1:1:1:1;2:5:1"),
              ElementsAre(Finding{FindingKind::kListShowsLater, FromMicros(5), 1}));
}

}  // namespace
}  // namespace parley::sender
