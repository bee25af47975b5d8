#include "libs/twilio/form.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace parley::twilio {
namespace {

using testing::ElementsAre;

TEST(ParseForm, KeepsOrderRepeatsAndEmptyValues) {
  const auto params = ParseForm("b=2&a=1&b=3&empty=&bare&&c=x%20y+z%2B");
  ASSERT_TRUE(params.ok());
  ASSERT_EQ(params->size(), 6u);
  EXPECT_EQ((*params)[0], (FormParam{"b", "2"}));
  EXPECT_EQ((*params)[1], (FormParam{"a", "1"}));
  EXPECT_THAT(params->All("b"), ElementsAre("2", "3"));
  EXPECT_EQ(params->Get("b"), "2");
  EXPECT_TRUE(params->Has("empty"));
  EXPECT_TRUE(params->Has("bare"));
  EXPECT_FALSE(params->Has("absent"));
  EXPECT_EQ(params->Get("absent"), "");
  EXPECT_EQ(params->Get("c"), "x y z+");
}

TEST(ParseForm, RefusesWhatCouldBeReadTwoWays) {
  const struct {
    const char* label;
    std::string body;
    const char* reason;
  } cases[] = {
      {"escape cut off", "a=%4", "FORM_BAD_ESCAPE"},
      {"escape at the end", "a=%", "FORM_BAD_ESCAPE"},
      {"escape without digits", "a=%zz", "FORM_BAD_ESCAPE"},
      {"escape in the name", "%g1=a", "FORM_BAD_ESCAPE"},
      {"escaped NUL", "a=x%00y", "FORM_NUL"},
      {"raw NUL", std::string("a=x\0y", 5), "FORM_NUL"},
      {"NUL in the name", "a%00=x", "FORM_NUL"},
      {"lone continuation byte", "a=%80", "FORM_NOT_UTF8"},
      {"overlong slash", "a=%C0%AF", "FORM_NOT_UTF8"},
      {"UTF-16 surrogate", "a=%ED%A0%80", "FORM_NOT_UTF8"},
      {"cut character", "a=%E2%82", "FORM_NOT_UTF8"},
      {"body too large", "a=" + std::string(kWebhookBodyBytesMax, 'x'), "FORM_TOO_LARGE"},
  };
  for (const auto& c : cases) {
    const auto params = ParseForm(c.body);
    ASSERT_FALSE(params.ok()) << c.label;
    EXPECT_EQ(params.status().code(), absl::StatusCode::kInvalidArgument) << c.label;
    EXPECT_EQ(ErrorReason(params.status()), c.reason) << c.label;
  }
}

TEST(ParseForm, BoundsTheNumberOfParameters) {
  std::string body;
  for (std::size_t i = 0; i < kFormParamsMax; ++i) body += "a=1&";
  EXPECT_TRUE(ParseForm(body).ok());
  const auto over = ParseForm(body + "a=1");
  EXPECT_EQ(ErrorReason(over.status()), "FORM_TOO_MANY_PARAMS");
}

TEST(ParseForm, AcceptsTheLargestBody) {
  EXPECT_TRUE(ParseForm("a=" + std::string(kWebhookBodyBytesMax - 2, 'x')).ok());
}

TEST(EncodeForm, ReadsBackAsItWas) {
  const FormParams params = {{"Body", "Hi & bye = 100% + \"<xml/>\" é 😀\r\n"},
                             {"", "empty name"},
                             {"a b", ""},
                             {"~-_.", "~-_."}};
  const std::string text = EncodeForm(params);
  EXPECT_EQ(text.find(' '), std::string::npos);
  const auto back = ParseForm(text);
  ASSERT_TRUE(back.ok());
  ASSERT_EQ(back->size(), params.size());
  for (std::size_t i = 0; i < params.size(); ++i) EXPECT_EQ((*back)[i], params[i]) << i;
}

TEST(EncodeComponent, EscapesAllButUnreserved) {
  EXPECT_EQ(EncodeComponent("whatsapp:+15005550006"), "whatsapp%3A%2B15005550006");
  EXPECT_EQ(EncodeComponent("aZ09-_.~"), "aZ09-_.~");
  EXPECT_EQ(EncodeComponent("é"), "%C3%A9");
}

TEST(FormParams, CopiesStandAlone) {
  FormParams copy;
  {
    const FormParams params = {{"a", "1"}};
    copy = params;
  }
  copy.Add("b", "2");
  EXPECT_EQ(copy.Get("a"), "1");
  EXPECT_EQ(copy.Get("b"), "2");
}

}  // namespace
}  // namespace parley::twilio
