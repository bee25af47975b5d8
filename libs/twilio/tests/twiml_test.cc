#include "libs/twilio/twiml.h"

#include <gtest/gtest.h>

namespace parley::twilio {
namespace {

TEST(Twiml, WithoutVerbsIsTheEmptyAnswer) { EXPECT_EQ(Twiml().ToString(), kEmptyTwiml); }

TEST(Twiml, HoldsItsVerbsInOrder) {
  EXPECT_EQ(Twiml()
                .Say("Hello", {.language = "en-US", .voice = "alice"})
                .Pause(2)
                .Message("Bye")
                .ToString(),
            R"(<?xml version="1.0" encoding="UTF-8"?><Response>)"
            R"(<Say language="en-US" voice="alice">Hello</Say><Pause length="2"/>)"
            R"(<Message>Bye</Message></Response>)");
}

TEST(Twiml, NoTextAddsAVerb) {
  const std::string xml = Twiml().Message("</Message><Dial>+15005550006</Dial>").ToString();
  EXPECT_EQ(xml.find("<Dial>"), std::string::npos);
  const std::string attribute =
      Twiml().Say("x", {.language = "\"><Dial/>", .voice = ""}).ToString();
  EXPECT_EQ(attribute.find("<Dial/>"), std::string::npos);
}

TEST(Twiml, RecordsAndForwards) {
  EXPECT_EQ(Twiml()
                .Record({.action = "https://h/a?b=1&c=2",
                         .status_callback = "https://h/s",
                         .seconds_max = 60})
                .Dial({.number = "+15005550009",
                       .caller_id = "+15005550006",
                       .action = "https://h/v",
                       .timeout_seconds = 30})
                .Hangup()
                .ToString(),
            R"(<?xml version="1.0" encoding="UTF-8"?><Response>)"
            R"(<Record action="https://h/a?b=1&amp;c=2" method="POST" maxLength="60" )"
            R"(recordingStatusCallback="https://h/s" recordingStatusCallbackMethod="POST" )"
            R"(recordingStatusCallbackEvent="completed absent"/>)"
            R"(<Dial callerId="+15005550006" timeout="30" action="https://h/v" method="POST">)"
            R"(<Number>+15005550009</Number></Dial><Hangup/></Response>)");
  const std::string hostile = Twiml().Dial({.number = "</Number><Say>x"}).ToString();
  EXPECT_EQ(hostile.find("<Say>"), std::string::npos);
}

TEST(XmlText, IsWhatEscapingLeaves) {
  EXPECT_EQ(XmlText(std::string("a\0b\x01\tc\xEF\xBF\xBFé&<", 13)), "ab\tcé&<");
  EXPECT_EQ(XmlText(""), "");
}

TEST(EscapeXml, EscapesAndLeavesOutWhatXmlCannotHold) {
  const struct {
    std::string text;
    std::string_view want;
  } cases[] = {
      {"a<b>&\"'", "a&lt;b&gt;&amp;&quot;&apos;"},
      {"tab\tline\nreturn\r", "tab\tline\nreturn&#13;"},
      {std::string("nul\0bell\a", 9), "nulbell"},
      {"\xEF\xBF\xBEx\xEF\xBF\xBF", "x"},
      {"é😀", "é😀"},
      {"]]>", "]]&gt;"},
  };
  for (const auto& c : cases) EXPECT_EQ(EscapeXml(c.text), c.want);
}

}  // namespace
}  // namespace parley::twilio
