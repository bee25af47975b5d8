#include "domain/validation.h"

#include <gtest/gtest.h>

#include <functional>

#include "libs/base/status.h"

namespace parley::gateway {
namespace {

// The reason of a refusal; empty if it is accepted.
std::string Reason(const absl::Status& status) { return status.ok() ? "" : ErrorReason(status); }

TEST(CheckText, CountsCodePointsAndRefusesWhatCannotBeStored) {
  const struct {
    const char* label;
    std::string text;
    Length length;
    std::string want;
  } cases[] = {
      {"shortest", "a", {1, 3}, ""},
      {"longest", "abc", {1, 3}, ""},
      {"missing", "", {1, 3}, "FIELD_REQUIRED"},
      {"may be missing", "", {0, 3}, ""},
      {"too short", "a", {2, 3}, "TEXT_TOO_SHORT"},
      {"too long", "abcd", {1, 3}, "TEXT_TOO_LONG"},
      {"three characters of four bytes each",
       "\xF0\x9F\x99\x82\xF0\x9F\x99\x82\xF0\x9F\x99\x82",
       {1, 3},
       ""},
      {"cut in the middle of a character", "a\xF0\x9F", {1, 3}, "INVALID_TEXT"},
      {"overlong form", "\xC0\xAF", {1, 3}, "INVALID_TEXT"},
      {"NUL", std::string("a\0b", 3), {1, 3}, "INVALID_TEXT"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Reason(CheckText("displayName", c.text, c.length)), c.want) << c.label;
  }
}

TEST(CheckText, NamesTheField) {
  EXPECT_EQ(CheckText("displayName", "", {1, 3}).message(), "displayName is missing.");
}

TEST(CheckPhone, TakesTheShapeOfE164Only) {
  const struct {
    std::string number;
    std::string want;
  } cases[] = {
      {"+15550001000", ""},
      {"", "FIELD_REQUIRED"},
      {"15550001000", "INVALID_PHONE_NUMBER"},
      {"+0555", "INVALID_PHONE_NUMBER"},
      {"+1 555 000 1000", "INVALID_PHONE_NUMBER"},
      {"+1555000100012345", "INVALID_PHONE_NUMBER"},
      {"whatsapp:+15550001000", "INVALID_PHONE_NUMBER"},
      {"+1555000100a", "INVALID_PHONE_NUMBER"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Reason(CheckPhone("to", c.number)), c.want) << c.number;
  }
  EXPECT_EQ(Reason(CheckPhoneOrEmpty("to", "")), "");
}

TEST(CheckEmail, WantsSomeoneAtSomewhere) {
  const struct {
    std::string email;
    bool good;
  } cases[] = {
      {"a@b", true},    {"ann@example.com", true},
      {"", false},      {"@example.com", false},
      {"ann@", false},  {"ann", false},
      {"a@b@c", false}, {"a b@c", false},
      {"a\n@c", false}, {std::string(400, 'a') + "@b", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(CheckEmail("email", c.email).ok(), c.good) << c.email;
  }
}

TEST(CheckUrl, TakesWebAddressesWithoutAUser) {
  const struct {
    std::string url;
    bool good;
  } cases[] = {
      {"https://example.com/a.png", true},
      {"http://example.com:8080/a?b=c", true},
      {"ftp://example.com/a", false},
      {"file:///etc/passwd", false},
      {"javascript:alert(1)", false},
      {"https://", false},
      {"https://user:secret@example.com/", false},
      {"https://example.com/a b", false},
      {"https://example.com/" + std::string(2'048, 'a'), false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(CheckUrl("mediaUrls[0]", c.url).ok(), c.good) << c.url;
  }
}

TEST(CheckAccountSid, WantsPrefixAnd32HexadecimalDigits) {
  EXPECT_EQ(Reason(CheckAccountSid("accountSid", "AC" + std::string(32, '1'))), "");
  EXPECT_EQ(Reason(CheckAccountSid("accountSid", "AC" + std::string(31, '1'))),
            "INVALID_ACCOUNT_SID");
  EXPECT_EQ(Reason(CheckAccountSid("accountSid", "SK" + std::string(32, '1'))),
            "INVALID_ACCOUNT_SID");
  EXPECT_EQ(Reason(CheckAccountSid("accountSid", "AC" + std::string(32, 'g'))),
            "INVALID_ACCOUNT_SID");
}

TEST(CheckContent, WantsATextOrMediaWithinTheirLimits) {
  const std::vector<std::string> none;
  const std::vector<std::string> one{"https://example.com/a.png"};
  const std::vector<std::string> ten(10, one[0]);
  const std::vector<std::string> eleven(11, one[0]);
  const std::vector<std::string> bad{"https://example.com/a.png", "a.png"};
  const struct {
    const char* label;
    std::string body;
    const std::vector<std::string>& media;
    std::string want;
  } cases[] = {
      {"nothing", "", none, "EMPTY_MESSAGE"},
      {"text", "hello", none, ""},
      {"media alone", "", one, ""},
      {"as much as there may be", std::string(1'600, 'a'), ten, ""},
      {"text too long", std::string(1'601, 'a'), none, "TEXT_TOO_LONG"},
      {"too many media", "", eleven, "TOO_MANY_MEDIA"},
      {"no address", "", bad, "INVALID_URL"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Reason(CheckContent({c.body, c.media})), c.want) << c.label;
  }
}

TEST(CheckMediumTakes, KnowsWhatCanBeSent) {
  EXPECT_EQ(Reason(CheckMediumTakes(v1::MEDIUM_SMS, 10)), "");
  EXPECT_EQ(Reason(CheckMediumTakes(v1::MEDIUM_WHATSAPP, 1)), "");
  EXPECT_EQ(Reason(CheckMediumTakes(v1::MEDIUM_WHATSAPP, 2)), "TOO_MANY_MEDIA");
  EXPECT_EQ(Reason(CheckMediumTakes(v1::MEDIUM_VOICE, 0)), "MEDIUM_NOT_SENDABLE");
}

TEST(CheckChosenId, TakesAUuidOrNothing) {
  EXPECT_EQ(Reason(CheckChosenId("messageId", "")), "");
  EXPECT_EQ(Reason(CheckChosenId("messageId", "01890a5d-ac96-774b-bcce-b302099a8057")), "");
  EXPECT_EQ(Reason(CheckChosenId("messageId", "1")), "INVALID_ID");
  EXPECT_EQ(Reason(CheckChosenId("messageId", "01890a5d-ac96-774b-bcce-b302099a805'")),
            "INVALID_ID");
}

TEST(FirstProblem, IsTheFirst) {
  EXPECT_EQ(Reason(FirstProblem(
                {CheckText("a", "x", {1, 3}), CheckPhone("b", ""), CheckPhone("c", "no")})),
            "FIELD_REQUIRED");
  EXPECT_EQ(Reason(FirstProblem({CheckText("a", "x", {1, 3})})), "");
}

TEST(CheckTime, TakesTheYears1To9999) {
  const struct {
    const char* label;
    std::int64_t seconds;
    std::int32_t nanos;
    bool good;
  } cases[] = {
      {"1970", 0, 0, true},
      {"the first", -62'135'596'800, 0, true},
      {"before it", -62'135'596'801, 999'999'999, false},
      {"the last", 253'402'300'799, 999'999'999, true},
      {"after it", 253'402'300'800, 0, false},
      {"what overflows as microseconds", std::int64_t{1} << 62, 0, false},
      {"no negative nanoseconds", 0, -1, false},
      {"no whole second of nanoseconds", 0, 1'000'000'000, false},
  };
  for (const auto& c : cases) {
    google::protobuf::Timestamp time;
    time.set_seconds(c.seconds);
    time.set_nanos(c.nanos);
    EXPECT_EQ(CheckTime("sendTime", time).ok(), c.good) << c.label;
  }
}

}  // namespace
}  // namespace parley::gateway
