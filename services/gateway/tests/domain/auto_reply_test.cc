#include "domain/auto_reply.h"

#include <gtest/gtest.h>

namespace parley::gateway {
namespace {

TEST(FillAutoReply, ReplacesEachPlaceholderOnce) {
  struct Case {
    const char* text;
    const char* body;
    const char* name;
    const char* want;
  };
  const Case cases[] = {
      {"Thanks for your message!", "hi", "Ada", "Thanks for your message!"},
      {"{name}: we received: {body}", "hi", "Ada", "Ada: we received: hi"},
      {"Hello {name}", "hi", "", "Hello there"},
      {"{body} {body}", "{name}", "Ada", "{name} {name}"},
      {"{other} {", "hi", "Ada", "{other} {"},
  };
  for (const Case& c : cases) EXPECT_EQ(FillAutoReply(c.text, c.body, c.name), c.want) << c.text;
}

TEST(FillAutoReply, IsAsLongAsTwilioTakes) {
  EXPECT_EQ(FillAutoReply("{body}{body}", std::string(1000, 'x'), "").size(), 1600u);
}

}  // namespace
}  // namespace parley::gateway
